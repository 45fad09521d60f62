import type { Labels, Matcher } from "../kernel/labels.js";
import { keyOf } from "./label-sets.js";
import { compileMatchers } from "./match.js";
import { firstAfter } from "./select.js";
import { markStaleAt, type SeriesSamples, type SeriesSource } from "./series-source.js";

interface StoredSeries {
  readonly labels: Labels;
  timestamps: Float64Array;
  values: Float64Array;
  length: number;
}

/** Series held in memory without a bound: for scripts, unit tests of rules and the replay of a rule. Not for a server. */
export class MemorySeries implements SeriesSource {
  private readonly series = new Map<string, StoredSeries>();

  /** Adds a sample; times of one series must rise, and a sample at the time of the last one takes its place. */
  append(labels: Labels, timestamp: number, value: number): void {
    const series = this.placeFor(labels, timestamp);
    series.values[series.length - 1] = value;
  }

  /** Adds a staleness marker; as {@link append}. */
  appendStale(labels: Labels, timestamp: number): void {
    const series = this.placeFor(labels, timestamp);
    markStaleAt(series.values, series.length - 1);
  }

  /** The series, its last place being for a sample at `timestamp`. */
  private placeFor(labels: Labels, timestamp: number): StoredSeries {
    const series = this.seriesOf(labels);
    const last =
      series.length === 0 ? Number.NEGATIVE_INFINITY : (series.timestamps[series.length - 1] as number);
    if (timestamp < last)
      throw new RangeError(`sample at ${timestamp} is older than the last one, at ${last}`);
    if (timestamp > last) this.lengthen(series);
    series.timestamps[series.length - 1] = timestamp;
    return series;
  }

  select(matchers: readonly Matcher[], fromExclusive: number, toInclusive: number): readonly SeriesSamples[] {
    const matches = compileMatchers(matchers);
    const found: SeriesSamples[] = [];
    for (const { labels, timestamps, values, length } of this.series.values()) {
      if (!matches(labels)) continue;
      const start = firstAfter(timestamps, 0, length, fromExclusive);
      const end = firstAfter(timestamps, start, length, toInclusive);
      if (start < end) found.push({ labels, timestamps, values, start, end });
    }
    return found;
  }

  clear(): void {
    this.series.clear();
  }

  private seriesOf(labels: Labels): StoredSeries {
    const key = keyOf(labels);
    let series = this.series.get(key);
    if (series === undefined) {
      series = { labels, timestamps: new Float64Array(16), values: new Float64Array(16), length: 0 };
      this.series.set(key, series);
    }
    return series;
  }

  private lengthen(series: StoredSeries): void {
    series.length++;
    if (series.length <= series.timestamps.length) return;
    const timestamps = new Float64Array(series.length * 2);
    timestamps.set(series.timestamps);
    series.timestamps = timestamps;
    const values = new Float64Array(series.length * 2);
    // Copied as bits: a staleness marker must come through as it is.
    new BigUint64Array(values.buffer).set(new BigUint64Array(series.values.buffer));
    series.values = values;
  }
}
