import type { Labels } from "../kernel/labels.js";
import type { MatrixSelector, Subquery, VectorSelector } from "./ast.js";
import type { EvalContext } from "./context.js";
import { blankGrid, type Grid, hasValue } from "./grid.js";
import { settledLabels } from "./plans.js";
import { isStaleAt, type SeriesSamples } from "./series-source.js";

/** Index of the first timestamp in `[from, to)` greater than `time`; `to` if there is none. */
export function firstAfter(timestamps: Float64Array, from: number, to: number, time: number): number {
  // Queries are mostly about now, behind the last sample; looking there first spares the search its cache misses.
  if (to > from && (timestamps[to - 1] as number) <= time) return to;
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((timestamps[middle] as number) <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * What a selector shows at every step: of each series the newest sample no older than the lookback, unless it says
 * that the series has ended. With `want` "timestamps", the times of these samples in seconds instead of their values.
 */
export function selectInstant(
  selector: VectorSelector,
  context: EvalContext,
  want: "values" | "timestamps" = "values",
): Grid {
  const { steps, lookbackMs } = context;
  const fixed = context.fixedTime(selector.at);
  const first = (fixed ?? steps.start) - selector.offset;
  const moves = fixed === undefined ? steps.step : 0;
  const last = first + moves * (steps.count - 1);
  const series = context.source.select(selector.matchers, first - lookbackMs, last);
  context.allowRows(series.length);
  const grid = blankGrid(labelsOf(selector, series), steps.count);
  const { values, present } = grid;
  for (let row = 0; row < series.length; row++) {
    context.tick();
    const { timestamps, values: samples, start, end } = series[row] as SeriesSamples;
    const base = row * steps.count;
    let after = firstAfter(timestamps, start, end, first);
    for (let step = 0; step < steps.count; step++) {
      const time = first + step * moves;
      while (after < end && (timestamps[after] as number) <= time) after++;
      const newest = after - 1;
      if (newest < start) continue;
      const timestamp = timestamps[newest] as number;
      if (timestamp <= time - lookbackMs || isStaleAt(samples, newest)) continue;
      values[base + step] = want === "values" ? (samples[newest] as number) : timestamp / 1000;
      present[base + step] = 1;
    }
  }
  return grid;
}

/** Label sets by the list of series they were taken from: a source that gives the same list again is not asked twice. */
const labelsOfList = new WeakMap<readonly SeriesSamples[], readonly Labels[]>();

/** The label sets of series that `node` selected. */
export function labelsOf(node: object, series: readonly SeriesSamples[]): readonly Labels[] {
  let labels = labelsOfList.get(series);
  if (labels === undefined) {
    labels = series.map((one) => one.labels);
    labelsOfList.set(series, labels);
  }
  return settledLabels(node, labels);
}

/** A range vector at every step: the series, and which stretch of them is meant at each step. */
export interface Windows {
  readonly series: readonly SeriesSamples[];
  /** End of the window at the first step, inclusive; its start, exclusive, is `range` earlier. */
  readonly firstEnd: number;
  /** How far the window moves from step to step; 0 with `@`. */
  readonly moves: number;
  readonly range: number;
}

/** The windows of `selector[range]`. The series are valid until the next selection. */
export function selectWindows(expr: MatrixSelector, context: EvalContext): Windows {
  const { selector, range } = expr;
  const { steps } = context;
  const fixed = context.fixedTime(selector.at);
  const firstEnd = (fixed ?? steps.start) - selector.offset;
  const moves = fixed === undefined ? steps.step : 0;
  const lastEnd = firstEnd + moves * (steps.count - 1);
  const series = context.source.select(selector.matchers, firstEnd - range, lastEnd);
  context.allowRows(series.length);
  return { series, firstEnd, moves, range };
}

/**
 * The windows of `expr[range:step]`: `evaluate` gives the inner expression at every multiple of the step that
 * lies in any of them.
 */
export function subqueryWindows(
  expr: Subquery,
  context: EvalContext,
  evaluate: (inner: EvalContext) => Grid,
): Windows {
  const { steps } = context;
  const step = expr.step ?? context.subqueryStepMs;
  const fixed = context.fixedTime(expr.at);
  const firstEnd = (fixed ?? steps.start) - expr.offset;
  const moves = fixed === undefined ? steps.step : 0;
  const lastEnd = firstEnd + moves * (steps.count - 1);
  const before = firstEnd - expr.range;
  let start = Math.trunc(before / step) * step;
  if (start <= before) start += step;
  const windows = { firstEnd, moves, range: expr.range };
  if (start > lastEnd) return { ...windows, series: [] };
  const count = Math.floor((lastEnd - start) / step) + 1;
  context.allowSamples(count);
  const inner = context.at({ start, step, count });
  return { ...windows, series: seriesOf(evaluate(inner), inner) };
}

/** The rows of a grid as series of samples. */
export function seriesOf(grid: Grid, context: EvalContext): SeriesSamples[] {
  const { steps } = grid;
  const series: SeriesSamples[] = [];
  const times = new Float64Array(steps);
  for (let step = 0; step < steps; step++) times[step] = context.timeOf(step);
  grid.labels.forEach((labels, row) => {
    if (!hasValue(grid, row)) return;
    const base = row * steps;
    const present = grid.present.subarray(base, base + steps);
    const values = grid.values.subarray(base, base + steps);
    if (!present.includes(0)) {
      series.push({ labels, timestamps: times, values, start: 0, end: steps });
      return;
    }
    const timestamps = new Float64Array(steps);
    let end = 0;
    for (let step = 0; step < steps; step++) {
      if (present[step] !== 1) continue;
      timestamps[end] = times[step] as number;
      values[end] = values[step] as number;
      end++;
    }
    series.push({ labels, timestamps, values, start: 0, end });
  });
  return series;
}

/** A stretch of one series without staleness markers; the arrays are valid until the next call. */
export interface Stretch {
  readonly labels: Labels;
  readonly timestamps: Float64Array;
  readonly values: Float64Array;
  readonly start: number;
  readonly end: number;
}

let scratchTimes = new Float64Array(1024);
let scratchValues = new Float64Array(1024);

/** The samples of a series without its staleness markers: the series itself if there are none, as almost always. */
export function withoutMarkers(series: SeriesSamples): Stretch {
  const { timestamps, values, start, end } = series;
  let at = start;
  while (at < end && !(Number.isNaN(values[at]) && isStaleAt(values, at))) at++;
  if (at === end) return series;
  if (scratchTimes.length < end - start) {
    scratchTimes = new Float64Array((end - start) * 2);
    scratchValues = new Float64Array((end - start) * 2);
  }
  let kept = 0;
  for (at = start; at < end; at++) {
    if (Number.isNaN(values[at]) && isStaleAt(values, at)) continue;
    scratchTimes[kept] = timestamps[at] as number;
    scratchValues[kept] = values[at] as number;
    kept++;
  }
  return { labels: series.labels, timestamps: scratchTimes, values: scratchValues, start: 0, end: kept };
}
