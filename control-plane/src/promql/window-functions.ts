import { KahanSum, kahanError, meanOf } from "./kahan.js";
import { quantileOf } from "./quantile.js";

/** The samples a function over time sees at one step: those of `[lo, hi)`, at least one. */
export interface Window {
  timestamps: Float64Array;
  values: Float64Array;
  lo: number;
  hi: number;
  /** Start of the window, exclusive, and its end, inclusive, in ms; the samples need not reach either. */
  from: number;
  to: number;
  /** Time of the evaluation in ms; differs from `to` by offset and `@`. */
  time: number;
  /** The function's scalar argument at this step. */
  param: number;
}

/** A function of a range vector, seen for one series at one step. */
export interface WindowFunction {
  /** Fewest samples it needs; below that the series has no value at the step. */
  readonly least: number;
  readonly compute: (window: Window) => number;
  /** Whether the result is still the same metric, as for `last_over_time`. */
  readonly keepsName?: boolean;
  /** Place of the scalar argument, and of the range vector beside it. */
  readonly paramAt?: number;
  /** Whether the result depends on the time of the evaluation, not only on the window. */
  readonly usesTime?: boolean;
}

/**
 * The increase from the first to the last sample, carried on to the ends of the window if samples lie close to them: see
 * https://prometheus.io/docs/prometheus/latest/querying/functions/#increase and the extrapolation in Prometheus' `extrapolatedRate`.
 */
function extrapolated(window: Window, isCounter: boolean, perSecond: boolean): number {
  const { timestamps, values, lo, hi } = window;
  const first = values[lo] as number;
  let increase = (values[hi - 1] as number) - first;
  if (isCounter) {
    let previous = first;
    for (let at = lo + 1; at < hi; at++) {
      const value = values[at] as number;
      if (value < previous) increase += previous;
      previous = value;
    }
  }
  const firstTime = timestamps[lo] as number;
  const lastTime = timestamps[hi - 1] as number;
  const sampled = (lastTime - firstTime) / 1000;
  const spacing = sampled / (hi - lo - 1);
  // "Close" is up to a tenth more than the usual spacing; beyond that the series is taken to begin or end half a spacing outside.
  const threshold = spacing * 1.1;
  let toStart = (firstTime - window.from) / 1000;
  if (toStart >= threshold) toStart = spacing / 2;
  // A counter cannot have been below zero: it began, at the earliest, where the line through its samples meets zero.
  if (isCounter && increase > 0 && first >= 0) toStart = Math.min(toStart, sampled * (first / increase));
  let toEnd = (window.to - lastTime) / 1000;
  if (toEnd >= threshold) toEnd = spacing / 2;
  let factor = (sampled + toStart + toEnd) / sampled;
  if (perSecond) factor /= (window.to - window.from) / 1000;
  return increase * factor;
}

/** Difference of the last two samples; for a counter that was reset between them, the last one. */
function lastDifference(window: Window, isCounter: boolean): number {
  const { timestamps, values, hi } = window;
  const last = values[hi - 1] as number;
  const before = values[hi - 2] as number;
  const difference = isCounter && last < before ? last : last - before;
  if (!isCounter) return difference;
  return difference / (((timestamps[hi - 1] as number) - (timestamps[hi - 2] as number)) / 1000);
}

const sums = { x: new KahanSum(), y: new KahanSum(), xy: new KahanSum(), xx: new KahanSum() };

/** The line through the samples by least squares: its slope per second and its height at `time`. */
function regression(window: Window, time: number): { readonly slope: number; readonly height: number } {
  const { timestamps, values, lo, hi } = window;
  for (const sum of Object.values(sums)) sum.reset();
  const first = values[lo] as number;
  let constant = true;
  for (let at = lo; at < hi; at++) {
    const x = ((timestamps[at] as number) - time) / 1000;
    const y = values[at] as number;
    if (y !== first) constant = false;
    sums.x.add(x);
    sums.y.add(y);
    sums.xy.add(x * y);
    sums.xx.add(x * x);
  }
  if (constant) {
    return Math.abs(first) === Number.POSITIVE_INFINITY
      ? { slope: Number.NaN, height: Number.NaN }
      : { slope: 0, height: first };
  }
  const count = hi - lo;
  const x = sums.x.sum + sums.x.error;
  const y = sums.y.sum + sums.y.error;
  const covariance = sums.xy.sum + sums.xy.error - (x * y) / count;
  const variance = sums.xx.sum + sums.xx.error - (x * x) / count;
  const slope = covariance / variance;
  return { slope, height: y / count - (slope * x) / count };
}

