/**
 * The last hour of all series in memory: a table of series, lanes of columns that share their times, and the answer to
 * "which samples do these matchers mean". One thread owns a window; nothing in it waits.
 */
import { OpsError } from "../../kernel/errors.js";
import type { Labels, Matcher } from "../../kernel/labels.js";
import { type Duration, type Instant, MINUTE } from "../../kernel/time.js";
import type { SeriesSamples, SeriesSource } from "../../promql/series-source.js";
import {
  acceptFrame,
  createVerdictCounts,
  refuseNewSeries,
  refuseTime,
  type SeriesLimits,
  type SortedLabels,
  type TimeLimits,
} from "./accept-samples.js";
import { BoundSelection, BoundSelections } from "./bound-selection.js";
import { Block } from "./chunk.js";
import { halvesOf } from "./double-bits.js";
import { grown, hashIds, sameIds } from "./id-list.js";
import {
  type Cells,
  type CellsJudgement,
  judgeCells,
  type SeriesPlace as OtherPlace,
} from "./judge-cells.js";
import { Lane, type RowRange } from "./lane.js";
import { Layout } from "./layout.js";
import { mergeSamples } from "./merge-samples.js";
import { verdictCode } from "./refusal.js";
import { SeriesIndex } from "./series-index.js";

/** A lane that had no row for so long is compressed as a whole. */
const QUIET_AFTER: Duration = 10 * MINUTE;

export interface HotWindowOptions {
  readonly seriesLimits: SeriesLimits;
  readonly timeLimits: TimeLimits;
}

interface Owner {
  seriesCount: number;
  readonly seriesMax: number;
  /** Lanes by a hash of their series. */
  readonly lanes: Map<number, Lane[]>;
}

export class HotWindow implements SeriesSource {
  /** Samples by verdict since the start. */
  readonly counts: Float64Array = createVerdictCounts();
  readonly #options: HotWindowOptions;
  readonly #index = new SeriesIndex();
  readonly #owners: Owner[] = [];
  /** By series: the lane with its newest sample, and the column there. */
  readonly #laneOf: (Lane | undefined)[] = [];
  #columnOf: Int32Array = new Int32Array(1_024);
  /** By series: whose it is. */
  #ownerOf: Int32Array = new Int32Array(1_024);
  /** By series: how many lanes and announcements hold it. */
  #uses: Int32Array = new Int32Array(1_024);
  readonly #others = new Map<number, OtherPlace[]>();
  /** Series that were let go and are removed at the next eviction, unless they are held again by then. */
  readonly #released = new Set<number>();
  #verdicts = new Uint8Array(1_024);
  readonly #bound = new BoundSelections();
  /** Changes when a series comes to stand in another lane, or in one more. */
  #placement = 0;

  constructor(options: HotWindowOptions) {
    this.#options = options;
  }

  get seriesCount(): number {
    return this.#index.size;
  }

  /** Bytes of samples and times, and rows times columns that are not durable. */
  weigh(): { readonly bytes: number; readonly samplesNotDurable: number; readonly lanes: number } {
    let bytes = 0;
    let samplesNotDurable = 0;
    let lanes = 0;
    for (const lane of this.#lanes()) {
      bytes += lane.bytes;
      samplesNotDurable += lane.rowsNotDurable * lane.columns;
      lanes++;
    }
    return { bytes, samplesNotDurable, lanes };
  }

  /** A new owner of series: a node, or the control plane itself. @param seriesMax the owner's own bound */
  addOwner(seriesMax: number): number {
    this.#owners.push({ seriesCount: 0, seriesMax, lanes: new Map() });
    return this.#owners.length - 1;
  }

  /** The series of these labels, held until `release`; or a negative number, the refusal's code, when there is no room. */
  hold(owner: number, labels: SortedLabels): number {
    const id = this.#index.find(labels) ?? this.#add(owner, labels);
    if (id >= 0) this.#uses[id] = (this.#uses[id] as number) + 1;
    return id;
  }

