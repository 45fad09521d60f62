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

/** A time of the control plane that was believed, and when that was. */
interface Believed {
  readonly server: number;
  readonly monotonic: number;
}

export class OrderClock {
  readonly #clock: Clock;
  readonly #offsetMs: () => number;
  #anchor: Anchor | undefined;
  #believed: Believed | undefined;

  /** @param offsetMs the control plane's clock minus this host's, in ms, as the last stream began with */
  constructor(clock: Clock, offsetMs: () => number) {
    this.#clock = clock;
    this.#offsetMs = offsetMs;
  }

  /**
   * Now, in ms since the epoch. A host's clock that is set back does not make an order young again: since the offset was
   * learnt at least as much has passed as the monotonic clock says. While the clock is far off, what was believed before
   * still holds that much; a host on which nothing was ever believed has nothing to hold on to.
   */
  now(): number {
    const offset = this.#offsetMs();
    const [wall, monotonic] = [this.#clock.now(), this.#clock.monotonic()];
    const bounded = Math.max(-offsetMaxMs, Math.min(offsetMaxMs, offset));
    if (this.#anchor?.offset !== offset) {
      this.#anchor = { offset, wall, monotonic };
      if (bounded === offset) this.#believed = { server: wall + offset, monotonic };
    }
    const { server, monotonic: then } = this.#believed ?? { server: 0, monotonic };
    const atLeast = server + monotonic - then;
    if (bounded !== offset) return Math.max(wall + bounded, atLeast);
    return Math.max(wall, this.#anchor.wall + monotonic - this.#anchor.monotonic) + offset;
  }
}
