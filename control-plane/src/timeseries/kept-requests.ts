/** The log of what others wrote, over the life of an engine: opened late, replayed when the engine begins anew. */
import { type ErrorCode, OpsError } from "../kernel/errors.js";
import { SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import type { Clock } from "../platform/system.js";
import type { ReplayKept } from "./door.js";
import { WrittenLog } from "./written-log.js";

const AGAIN_AFTER = SECOND;
/** What may be better later. */
const LATER: readonly ErrorCode[] = ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"];

export interface KeptRequestsDeps {
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class KeptRequests {
  readonly #deps: KeptRequestsDeps;
  #log: WrittenLog | undefined;
  #replaying: Promise<void> | undefined;
  #again = false;

  constructor(deps: KeptRequestsDeps) {
    this.#deps = deps;
  }

  /** The log, for new entries. Throws UNAVAILABLE before what was kept has been taken in. */
  open(): WrittenLog {
    if (this.#log !== undefined && this.#replaying === undefined) return this.#log;
    throw new OpsError("UNAVAILABLE", "samples that were kept are taken in first: send yours again later");
  }

  /** Gives all that is kept to `replay`, oldest first. What comes meanwhile must wait. */
  async replay(replay: ReplayKept, signal: AbortSignal): Promise<void> {
    this.#again = true;
    this.#replaying ??= this.#run(replay, signal).finally(() => {
      this.#replaying = undefined;
    });
    return this.#replaying;
  }

  /** What was given from these segments is in PostgreSQL. */
  durable(through: number): void {
    this.#log?.durable(through).catch((error: unknown) => {
      this.#deps.logger.warn(
        "what is durable could not be removed from the log of written samples",
        {},
        error,
      );
    });
  }

  async close(): Promise<void> {
    await this.#log?.close();
  }

  async #run(replay: ReplayKept, signal: AbortSignal): Promise<void> {
    const { clock, directory, logger } = this.#deps;
    while (this.#again && !signal.aborted) {
      this.#again = false;
      const started = clock.monotonic();
      this.#log ??= await WrittenLog.open(directory, clock);
      let requests = 0;
      for await (const request of this.#log.read()) {
        if (!(await this.#give(replay, request, signal))) return;
        requests++;
      }
      const tookMs = Math.round(clock.monotonic() - started);
      if (requests > 0) logger.info("samples that others wrote were taken in again", { requests, tookMs });
    }
  }

  /** Whether it was taken, or never can be; false: there is no time left. */
  async #give(replay: ReplayKept, request: Uint8Array, signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      try {
        await replay(request);
        return true;
      } catch (error) {
        if (!(error instanceof OpsError && LATER.includes(error.code))) return true;
        await this.#deps.clock.sleep(AGAIN_AFTER, signal);
      }
    }
    return false;
  }
}
