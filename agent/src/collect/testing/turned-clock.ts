import type { CollectClock } from "../ports.js";

interface Waiting {
  readonly atMs: number;
  readonly order: number;
  readonly work: () => void;
}

/** A clock that a test turns by hand. Wall time is monotonic time plus an offset that may be set. */
export class TurnedClock implements CollectClock {
  #monotonicMs = 1_000;
  #offsetMs: number;
  #order = 0;
  #waiting: Waiting[] = [];

  constructor(wallMs = 1_700_000_000_000) {
    this.#offsetMs = wallMs - this.#monotonicMs;
  }

  now(): number {
    return this.#monotonicMs + this.#offsetMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, work: () => void): () => void {
    const waiting = { atMs: this.#monotonicMs + delayMs, order: this.#order++, work };
    this.#waiting.push(waiting);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
    };
  }

  /** Sets the wall clock forward or back without time passing. */
  setWall(byMs: number): void {
    this.#offsetMs += byMs;
  }

  /** Time passes without anyone getting to run: a machine asleep. */
  sleepThrough(ms: number): void {
    this.#monotonicMs += ms;
  }

  /** Lets time pass, calling what is due in its order, and settles promises in between. */
  async turn(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    for (;;) {
      await settled();
      const next = this.#waiting.sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#waiting.shift();
      this.#monotonicMs = Math.max(this.#monotonicMs, next.atMs);
      next.work();
    }
    this.#monotonicMs = untilMs;
    await settled();
  }
}

/** Lets every promise that can settle do so. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