/** The greatest value, or with `sign` -1 the least; NaN only if there is nothing else. */
function extreme(window: Window, sign: 1 | -1): number {
  const { values, lo, hi } = window;
  let best = values[lo] as number;
  for (let at = lo + 1; at < hi; at++) {
    const value = values[at] as number;
    if (value * sign > best * sign || Number.isNaN(best)) best = value;
  }
  return best;
}

function sum(window: Window): number {
  const { values, lo, hi } = window;
  let total = 0;
  let error = 0;
  for (let at = lo; at < hi; at++) {
    const value = values[at] as number;
    const next = total + value;
    error = kahanError(value, total, next, error);
    total = next;
  }
  return Math.abs(total) === Number.POSITIVE_INFINITY ? total : total + error;
}

function variance(window: Window): number {
  const { values, lo, hi } = window;
  const mean = new KahanSum();
  const squares = new KahanSum();
  let count = 0;
  for (let at = lo; at < hi; at++) {
    const value = values[at] as number;
    count++;
    const delta = value - (mean.sum + mean.error);
    mean.add(delta / count);
    squares.add(delta * (value - (mean.sum + mean.error)));
  }
  return (squares.sum + squares.error) / count;
}

function resets(window: Window): number {
  const { values, lo, hi } = window;
  let count = 0;
  for (let at = lo + 1; at < hi; at++) if ((values[at] as number) < (values[at - 1] as number)) count++;
  return count;
}

function changes(window: Window): number {
  const { values, lo, hi } = window;
  let count = 0;
  for (let at = lo + 1; at < hi; at++) {
    const value = values[at] as number;
    const before = values[at - 1] as number;
    if (value !== before && !(Number.isNaN(value) && Number.isNaN(before))) count++;
  }
  return count;
}

/** The functions over time by name; `absent_over_time`, which looks at all series at once, is not among them. */
export const WINDOW_FUNCTIONS: ReadonlyMap<string, WindowFunction> = new Map<string, WindowFunction>([
  ["rate", { least: 2, compute: (window) => extrapolated(window, true, true) }],
  ["increase", { least: 2, compute: (window) => extrapolated(window, true, false) }],
  ["delta", { least: 2, compute: (window) => extrapolated(window, false, false) }],
  ["irate", { least: 2, compute: (window) => lastDifference(window, true) }],
  ["idelta", { least: 2, compute: (window) => lastDifference(window, false) }],
  [
    "deriv",
    { least: 2, compute: (window) => regression(window, window.timestamps[window.lo] as number).slope },
  ],
  [
    "predict_linear",
    {
      least: 2,
      paramAt: 1,
      usesTime: true,
      compute: (window) => {
        const { slope, height } = regression(window, window.time);
        return slope * window.param + height;
      },
    },
  ],
  ["avg_over_time", { least: 1, compute: ({ values, lo, hi }) => meanOf(values, lo, hi) }],
  ["sum_over_time", { least: 1, compute: sum }],
  ["count_over_time", { least: 1, compute: ({ lo, hi }) => hi - lo }],
  ["min_over_time", { least: 1, compute: (window) => extreme(window, -1) }],
  ["max_over_time", { least: 1, compute: (window) => extreme(window, 1) }],
  ["last_over_time", { least: 1, keepsName: true, compute: ({ values, hi }) => values[hi - 1] as number }],
  ["present_over_time", { least: 1, compute: () => 1 }],
  ["stdvar_over_time", { least: 1, compute: variance }],
  ["stddev_over_time", { least: 1, compute: (window) => Math.sqrt(variance(window)) }],
  [
    "quantile_over_time",
    {
      least: 1,
      paramAt: 0,
      compute: ({ values, lo, hi, param }) => quantileOf(param, values.slice(lo, hi)),
    },
  ],
  ["resets", { least: 1, compute: resets }],
  ["changes", { least: 1, compute: changes }],
]);
