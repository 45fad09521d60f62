/**
 * Work by the clock: a named loop with an interval and a deadline, observed and stoppable.
 */
import { type Duration, type Instant, SECOND } from "../kernel/time.js";
import type { Logger } from "./logger.js";
import type { Clock } from "./system.js";

export interface LoopOptions {
  readonly name: string;
  readonly interval: Duration;
  /** One run is aborted after this long. @default four intervals, at least 10 s */
  readonly deadline?: Duration;
  readonly clock: Clock;
  readonly logger: Logger;
  /** One run. Throwing is logged and counted, and the loop goes on. */
  readonly run: (now: Instant, signal: AbortSignal) => Promise<void>;
}

export interface LoopStatus {
  readonly name: string;
  readonly interval: Duration;
  readonly lastStartedAt: Instant | undefined;
  readonly lastSucceededAt: Instant | undefined;
  readonly failuresInRow: number;
  readonly lastError: string | undefined;
}

/** A loop that runs at once when started and then each interval, never two runs at a time; a late run is not made up for. */
export class Loop {
  readonly #options: LoopOptions;
  readonly #stop = new AbortController();
  #wake: AbortController = new AbortController();
  #running: Promise<void> | undefined;
  #status: LoopStatus;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#status = {
      name: options.name,
      interval: options.interval,
      lastStartedAt: undefined,
      lastSucceededAt: undefined,
      failuresInRow: 0,
      lastError: undefined,
    };
  }

  get status(): LoopStatus {
    return this.#status;
  }

  start(): void {
    this.#running ??= this.#beat();
  }

  /** Brings the next run forward to now. */
  wake(): void {
    this.#wake.abort();
  }

  /** Ends the loop; resolves when the run under way has ended. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake.abort();
    await this.#running;
  }

  async #beat(): Promise<void> {
    const { clock, interval } = this.#options;
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController();
      const started = clock.monotonic();
      await this.#once();
      const rest = interval - (clock.monotonic() - started);
      if (rest > 0 && !this.#wake.signal.aborted && !this.#stop.signal.aborted) {
        await clock.sleep(rest, this.#wake.signal);
      }
    }
  }

  async #once(): Promise<void> {
    const { clock, logger, name, interval } = this.#options;
    const deadline = this.#options.deadline ?? Math.max(4 * interval, 10 * SECOND);
    const now = clock.now();
    this.#status = { ...this.#status, lastStartedAt: now };
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(deadline)]);
    try {
      await this.#options.run(now, signal);
      this.#status = {
        ...this.#status,
        lastSucceededAt: clock.now(),
        failuresInRow: 0,
        lastError: undefined,
      };
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const failuresInRow = this.#status.failuresInRow + 1;
      const message = error instanceof Error ? error.message : String(error);
      this.#status = { ...this.#status, failuresInRow, lastError: message };
      // Said at the first failure and then ever more seldom, so that an outage does not flood the log.
      if ((failuresInRow & (failuresInRow - 1)) === 0)
        logger.warn("a loop's run failed", { loop: name, failuresInRow }, error);
    }
  }
}
