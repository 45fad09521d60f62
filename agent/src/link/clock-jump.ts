/**
 * Whether this host's clock was set. What time it is at the control plane is learnt when a stream opens, as a difference
 * to this clock: after a jump it is wrong, orders would be judged by it, and only a new stream tells anew.
 */
import type { Clock } from "../system.js";

/** Slewing by NTP is 0.5 ms in a second at most; a stream is not opened anew for it. */
const jumpMs = 2_000;

export class ClockJump {
  readonly #clock: Clock;
  #wall: number;
  #monotonic: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wall = clock.now();
    this.#monotonic = clock.monotonic();
  }

  /**
   * By how many ms the clock was set since it was last looked at, forward or back; undefined when it was not. A jump is
   * told until {@link settle}. A host that was suspended has jumped too.
   */
  look(): number | undefined {
    const by = this.#clock.now() - this.#wall - (this.#clock.monotonic() - this.#monotonic);
    if (Math.abs(by) > jumpMs) return Math.round(by);
    this.settle();
    return undefined;
  }

  /** The time was learnt anew. */
  settle(): void {
    this.#wall = this.#clock.now();
    this.#monotonic = this.#clock.monotonic();
  }
}
