/** A clock turned by hand, and timers that run when it is turned. */
import type { System } from "../system.js";

interface Waiting {
  readonly at: number;
  readonly order: number;
  readonly every: number | undefined;
  readonly act: () => void;
}

export class FakeSystem implements System {
  #now = 1_000_000;
  #order = 0;
  #ids = 0;
  #waiting: Waiting[] = [];
  /** What the next draws are; 0.5 when there is none. */
  draws0: number[] = [];
  /** By how much the clock on the wall was set, in ms; the other one only rises. */
  wallSetBy = 0;

  readonly clock = { now: (): number => this.#now + this.wallSetBy, monotonic: (): number => this.#now };
  readonly timers = {
    sleep: (ms: number, signal?: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        this.#add(ms, undefined, resolve);
        signal?.addEventListener("abort", () => resolve(), { once: true });
      }),
    after: (ms: number, act: () => void): (() => void) => this.#add(ms, undefined, act),
    every: (ms: number, act: () => void): (() => void) => this.#add(ms, ms, act),
  };
  readonly draws = {
    fraction: (): number => this.draws0.shift() ?? 0.5,
    id: (): string => `id-${++this.#ids}`,
    secret: (): string => "secret",
  };

  /** Lets time pass; what falls due runs in order. */
  turn(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const due = this.#waiting
        .filter(({ at }) => at <= until)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) break;
      this.#waiting = this.#waiting.filter((waiting) => waiting !== due);
      this.#now = Math.max(this.#now, due.at);
      if (due.every !== undefined) this.#waiting.push({ ...due, at: due.at + due.every });
      due.act();
    }
    this.#now = until;
  }

  #add(ms: number, every: number | undefined, act: () => void): () => void {
    const order = ++this.#order;
    this.#waiting.push({ at: this.#now + ms, order, every, act });
    return () => {
      this.#waiting = this.#waiting.filter((waiting) => waiting.order !== order);
    };
  }
}
