/** Samples how late this process' own timer comes. */
import { type Duration, SECOND } from "../../kernel/time.js";
import type { Clock } from "../../platform/system.js";
import { judgeLiveness, LAG_WINDOW, type LagSample, type LivenessVerdict } from "./judge-liveness.js";

const SAMPLE_EVERY: Duration = 0.5 * SECOND;

export class EventLoopLag {
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  #samples: readonly LagSample[] = [];
  #dueAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#dueAt = Number.POSITIVE_INFINITY;
  }

  start(): void {
    void this.#beat();
  }

  stop(): void {
    this.#stop.abort();
  }

  read(): LivenessVerdict {
    return judgeLiveness(this.#samples, this.#dueAt, this.#clock.monotonic());
  }

  async #beat(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#dueAt = this.#clock.monotonic() + SAMPLE_EVERY;
      await this.#clock.sleep(SAMPLE_EVERY, this.#stop.signal);
      const at = this.#clock.monotonic();
      const fresh = this.#samples.filter((sample) => at - sample.at <= LAG_WINDOW);
      this.#samples = [...fresh, { at, lag: Math.max(0, at - this.#dueAt) }];
    }
    this.#dueAt = Number.POSITIVE_INFINITY;
  }
}
