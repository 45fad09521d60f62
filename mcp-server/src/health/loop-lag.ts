/** How long the event loop was held up: a beat that should come every so often, and how late it came. */
import type { Clock } from "../system.js";

const BEAT_MS = 250;
/** A hold-up is remembered this long, for while it lasts nobody can ask. */
const REMEMBERED_MS = 10_000;

export class LoopLag {
  readonly #clock: Clock;
  #beatAt: number;
  #held: { readonly at: number; readonly lagMs: number }[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beatAt = clock.monotonic();
  }

  start(): void {
    this.#beatAt = this.#clock.monotonic();
    this.#timer = setInterval(() => this.beat(), BEAT_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The loop has come round. */
  beat(): void {
    const now = this.#clock.monotonic();
    const lagMs = Math.max(0, now - this.#beatAt - BEAT_MS);
    this.#beatAt = now;
    this.#held = this.#held.filter(({ at }) => now - at < REMEMBERED_MS);
    this.#held.push({ at: now, lagMs });
  }

  /** The longest hold-up of the last 10 s in ms, the one going on now included. */
  worst(): number {
    const now = this.#clock.monotonic();
    const recent = this.#held.filter(({ at }) => now - at < REMEMBERED_MS).map(({ lagMs }) => lagMs);
    return Math.max(0, now - this.#beatAt - BEAT_MS, ...recent);
  }
}
