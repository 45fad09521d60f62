/** What was started, so that it can be stopped in the reverse order, each part within its time. */
import { type Duration, SECOND } from "./kernel/time.js";
import type { Logger } from "./platform/logger.js";
import type { Loop } from "./platform/loop.js";
import type { Clock } from "./platform/system.js";

interface Part {
  readonly name: string;
  readonly stop: () => void | Promise<void>;
  readonly within: Duration;
}

/** A part that does not end within this is left behind, and that is said. */
const PART_WITHIN: Duration = 3 * SECOND;

export class Lifecycle {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #parts: Part[] = [];

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** `stop` is called when the house is taken down, before everything that was started earlier. */
  started(name: string, stop: Part["stop"], within = PART_WITHIN): void {
    this.#parts.push({ name, stop, within });
  }

  startLoop(loop: Loop): void {
    loop.start();
    this.started(`loop ${loop.status.name}`, () => loop.stop());
  }

  /** Stops everything; never rejects. What fails or is late is logged, and the rest is stopped all the same. */
  async stop(): Promise<void> {
    for (let part = this.#parts.pop(); part !== undefined; part = this.#parts.pop()) {
      const { name, stop, within } = part;
      const done = new AbortController();
      const late = this.#clock.sleep(within, done.signal).then(() => {
        if (!done.signal.aborted)
          this.#logger.warn("a part did not stop in time and is left", { part: name });
      });
      try {
        await Promise.race([stop(), late]);
      } catch (error) {
        this.#logger.warn("a part did not stop cleanly", { part: name }, error);
      } finally {
        done.abort();
      }
    }
  }
}
