/** Samples as they are read off a request: columns that grow, and are used for the next request again. */
import type { SeriesWriter, WrittenSamples } from "../../../timeseries/timeseries.module.js";
import type { MetricNotes } from "../metric-notes.js";

export interface SampleSink {
  readonly writer: Pick<SeriesWriter, "find" | "announce">;
  readonly batch: SampleBatch;
  readonly notes: MetricNotes;
}

const SAMPLES_FIRST = 4_096;

export class SampleBatch implements WrittenSamples {
  count = 0;
  series = new Uint32Array(SAMPLES_FIRST);
  timestamps = new Float64Array(SAMPLES_FIRST);
  values = new Float64Array(SAMPLES_FIRST);
  /** The values' bytes. */
  bytes = new Uint8Array(this.values.buffer);
  /** What is not kept here. */
  histograms = 0;
  exemplars = 0;

  clear(): void {
    this.count = 0;
    this.histograms = 0;
    this.exemplars = 0;
  }

  /** The place of one more sample; its value is 0 until it is written to `bytes`. */
  add(series: number): number {
    const index = this.count;
    if (index === this.series.length) this.#grow();
    this.count = index + 1;
    this.series[index] = series;
    this.timestamps[index] = 0;
    this.values[index] = 0;
    return index;
  }

  #grow(): void {
    const size = this.series.length * 2;
    const series = new Uint32Array(size);
    const timestamps = new Float64Array(size);
    const values = new Float64Array(size);
    series.set(this.series);
    timestamps.set(this.timestamps);
    values.set(this.values);
    this.series = series;
    this.timestamps = timestamps;
    this.values = values;
    this.bytes = new Uint8Array(values.buffer);
  }
}
