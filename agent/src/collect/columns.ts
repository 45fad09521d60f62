import { markStale, type Reading, type SeriesSet } from "./reading.js";
import { type Series, seriesKey } from "./series.js";

/**
 * A reading in the making. Readers put series and value in turn; as long as they put the same arrays in the same order
 * as last time, nothing is compared but pointers and the set stays the same object.
 */
export class Columns {
  #series: Series[] = [];
  #values = new Float64Array(256);
  #count = 0;
  #changed = false;
  #set: SeriesSet = { series: [] };

  /** Adds one sample. */
  put(series: Series, value: number): void {
    const at = this.#count++;
    if (this.#series[at] !== series) {
      this.#series[at] = series;
      this.#changed = true;
    }
    if (at >= this.#values.length) this.#grow();
    this.#values[at] = value;
  }

  /** Where the next sample goes: what `backTo` takes. */
  get count(): number {
    return this.#count;
  }

  /** Takes back what a reader put before it failed: half a reader's series is worse than none. */
  backTo(count: number): void {
    this.#count = count;
  }

  /**
   * Ends the reading and begins the next. Answers with nothing when there never was a series, with one reading when the
   * set is what it was, and with a farewell before it when series are gone: a set of those only, all of them marked
   * stale. The farewell has no series that the reading itself has, so no sample is sent twice for one time.
   */
  finish(timestampMs: number): Reading[] {
    const readings: Reading[] = [];
    const before = this.#set;
    if (this.#changed || this.#count !== before.series.length) {
      this.#series.length = this.#count;
      this.#set = { series: [...this.#series] };
      const farewell = farewellTo(before, this.#set, timestampMs);
      if (farewell !== undefined) readings.push(farewell);
    }
    if (this.#count > 0)
      readings.push({ timestampMs, set: this.#set, values: this.#values.slice(0, this.#count) });
    this.#count = 0;
    this.#changed = false;
    return readings;
  }

  #grow(): void {
    const wider = new Float64Array(this.#values.length * 2);
    wider.set(this.#values);
    this.#values = wider;
  }
}

/** One reading that marks every series stale that is in `before` and not in `after`; undefined when none is gone. */
export function farewellTo(before: SeriesSet, after: SeriesSet, timestampMs: number): Reading | undefined {
  if (before.series.length === 0) return undefined;
  // By key and not by array: a reader that forgot and remade its arrays must not end series that go on.
  const stay = new Set(after.series.map(seriesKey));
  const gone = before.series.filter((series) => !stay.has(seriesKey(series)));
  if (gone.length === 0) return undefined;
  const values = new Float64Array(gone.length);
  for (let i = 0; i < gone.length; i++) markStale(values, i);
  return { timestampMs, set: { series: gone }, values };
}
