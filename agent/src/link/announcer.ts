/** Gives series and layouts their small integers, which hold for one stream. Pure but for what it remembers. */
import type { NamedSet } from "./stored-frame.js";

/** A series that the other side does not know yet. */
export interface NewSeries {
  readonly ref: number;
  readonly labels: readonly string[];
}

/** What must be said before a frame of a set can be sent. */
export interface Announcement {
  readonly layoutId: number;
  readonly series: readonly NewSeries[];
  /** Set when the layout itself is new. */
  readonly refs: readonly number[] | undefined;
}

/** What one stream's other side has been told. */
export class Announcer {
  readonly #refs = new Map<string, number>();
  readonly #layouts = new Map<string, number>();

  /** Series and layouts announced so far; a stream that knows too many is better replaced by a new one. */
  get size(): number {
    return this.#refs.size + this.#layouts.size;
  }

  /** What to say before the next frame of `set`. Counts as said. */
  announce(set: NamedSet): Announcement {
    const known = this.#layouts.get(set.id);
    if (known !== undefined) return { layoutId: known, series: [], refs: undefined };
    const series: NewSeries[] = [];
    const refs = set.series.map((labels) => {
      const key = labels.join("\u0000");
      const there = this.#refs.get(key);
      if (there !== undefined) return there;
      const ref = this.#refs.size + 1;
      this.#refs.set(key, ref);
      series.push({ ref, labels });
      return ref;
    });
    const layoutId = this.#layouts.size + 1;
    this.#layouts.set(set.id, layoutId);
    return { layoutId, series, refs };
  }
}
