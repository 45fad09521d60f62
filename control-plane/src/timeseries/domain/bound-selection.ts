/**
 * What a rule selects, worked out once: for each series its columns in a lane, so that selecting again is moving the ends
 * of what was given before. Holds as long as no series comes, goes or moves to another lane.
 */
import type { Labels } from "../../kernel/labels.js";
import type { SeriesSamples } from "../../promql/series-source.js";
import type { Lane, RowRange } from "./lane.js";

/** Series of all selections that are held together, some 64 bytes each. */
const BOUND_SERIES_MAX = 500_000;
/** Calls of `age` after which a selection that nobody asked for again is let go. */
const UNUSED_AGES_MAX = 3;

const NO_SAMPLES: Float64Array = new Float64Array(0);

/** One series of a selection; the same object from one selection to the next. */
class BoundSeries implements SeriesSamples {
  timestamps: Float64Array = NO_SAMPLES;
  values: Float64Array = NO_SAMPLES;
  start = 0;
  end = 0;

  constructor(
    readonly labels: Labels,
    readonly column: number,
  ) {}
}

/** Series that follow one another in a selection and stand in one lane. */
interface Run {
  readonly lane: Lane;
  readonly from: number;
  to: number;
  /** The lane's shape for which the views of its series were made; -1: they were not. */
  shape: number;
}

/** Where a series stands; undefined when it has no samples, or has them in several lanes. */
export interface Place {
  readonly lane: Lane;
  readonly column: number;
}

/** One selection with all its series in one lane each. */
export class BoundSelection {
  readonly #series: BoundSeries[] = [];
  readonly #runs: Run[] = [];
  unusedAges = 0;

  constructor(readonly placement: number) {}

  get size(): number {
    return this.#series.length;
  }

  add(labels: Labels, { lane, column }: Place): void {
    const at = this.#series.length;
    this.#series.push(new BoundSeries(labels, column));
    const last = this.#runs.at(-1);
    if (last !== undefined && last.lane === lane) last.to = at + 1;
    else this.#runs.push({ lane, from: at, to: at + 1, shape: -1 });
  }

  /**
   * The series that have samples in the range. The same array each time that all of them do and none is compressed, so
   * that whoever compares label sets sees at one glance that nothing changed.
   */
  read(fromExclusive: number, toInclusive: number): readonly SeriesSamples[] {
    const ranges: (RowRange | undefined)[] = [];
    let whole = true;
    for (const run of this.#runs) {
      const range = run.lane.find(fromExclusive, toInclusive);
      ranges.push(range);
      if (range === undefined || !run.lane.isPlain(range)) whole = false;
      else this.#move(run, range);
    }
    if (whole) return this.#series;
    const found: SeriesSamples[] = [];
    for (const [index, run] of this.#runs.entries()) {
      const range = ranges[index];
      if (range === undefined) continue;
      const plain = run.lane.isPlain(range);
      for (let at = run.from; at < run.to; at++) {
        const series = this.#series[at] as BoundSeries;
        if (plain) {
          found.push(series);
          continue;
        }
        const read = run.lane.read(series.column, range);
        if (read.start < read.end) found.push({ labels: series.labels, ...read });
      }
    }
    return found;
  }

  #move(run: Run, { headFrom, headTo }: RowRange): void {
    const { lane } = run;
    if (run.shape !== lane.shape) {
      for (let at = run.from; at < run.to; at++) {
        const series = this.#series[at] as BoundSeries;
        series.timestamps = lane.plainTimes;
        series.values = lane.plainValues(series.column);
      }
      run.shape = lane.shape;
    }
    for (let at = run.from; at < run.to; at++) {
      const series = this.#series[at] as BoundSeries;
      series.start = headFrom;
      series.end = headTo;
    }
  }
}

/** Selections that were asked for more than once, by the list of ids that the index remembers for their matchers. */
export class BoundSelections {
  readonly #known = new Map<Int32Array, BoundSelection>();
  readonly #seenOnce = new WeakSet<Int32Array>();
  #series = 0;

  /** The bound selection, when it was bound for this placement. */
  get(ids: Int32Array, placement: number): BoundSelection | undefined {
    const bound = this.#known.get(ids);
    if (bound === undefined) return undefined;
    if (bound.placement !== placement) {
      this.#drop(ids, bound);
      return undefined;
    }
    bound.unusedAges = 0;
    return bound;
  }

  /** Whether binding is worth it: asked for before, and there is room. */
  isWorth(ids: Int32Array): boolean {
    if (ids.length > BOUND_SERIES_MAX) return false;
    if (this.#seenOnce.has(ids)) return true;
    this.#seenOnce.add(ids);
    return false;
  }

  keep(ids: Int32Array, bound: BoundSelection): void {
    if (this.#series + bound.size > BOUND_SERIES_MAX) {
      this.#known.clear();
      this.#series = 0;
    }
    this.#known.set(ids, bound);
    this.#series += bound.size;
  }

  /** Called from time to time: what was not asked for lately goes. */
  age(): void {
    for (const [ids, bound] of this.#known) {
      bound.unusedAges++;
      if (bound.unusedAges > UNUSED_AGES_MAX) this.#drop(ids, bound);
    }
  }

  #drop(ids: Int32Array, bound: BoundSelection): void {
    this.#known.delete(ids);
    this.#series -= bound.size;
  }
}
