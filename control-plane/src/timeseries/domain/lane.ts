/**
 * The samples of one layout: series that are read together and so share their times. The newest rows stand as plain
 * doubles, column after column; older ones are compressed.
 */
import type { Instant } from "../../kernel/time.js";
import { Block, encodeBlock } from "./chunk.js";
import { copyNaN, halvesOf, isAbsent, markAbsent, sameBits } from "./double-bits.js";

/** Rows that a lane begins with, so that short-lived layouts stay small. */
const HEAD_ROWS_MIN = 4;
/** 4, 16, 64: doubling would leave twice the memory behind, in pieces that nothing fits. */
const HEAD_GROWTH = 4;
/** Most plain rows. At 15 s this is 16 min: the window of an alert's `rate(x[5m])` is never compressed. */
export const HEAD_ROWS_MAX = 64;
/** Rows that are compressed at once when the plain ones are full. */
export const SEALED_ROWS = 32;

const NO_VALUES = new Float64Array(0);
const NO_HALVES = new Uint32Array(0);

/** Some rows of a lane, found once and then read for many columns. */
export interface RowRange {
  /** Compressed stretches that overlap the range, with where their columns begin. */
  readonly blocks: readonly { readonly block: Block; readonly starts: Uint32Array }[];
  /** Rows in those blocks. */
  readonly blockRows: number;
  /** Plain rows, `headFrom` to `headTo` (exclusive). */
  readonly headFrom: number;
  readonly headTo: number;
  /** Times of all rows, when there are blocks; else the lane's plain times. */
  readonly timestamps: Float64Array;
}

/** Samples of one column: `timestamps[i]` belongs to `values[i]`, for `start <= i < end`. */
export interface ColumnSamples {
  readonly timestamps: Float64Array;
  readonly values: Float64Array;
  readonly start: number;
  readonly end: number;
}

export class Lane {
  /** How many of its series have their newest sample here. */
  owned = 0;
  /** Open layouts that write here. */
  pins = 0;
  /** When the last row was added, by the control plane's clock. */
  touchedAt: Instant = 0;
  /** Time of the newest row. */
  newest: Instant = Number.NEGATIVE_INFINITY;
  /** Rows up to here were offered for writing: what is filled in now would not be written. */
  offeredThrough: Instant = Number.NEGATIVE_INFINITY;
  /** Rows up to here are in PostgreSQL. */
  durableThrough: Instant = Number.NEGATIVE_INFINITY;
  /** SHA-256 of the names of its series, set by whoever writes chunks. */
  digest = "";
  /** The day (of chunks) for which the names of its series are in PostgreSQL. */
  namedForDay = "";
  /** Changes when the arrays of the plain rows are others. */
  shape = 0;
  #rows = 0;
  #stride = 0;
  #timestamps: Float64Array = NO_VALUES;
  #values: Float64Array = NO_VALUES;
  #halves: Uint32Array = NO_HALVES;
  #views: (Float64Array | undefined)[] = [];
  /** Whether any plain cell is absent. */
  #holes = false;
  #blocks: Block[] = [];
  #blockBytes = 0;

  constructor(
    /** Whose lane it is, by the window's own numbering. */
    readonly owner: number,
    /** The series of its columns. */
    readonly series: Int32Array,
  ) {}

  get columns(): number {
    return this.series.length;
  }

  /** Bytes of samples and times. */
  get bytes(): number {
    return this.#values.byteLength + this.#timestamps.byteLength + this.#blockBytes;
  }

