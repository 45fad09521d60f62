import type { Call, Expr } from "./ast.js";
import { unwrapParens } from "./ast.js";
import { calendarPart } from "./calendar.js";
import type { EvalContext } from "./context.js";
import { executionError } from "./errors.js";
import { dropNames, type Grid, mapValues, pickRows } from "./grid.js";
import { histogramFraction, histogramQuantile } from "./histogram-functions.js";
import { labelJoin, labelReplace } from "./label-functions.js";
import { NO_LABELS } from "./label-sets.js";
import { absence, absentLabels, absentOverTime, noteQuantiles, overTime } from "./over-time.js";
import { selectInstant, type Windows } from "./select.js";
import { WINDOW_FUNCTIONS, type WindowFunction } from "./window-functions.js";

/** What a function asks of the evaluation around it: the values of its arguments. */
export interface Arguments {
  vector(expr: Expr): Grid;
  scalar(expr: Expr): Float64Array;
  windows(expr: Expr): Windows;
}

/** Functions of one number. */
const MATH: ReadonlyMap<string, (value: number) => number> = new Map([
  ["abs", Math.abs],
  ["ceil", Math.ceil],
  ["floor", Math.floor],
  ["exp", Math.exp],
  ["sqrt", Math.sqrt],
  ["ln", Math.log],
  ["log2", Math.log2],
  ["log10", Math.log10],
  ["sin", Math.sin],
  ["cos", Math.cos],
  ["tan", Math.tan],
  ["asin", Math.asin],
  ["acos", Math.acos],
  ["atan", Math.atan],
  ["sinh", Math.sinh],
  ["cosh", Math.cosh],
  ["tanh", Math.tanh],
  ["asinh", Math.asinh],
  ["acosh", Math.acosh],
  ["atanh", Math.atanh],
  ["rad", (value: number) => (value * Math.PI) / 180],
  ["deg", (value: number) => (value * 180) / Math.PI],
  ["sgn", (value: number) => (value < 0 ? -1 : value > 0 ? 1 : value)],
]);

/** Functions that look into native histograms, which this engine does not hold. */
const NATIVE_ONLY: ReadonlySet<string> = new Set([
  "histogram_avg",
  "histogram_count",
  "histogram_sum",
  "histogram_stddev",
  "histogram_stdvar",
]);

/** A call that gives a scalar, at every step. */
export function callScalar(call: Call, args: Arguments, context: EvalContext): Float64Array {
  const { count } = context.steps;
  switch (call.func) {
    case "pi":
      return new Float64Array(count).fill(Math.PI);
    case "time":
      return Float64Array.from({ length: count }, (_, step) => context.timeOf(step) / 1000);
    case "scalar":
      return onlyValues(args.vector(argument(call, 0)), count);
    default:
      throw executionError(`function ${call.func}() does not give a scalar`);
  }
}

/** The value of the only row at each step; NaN where there is none or more than one. */
function onlyValues(grid: Grid, count: number): Float64Array {
  const result = new Float64Array(count).fill(Number.NaN);
  const found = new Uint8Array(count);
  for (let at = 0; at < grid.values.length; at++) {
    if (grid.present[at] !== 1) continue;
    const step = at % count;
    result[step] = found[step] === 0 ? (grid.values[at] as number) : Number.NaN;
    found[step] = 1;
  }
  return result;
}

function argument(call: Call, index: number): Expr {
  return call.args[index] as Expr;
}

function textOf(call: Call, index: number): string {
  const expr = unwrapParens(argument(call, index));
  return expr.kind === "string" ? expr.value : "";
}

/** A call that gives an instant vector, at every step. */
export function callVector(call: Call, args: Arguments, context: EvalContext): Grid {
  const math = MATH.get(call.func);
  if (math !== undefined) return dropNames(mapValues(args.vector(argument(call, 0)), math), call);
  const overTimeFunction = WINDOW_FUNCTIONS.get(call.func);
  if (overTimeFunction !== undefined) return callOverTime(call, overTimeFunction, args, context);
  const calendar = calendarPart(call.func);
  if (calendar !== undefined) {
    const grid = call.args.length === 0 ? timeVector(context) : args.vector(argument(call, 0));
    return dropNames(mapValues(grid, calendar), call);
  }
  if (NATIVE_ONLY.has(call.func)) {
    throw executionError(`${call.func}() needs native histograms, which this engine does not support`);
  }
  return callNamed(call, args, context);
}

