import type { Instant } from "../../kernel/time.js";
import type { LayoutSeen } from "./accept-samples.js";
import { halvesOf } from "./double-bits.js";
import type { Lane } from "./lane.js";

/** What a layout asks of the window that its samples go into, by series id. */
interface NewestSamples {
  newestOf(id: number): Instant;
  /** Whether the newest sample has the value at `index` of `halves`. */
  newestEquals(id: number, halves: Uint32Array, index: number): boolean;
}

/** How the frames of one announced layout go into a lane. */
export class Layout implements LayoutSeen {
  readonly size: number;
  readonly refusedSeries: number;

  constructor(
    readonly window: NewestSamples,
    readonly lane: Lane,
    readonly seriesVerdicts: Uint8Array,
    /** For each column of the lane, its position in the frame; undefined when they are the same. */
    readonly source: Int32Array | undefined,
    /** For each position in the frame the column of the lane, -1 for none; undefined when they are the same. */
    readonly columnOf: Int32Array | undefined,
  ) {
    this.size = seriesVerdicts.length;
    this.refusedSeries = this.size - lane.columns;
  }

  newestOfAll(): Instant | undefined {
    return this.lane.owned === this.lane.columns ? this.lane.newest : undefined;
  }

  newestOf(index: number): Instant {
    return this.window.newestOf(this.#seriesAt(index));
  }

  newestEquals(index: number, values: Float64Array): boolean {
    return this.window.newestEquals(this.#seriesAt(index), halvesOf(values), index);
  }

  #seriesAt(index: number): number {
    const column = this.columnOf === undefined ? index : (this.columnOf[index] as number);
    return this.lane.series[column] as number;
  }
}