  get rows(): number {
    let rows = this.#rows;
    for (const block of this.#blocks) rows += block.rows;
    return rows;
  }

  /** Time of the oldest row; Infinity when there is none. */
  get oldest(): Instant {
    return (
      this.#blocks[0]?.from ?? (this.#rows > 0 ? (this.#timestamps[0] as number) : Number.POSITIVE_INFINITY)
    );
  }

  /**
   * Adds a row, newer than all before it. Column c takes `values[source ? source[c] : c]`; where `verdicts` is given and
   * not 0 at that place, the cell stays empty.
   */
  append(
    timestamp: Instant,
    values: Float64Array,
    halves: Uint32Array,
    source: Int32Array | undefined,
    verdicts: Uint8Array | undefined,
  ): void {
    if (this.#rows === this.#stride) this.#makeRoom();
    const row = this.#rows;
    const stride = this.#stride;
    const into = this.#values;
    const count = this.series.length;
    let at = row;
    for (let column = 0; column < count; column++, at += stride) {
      const index = source === undefined ? column : (source[column] as number);
      if (verdicts !== undefined && verdicts[index] !== 0) {
        markAbsent(this.#halves, at);
        this.#holes = true;
        continue;
      }
      const value = values[index] as number;
      if (Number.isNaN(value)) copyNaN(halves, index, this.#halves, at);
      else into[at] = value;
    }
    this.#timestamps[row] = timestamp;
    this.#rows++;
    this.newest = timestamp;
  }

  /** Takes over a compressed stretch that is newer than all rows. */
  attach(block: Block): void {
    this.seal();
    this.#blocks.push(block);
    this.#blockBytes += block.bytes.byteLength;
    this.newest = block.to;
  }

  /** Whether the newest row has the same bits in this column as `values[index]`. */
  newestEquals(column: number, halves: Uint32Array, index: number): boolean {
    if (this.#rows > 0) {
      return sameBits(this.#halves, column * this.#stride + this.#rows - 1, halves, index);
    }
    const block = this.#blocks.at(-1);
    if (block === undefined) return false;
    const values = new Float64Array(block.rows);
    const valueHalves = halvesOf(values);
    block.readColumn(column, block.columnStarts(), values, valueHalves, 0);
    return sameBits(valueHalves, block.rows - 1, halves, index);
  }

  /**
   * Puts a sample into a plain row that is there already and has none of this series. Answers false when there is no such
   * row, or when it was offered for writing already.
   */
  fill(timestamp: Instant, column: number, halves: Uint32Array, index: number): boolean {
    const row = this.#firstAfter(timestamp) - 1;
    if (row < 0 || this.#timestamps[row] !== timestamp || timestamp <= this.offeredThrough) return false;
    const at = column * this.#stride + row;
    if (!isAbsent(this.#halves, at)) return false;
    copyNaN(halves, index, this.#halves, at);
    return true;
  }

  /** The newest sample of one column, as far as the plain rows tell; compressed ones count as whole. */
  newestIn(column: number): { readonly at: Instant; readonly row: number } {
    for (let row = this.#rows - 1; row >= 0; row--) {
      if (!isAbsent(this.#halves, column * this.#stride + row))
        return { at: this.#timestamps[row] as number, row };
    }
    return { at: this.#blocks.at(-1)?.to ?? Number.NEGATIVE_INFINITY, row: -1 };
  }

  /** Whether a plain row has the same bits in this column as `values[index]`. */
  rowEquals(row: number, column: number, halves: Uint32Array, index: number): boolean {
    return row >= 0 && sameBits(this.#halves, column * this.#stride + row, halves, index);
  }

  /** Compresses all plain rows and lets their memory go: for lanes that are quiet. */
  seal(): void {
    if (this.#rows > 0) this.#sealFirst(this.#rows);
    this.#stride = 0;
    this.#timestamps = NO_VALUES;
    this.#values = NO_VALUES;
    this.#halves = NO_HALVES;
    this.#views = [];
    this.shape++;
  }

  /** Lets compressed stretches go that end before `horizon`. */
  expire(horizon: Instant): void {
    let gone = 0;
    while (gone < this.#blocks.length && (this.#blocks[gone] as Block).to < horizon) {
      this.#blockBytes -= (this.#blocks[gone] as Block).bytes.byteLength;
      gone++;
    }
    if (gone > 0) this.#blocks.splice(0, gone);
  }

  /** Rows that are not yet durable. */
  get rowsNotDurable(): number {
    if (this.newest <= this.durableThrough) return 0;
    let rows = this.#rows - this.#firstAfter(this.durableThrough);
    for (let index = this.#blocks.length - 1; index >= 0; index--) {
      const block = this.#blocks[index] as Block;
      if (block.to <= this.durableThrough) break;
      rows += block.rows;
    }
    return rows;
  }

  /** What is not yet durable, as blocks, oldest first. A block may begin with rows that are. */
  encodeNotDurable(): Uint8Array[] {
    const blocks: Uint8Array[] = [];
    this.offeredThrough = this.newest;
    for (const block of this.#blocks) if (block.to > this.durableThrough) blocks.push(block.bytes);
    const from = this.#firstAfter(this.durableThrough);
    if (from < this.#rows) blocks.push(this.#encode(from, this.#rows));
    return blocks;
  }

  /** The rows with `fromExclusive < time <= toInclusive`, or a few more; undefined when there are none. */
  find(fromExclusive: Instant, toInclusive: Instant): RowRange | undefined {
    const headFrom = this.#firstAfter(fromExclusive);
    const headTo = this.#firstAfter(toInclusive);
    if (this.#blocks.length === 0 || (headFrom > 0 && this.#rows > 0)) {
      if (headFrom === headTo) return undefined;
      return { blocks: [], blockRows: 0, headFrom, headTo, timestamps: this.#timestamps };
    }
    const blocks = this.#blocks
      .filter((block) => block.to > fromExclusive && block.from <= toInclusive)
      .map((block) => ({ block, starts: block.columnStarts() }));
    if (blocks.length === 0) {
      if (headFrom === headTo) return undefined;
      return { blocks, blockRows: 0, headFrom, headTo, timestamps: this.#timestamps };
    }
    const blockRows = blocks.reduce((sum, { block }) => sum + block.rows, 0);
    const timestamps = new Float64Array(blockRows + headTo - headFrom);
    let at = 0;
    for (const { block } of blocks) {
      timestamps.set(block.timestamps(), at);
      at += block.rows;
    }
    timestamps.set(this.#timestamps.subarray(headFrom, headTo), at);
    return { blocks, blockRows, headFrom, headTo, timestamps };
  }

  /** Whether the rows found are plain and whole: each column's samples are then a stretch of `plainValues`. */
  isPlain(range: RowRange): boolean {
    return range.blocks.length === 0 && !this.#holes;
  }

  get plainTimes(): Float64Array {
    return this.#timestamps;
  }

  plainValues(column: number): Float64Array {
    return this.#view(column);
  }

  /** One column's samples in the rows found. Plain rows are given as a view, which the next row may change. */
  read(column: number, range: RowRange): ColumnSamples {
    const { blocks, blockRows, headFrom, headTo, timestamps } = range;
    if (blocks.length === 0) {
      const view = this.#view(column);
      if (!this.#holes) return { timestamps, values: view, start: headFrom, end: headTo };
      return withoutAbsent(timestamps.slice(headFrom, headTo), view.slice(headFrom, headTo));
    }
    const values = new Float64Array(blockRows + headTo - headFrom);
    const halves = halvesOf(values);
    let at = 0;
    for (const { block, starts } of blocks) {
      block.readColumn(column, starts, values, halves, at);
      at += block.rows;
    }
    // Views of the same kind are copied byte by byte, so that NaN payloads stay.
    if (headTo > headFrom) values.set(this.#view(column).subarray(headFrom, headTo), at);
    return withoutAbsent(timestamps, values);
  }

  #view(column: number): Float64Array {
    let view = this.#views[column];
    if (view === undefined) {
      view = this.#values.subarray(column * this.#stride, (column + 1) * this.#stride);
      this.#views[column] = view;
    }
    return view;
  }

  /** The first plain row whose time is after `time`. */
  #firstAfter(time: Instant): number {
    let low = 0;
    let high = this.#rows;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#timestamps[middle] as number) <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #makeRoom(): void {
    if (this.#stride >= HEAD_ROWS_MAX) {
      this.#sealFirst(SEALED_ROWS);
      return;
    }
    const stride = Math.max(HEAD_ROWS_MIN, this.#stride * HEAD_GROWTH);
    const values = new Float64Array(stride * this.series.length);
    for (let column = 0; column < this.series.length; column++) {
      values.set(this.#view(column).subarray(0, this.#rows), column * stride);
    }
    const timestamps = new Float64Array(stride);
    timestamps.set(this.#timestamps.subarray(0, this.#rows));
    this.#stride = stride;
    this.#timestamps = timestamps;
    this.#values = values;
    this.#halves = halvesOf(values);
    this.#views = [];
    this.shape++;
  }

  #sealFirst(rows: number): void {
    const block = new Block(this.#encode(0, rows));
    this.#blocks.push(block);
    this.#blockBytes += block.bytes.byteLength;
    for (let column = 0; column < this.series.length; column++) {
      const start = column * this.#stride;
      this.#values.copyWithin(start, start + rows, start + this.#rows);
    }
    this.#timestamps.copyWithin(0, rows, this.#rows);
    this.#rows -= rows;
    if (this.#rows === 0) this.#holes = false;
  }

  #encode(from: number, to: number): Uint8Array {
    return encodeBlock(
      { count: this.series.length, timestamps: this.#timestamps, values: this.#values, stride: this.#stride },
      from,
      to,
    );
  }
}

/** The samples less the absent cells; the arrays are changed. */
function withoutAbsent(timestamps: Float64Array, values: Float64Array): ColumnSamples {
  const halves = halvesOf(values);
  let kept = 0;
  let own = timestamps;
  for (let index = 0; index < values.length; index++) {
    if (Number.isNaN(values[index]) && isAbsent(halves, index)) {
      // The times are shared by all columns: only a column with absent cells gets its own.
      if (own === timestamps) own = timestamps.slice();
      continue;
    }
    if (kept !== index) {
      own[kept] = own[index] as number;
      halves[kept * 2] = halves[index * 2] as number;
      halves[kept * 2 + 1] = halves[index * 2 + 1] as number;
    }
    kept++;
  }
  return { timestamps: own, values, start: 0, end: kept };
}