function callNamed(call: Call, args: Arguments, context: EvalContext): Grid {
  const first = argument(call, 0);
  switch (call.func) {
    case "absent":
      return absence(args.vector(first), absentLabels(first), context.steps.count);
    case "absent_over_time":
      return absentOverTime(call, args.windows(first), first, context);
    case "timestamp":
      return timestamps(call, first, args, context);
    case "vector":
      return constantVector(args.scalar(first));
    case "sort":
      return sortRows(args.vector(first), 1);
    case "sort_desc":
      return sortRows(args.vector(first), -1);
    case "clamp":
      return clamp(call, args.vector(first), args.scalar(argument(call, 1)), args.scalar(argument(call, 2)));
    case "clamp_min":
      return clamp(call, args.vector(first), args.scalar(argument(call, 1)), undefined);
    case "clamp_max":
      return clamp(call, args.vector(first), undefined, args.scalar(argument(call, 1)));
    case "round":
      return round(
        call,
        args.vector(first),
        call.args[1] === undefined ? undefined : args.scalar(call.args[1]),
      );
    case "label_replace":
      return labelReplace(
        args.vector(first),
        textOf(call, 1),
        textOf(call, 2),
        textOf(call, 3),
        textOf(call, 4),
      );
    case "label_join": {
      const sources = call.args.slice(3).map((_, index) => textOf(call, index + 3));
      return labelJoin(args.vector(first), textOf(call, 1), textOf(call, 2), sources);
    }
    case "histogram_quantile": {
      const spans = { quantile: first.span, buckets: argument(call, 1).span };
      return histogramQuantile(call, args.scalar(first), args.vector(argument(call, 1)), spans, context);
    }
    case "histogram_fraction": {
      const vector = argument(call, 2);
      const upper = args.scalar(argument(call, 1));
      return histogramFraction(call, args.scalar(first), upper, args.vector(vector), vector.span, context);
    }
    default:
      throw executionError(`function ${call.func}() is not supported by this engine`);
  }
}

function callOverTime(call: Call, fn: WindowFunction, args: Arguments, context: EvalContext): Grid {
  const rangeAt = fn.paramAt === 0 ? 1 : 0;
  // Scalars first: the samples of a selection are only good until the next one.
  const params = fn.paramAt === undefined ? undefined : args.scalar(argument(call, fn.paramAt));
  const range = argument(call, rangeAt);
  const grid = overTime(call, fn, args.windows(range), range, params, context);
  if (call.func === "quantile_over_time" && params !== undefined && grid.present.includes(1)) {
    noteQuantiles(params, argument(call, 0).span, context);
  }
  return grid;
}

function timeVector(context: EvalContext): Grid {
  return constantVector(
    Float64Array.from({ length: context.steps.count }, (_, step) => Math.trunc(context.timeOf(step) / 1000)),
  );
}

function constantVector(values: Float64Array): Grid {
  return {
    labels: [NO_LABELS],
    steps: values.length,
    values,
    present: new Uint8Array(values.length).fill(1),
  };
}

/** Of a selector the times of the samples it shows; of anything else the time of the evaluation. */
function timestamps(call: Call, expr: Expr, args: Arguments, context: EvalContext): Grid {
  const inner = unwrapParens(expr);
  if (inner.kind === "vector-selector") return dropNames(selectInstant(inner, context, "timestamps"), call);
  const grid = args.vector(expr);
  for (let at = 0; at < grid.values.length; at++) {
    if (grid.present[at] === 1) grid.values[at] = context.timeOf(at % grid.steps) / 1000;
  }
  return dropNames(grid, call);
}

/** Orders rows by value, NaN last; over several steps there is no such order, and the answer to a range is ordered by labels. */
function sortRows(grid: Grid, sign: 1 | -1): Grid {
  if (grid.steps !== 1) return grid;
  const rows: number[] = [];
  for (let row = 0; row < grid.labels.length; row++) if (grid.present[row] === 1) rows.push(row);
  const { values } = grid;
  rows.sort((a, b) => {
    const x = values[a] as number;
    const y = values[b] as number;
    if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
    return x < y ? -sign : x > y ? sign : 0;
  });
  return pickRows(grid, rows);
}

/** Go's `math.Max` and `math.Min`: an infinity at the far end wins even over NaN. */
function atLeast(least: number, value: number): number {
  return least === Number.POSITIVE_INFINITY ? least : Math.max(least, value);
}

function atMost(most: number, value: number): number {
  return most === Number.NEGATIVE_INFINITY ? most : Math.min(most, value);
}

function clamp(
  call: Call,
  grid: Grid,
  least: Float64Array | undefined,
  most: Float64Array | undefined,
): Grid {
  const { values, present, steps } = grid;
  for (let at = 0; at < values.length; at++) {
    if (present[at] !== 1) continue;
    const low = least?.[at % steps] ?? Number.NEGATIVE_INFINITY;
    const high = most?.[at % steps] ?? Number.POSITIVE_INFINITY;
    if (high < low) present[at] = 0;
    else values[at] = atLeast(low, atMost(high, values[at] as number));
  }
  return dropNames(grid, call);
}

/** Rounds half up, to a whole number or to a multiple of `nearest`. */
function round(call: Call, grid: Grid, nearest: Float64Array | undefined): Grid {
  const { values, present, steps } = grid;
  for (let at = 0; at < values.length; at++) {
    if (present[at] !== 1) continue;
    // Dividing by the inverse keeps 0.1 from giving 5.300000000000001.
    const inverse = 1 / (nearest?.[at % steps] ?? 1);
    values[at] = Math.floor((values[at] as number) * inverse + 0.5) / inverse;
  }
  return dropNames(grid, call);
}