  release(id: number): void {
    const uses = (this.#uses[id] as number) - 1;
    this.#uses[id] = uses;
    if (uses === 0) this.#released.add(id);
  }

  /** How the frames of an order of series go into the window. Negative entries are refusals by code, as `hold` gives them. */
  openLayout(owner: number, series: ArrayLike<number>): Layout {
    const size = series.length;
    const verdicts = new Uint8Array(size);
    const columnOf = new Int32Array(size).fill(-1);
    const seen = new Set<number>();
    const ids: number[] = [];
    const source: number[] = [];
    for (let index = 0; index < size; index++) {
      const id = series[index] as number;
      if (id < 0) verdicts[index] = -id;
      else if (seen.has(id)) verdicts[index] = verdictCode["repeated-series"];
      else {
        seen.add(id);
        columnOf[index] = ids.length;
        ids.push(id);
        source.push(index);
      }
    }
    const lane = this.#laneFor(owner, Int32Array.from(ids));
    lane.pins++;
    if (ids.length === size) return new Layout(this, lane, verdicts, undefined, undefined);
    return new Layout(this, lane, verdicts, Int32Array.from(source), columnOf);
  }

  closeLayout(layout: Layout): void {
    layout.lane.pins--;
  }

  /** Judges a frame and keeps what is to be kept. */
  append(layout: Layout, timestamp: Instant, values: Float64Array, now: Instant): void {
    if (this.#verdicts.length < layout.size) this.#verdicts = new Uint8Array(layout.size * 2);
    const verdicts = this.#verdicts;
    const limits = this.#options.timeLimits;
    const outcome = acceptFrame(timestamp, values, layout, limits, now, verdicts, this.counts);
    if (outcome === "none") return;
    const { lane } = layout;
    // A refused series has no column, so its verdict leaves no hole.
    const holes = outcome === "some" && lane.owned < lane.columns ? verdicts : undefined;
    lane.append(timestamp, values, halvesOf(values), layout.source, holes);
    lane.touchedAt = now;
    if (lane.owned < lane.columns) this.#own(lane, layout.source, holes);
  }

  /**
   * Judges some cells of a row and keeps what is to be kept: column c comes from `values[c]` where `absent[c]` is 0. Rows
   * of one time may come in parts, and the parts of some series after later ones of others. `absent` is changed.
   * @returns the first column that was refused, and why; undefined: all were kept
   */
  appendCells(
    layout: Layout,
    timestamp: Instant,
    values: Float64Array,
    absent: Uint8Array,
    now: Instant,
  ): CellsJudgement["refused"] {
    const cells = { timestamp, values, halves: halvesOf(values), absent };
    const { lane } = layout;
    const refusal = refuseTime(timestamp, this.#options.timeLimits, now);
    const judgement = judgeCells(lane, cells, refusal, (id) => this.#placesOf(id));
    for (const [code, count] of judgement.counts) this.counts[code] = (this.counts[code] as number) + count;
    lane.touchedAt = now;
    if (judgement.append) {
      lane.append(timestamp, values, cells.halves, undefined, absent);
      if (lane.owned < lane.columns) this.#own(lane, undefined, absent);
    }
    if (judgement.spilled.length > 0) this.#spill(lane, cells, judgement.spilled, now);
    return judgement.refused;
  }

  /**
   * Takes over a stretch read from PostgreSQL. What the window already has is left out. Throws DATA_LOSS for bytes that
   * are no block of this layout.
   */
  attach(layout: Layout, bytes: Uint8Array, now: Instant): void {
    const block = new Block(bytes);
    const { lane } = layout;
    if (block.columns !== layout.size) {
      throw new OpsError("DATA_LOSS", `read a chunk: ${block.columns} columns, but names for ${layout.size}`);
    }
    if (block.to < now - this.#options.timeLimits.ageMax) return;
    if (layout.refusedSeries === 0 && block.from > lane.newest) {
      const whole = lane.newest <= lane.durableThrough;
      lane.attach(block);
      if (whole) lane.durableThrough = block.to;
      lane.touchedAt = now;
      this.#own(lane, undefined, undefined);
    } else if (block.to > lane.newest) {
      this.#appendRows(layout, block, now);
    }
  }

  /** Lets go what is older than the window. */
  evict(now: Instant): void {
    const horizon = now - this.#options.timeLimits.ageMax;
    const gone: Lane[] = [];
    for (const lane of this.#lanes()) {
      lane.expire(horizon);
      if (lane.newest < horizon && lane.pins === 0) gone.push(lane);
      else if (lane.touchedAt < now - QUIET_AFTER) lane.seal();
    }
    this.#drop(gone);
    this.#bound.age();
  }

  /** Lets all of an owner go that no open session holds. */
  forget(owner: number): void {
    const gone: Lane[] = [];
    for (const lanes of (this.#owners[owner] as Owner).lanes.values()) {
      for (const lane of lanes) if (lane.pins === 0) gone.push(lane);
    }
    this.#drop(gone);
  }

  /** An owner's lanes. */
  *lanesOf(owner: number): Iterable<Lane> {
    for (const lanes of (this.#owners[owner] as Owner).lanes.values()) yield* lanes;
  }

  namesOf(lane: Lane): SortedLabels[] {
    return Array.from(lane.series, (id) => this.#index.sortedLabelsOf(id));
  }

  newestOf(id: number): Instant {
    return this.#laneOf[id]?.newest ?? Number.NEGATIVE_INFINITY;
  }

  newestEquals(id: number, halves: Uint32Array, index: number): boolean {
    return this.#laneOf[id]?.newestEquals(this.#columnOf[id] as number, halves, index) ?? false;
  }

  select(
    matchers: readonly Matcher[],
    fromExclusive: Instant,
    toInclusive: Instant,
  ): readonly SeriesSamples[] {
    const ids = this.#index.select(matchers);
    const bound = this.#bound.get(ids, this.#placement) ?? this.#bind(ids);
    return bound?.read(fromExclusive, toInclusive) ?? this.#selectOnce(ids, fromExclusive, toInclusive);
  }

  /** Binds a selection that is asked for again; undefined when it is not, or a series of it stands in several lanes. */
  #bind(ids: Int32Array): BoundSelection | undefined {
    if (!this.#bound.isWorth(ids)) return undefined;
    const bound = new BoundSelection(this.#placement);
    for (const id of ids) {
      const lane = this.#laneOf[id];
      if (lane === undefined) continue;
      if (this.#others.has(id)) return undefined;
      bound.add(this.#index.labelsOf(id), { lane, column: this.#columnOf[id] as number });
    }
    this.#bound.keep(ids, bound);
    return bound;
  }

  #selectOnce(ids: Int32Array, fromExclusive: Instant, toInclusive: Instant): readonly SeriesSamples[] {
    const found: SeriesSamples[] = [];
    const ranges = new Map<Lane, RowRange | undefined>();
    // Series of one lane mostly follow one another: the map is asked once for each run.
    let last: Lane | undefined;
    let lastRange: RowRange | undefined;
    const rangeOf = (lane: Lane): RowRange | undefined => {
      if (lane === last) return lastRange;
      last = lane;
      if (ranges.has(lane)) {
        lastRange = ranges.get(lane);
      } else {
        lastRange = lane.find(fromExclusive, toInclusive);
        ranges.set(lane, lastRange);
      }
      return lastRange;
    };
    for (const id of ids) {
      const lane = this.#laneOf[id];
      if (lane === undefined) continue;
      const range = rangeOf(lane);
      const others = this.#others.get(id);
      const column = this.#columnOf[id] as number;
      if (others !== undefined) {
        const pieces = others.flatMap((other) => {
          const otherRange = rangeOf(other.lane);
          return otherRange === undefined ? [] : [other.lane.read(other.column, otherRange)];
        });
        if (range !== undefined) pieces.push(lane.read(column, range));
        const merged = mergeSamples(pieces);
        if (merged.start < merged.end) found.push({ labels: this.#index.labelsOf(id), ...merged });
      } else if (range !== undefined) {
        const { timestamps, values, start, end } = lane.read(column, range);
        if (start < end) found.push({ labels: this.#index.labelsOf(id), timestamps, values, start, end });
      }
    }
    return found;
  }

  /** Series that fulfil any of the selectors (all series when there are none) and may have samples in the time. */
  find(selectors: readonly (readonly Matcher[])[], from: Instant, to: Instant): Int32Array {
    const lists =
      selectors.length === 0 ? [this.#index.select([])] : selectors.map((s) => this.#index.select(s));
    const ids = new Set<number>();
    for (const list of lists) {
      for (const id of list) {
        const places = [this.#laneOf[id], ...(this.#others.get(id) ?? []).map((other) => other.lane)];
        if (places.some((lane) => lane !== undefined && lane.newest >= from && lane.oldest <= to))
          ids.add(id);
      }
    }
    return Int32Array.from(ids);
  }

  labelsOf(id: number): Labels {
    return this.#index.labelsOf(id);
  }

  labelNames(ids: Int32Array): string[] {
    return this.#index.labelNames(ids);
  }

  labelValues(name: string, ids: Int32Array): string[] {
    return this.#index.labelValues(name, ids);
  }

  *#lanes(): Iterable<Lane> {
    for (let owner = 0; owner < this.#owners.length; owner++) yield* this.lanesOf(owner);
  }

  #add(owner: number, labels: SortedLabels): number {
    const of = this.#owners[owner] as Owner;
    const limits = { ...this.#options.seriesLimits, nodeSeriesMax: of.seriesMax };
    const refusal = refuseNewSeries(of.seriesCount, this.#index.size, limits);
    if (refusal !== undefined) return -verdictCode[refusal];
    const id = this.#index.add(labels);
    if (id >= this.#uses.length) {
      this.#uses = grown(this.#uses);
      this.#columnOf = grown(this.#columnOf);
      this.#ownerOf = grown(this.#ownerOf);
    }
    this.#uses[id] = 0;
    this.#ownerOf[id] = owner;
    this.#laneOf[id] = undefined;
    of.seriesCount++;
    return id;
  }

  #laneFor(owner: number, ids: Int32Array): Lane {
    const { lanes } = this.#owners[owner] as Owner;
    const hash = hashIds(ids);
    const alike = lanes.get(hash);
    const known = alike?.find((lane) => sameIds(lane.series, ids));
    if (known !== undefined) return known;
    const lane = new Lane(owner, ids);
    this.#placement++;
    if (alike === undefined) lanes.set(hash, [lane]);
    else alike.push(lane);
    for (let column = 0; column < ids.length; column++) {
      const id = ids[column] as number;
      this.#uses[id] = (this.#uses[id] as number) + 1;
      if (this.#laneOf[id] === undefined) {
        this.#laneOf[id] = lane;
        this.#columnOf[id] = column;
        lane.owned++;
      } else {
        const others = this.#others.get(id);
        if (others === undefined) this.#others.set(id, [{ lane, column }]);
        else others.push({ lane, column });
      }
    }
    return lane;
  }

  /** Where samples of a series are: first the lane with its newest row. */
  #placesOf(id: number): readonly OtherPlace[] {
    const lane = this.#laneOf[id];
    const others = this.#others.get(id) ?? [];
    return lane === undefined ? others : [{ lane, column: this.#columnOf[id] as number }, ...others];
  }

  /** Cells whose row has gone by: they get a row in a lane of their own. */
  #spill(from: Lane, cells: Cells, columns: readonly number[], now: Instant): void {
    const values = new Float64Array(columns.length);
    const halves = halvesOf(values);
    for (const [at, column] of columns.entries()) {
      halves[at * 2] = cells.halves[column * 2] as number;
      halves[at * 2 + 1] = cells.halves[column * 2 + 1] as number;
    }
    const lane = this.#laneFor(
      from.owner,
      Int32Array.from(columns, (column) => from.series[column] as number),
    );
    const code = cells.timestamp > lane.newest ? 0 : verdictCode["out-of-order"];
    this.counts[code] = (this.counts[code] as number) + columns.length;
    if (code !== 0) return;
    lane.append(cells.timestamp, values, halves, undefined, undefined);
    lane.touchedAt = now;
    this.#own(lane, undefined, undefined);
  }

  /** After a row was added to `lane`: it holds the newest sample of its series now, save where the row has a hole. */
  #own(lane: Lane, source: Int32Array | undefined, holes: Uint8Array | undefined): void {
    for (let column = 0; column < lane.columns; column++) {
      const id = lane.series[column] as number;
      const before = this.#laneOf[id] as Lane;
      if (before === lane) continue;
      if (holes !== undefined && holes[source === undefined ? column : (source[column] as number)] !== 0)
        continue;
      if (before.newest > lane.newest) continue;
      const others = (this.#others.get(id) ?? []).filter((other) => other.lane !== lane);
      others.push({ lane: before, column: this.#columnOf[id] as number });
      this.#placement++;
      this.#others.set(id, others);
      this.#laneOf[id] = lane;
      this.#columnOf[id] = column;
      before.owned--;
      lane.owned++;
    }
  }

  /** The rows of a block one by one, where it overlaps with what is there. */
  #appendRows(layout: Layout, block: Block, now: Instant): void {
    const starts = block.columnStarts();
    const columns = new Float64Array(block.columns * block.rows);
    const halves = halvesOf(columns);
    for (let column = 0; column < block.columns; column++) {
      block.readColumn(column, starts, columns, halves, column * block.rows);
    }
    const times = block.timestamps();
    const frame = new Float64Array(block.columns);
    const frameHalves = halvesOf(frame);
    for (let row = 0; row < block.rows; row++) {
      if ((times[row] as number) <= layout.lane.newest) continue;
      for (let column = 0; column < block.columns; column++) {
        const from = (column * block.rows + row) * 2;
        frameHalves[column * 2] = halves[from] as number;
        frameHalves[column * 2 + 1] = halves[from + 1] as number;
      }
      this.append(layout, times[row] as number, frame, now);
    }
  }

  #drop(lanes: readonly Lane[]): void {
    if (lanes.length > 0) this.#placement++;
    const touched = new Set(this.#released);
    this.#released.clear();
    const gone = new Set(lanes);
    for (const lane of gone) {
      const of = (this.#owners[lane.owner] as Owner).lanes;
      const hash = hashIds(lane.series);
      const left = (of.get(hash) ?? []).filter((other) => other !== lane);
      if (left.length === 0) of.delete(hash);
      else of.set(hash, left);
      for (const id of lane.series) {
        this.#uses[id] = (this.#uses[id] as number) - 1;
        touched.add(id);
      }
    }
    const unused: number[] = [];
    for (const id of touched) {
      const others = (this.#others.get(id) ?? []).filter((other) => !gone.has(other.lane));
      const lane = this.#laneOf[id];
      if (lane !== undefined && gone.has(lane)) {
        // Another lane may still hold older samples, or be about to get newer ones.
        const next = others.pop();
        this.#laneOf[id] = next?.lane;
        this.#columnOf[id] = next?.column ?? 0;
        if (next !== undefined) next.lane.owned++;
      }
      if (others.length === 0) this.#others.delete(id);
      else this.#others.set(id, others);
      if (this.#uses[id] === 0) unused.push(id);
    }
    for (const id of unused) {
      const owner = this.#owners[this.#ownerOf[id] as number] as Owner;
      owner.seriesCount--;
      this.#laneOf[id] = undefined;
    }
    this.#index.remove(unused);
  }
}
