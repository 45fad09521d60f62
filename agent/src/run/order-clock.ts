/** The control plane's time, as well as it is known here: what decides whether an order has expired. */
import type { Clock } from "../system.js";

/** A host whose clock is wrong by more than this trusts its own: a lie about the time must not make old orders new. */
const offsetMaxMs = 15 * 60_000;

/** Where the clocks stood when the offset was learnt. */
interface Anchor {
  readonly offset: number;
  readonly wall: number;
  readonly monotonic: number;
}

export class OrderClock {
  readonly #clock: Clock;
  readonly #offsetMs: () => number;
  #anchor: Anchor | undefined;

  /** @param offsetMs the control plane's clock minus this host's, in ms, as the last stream began with */
  constructor(clock: Clock, offsetMs: () => number) {
    this.#clock = clock;
    this.#offsetMs = offsetMs;
  }

  /**
   * Now, in ms since the epoch. A host's clock that is set back does not make an order young again: since the offset was
   * learnt at least as much has passed as the monotonic clock says. One that was far off has nothing to hold on to.
   */
  now(): number {
    const offset = this.#offsetMs();
    const [wall, monotonic] = [this.#clock.now(), this.#clock.monotonic()];
    if (this.#anchor?.offset !== offset) this.#anchor = { offset, wall, monotonic };
    const bounded = Math.max(-offsetMaxMs, Math.min(offsetMaxMs, offset));
    if (bounded !== offset) return wall + bounded;
    return Math.max(wall, this.#anchor.wall + monotonic - this.#anchor.monotonic) + offset;
  }
}
