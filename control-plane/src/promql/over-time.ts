import type { Labels } from "../kernel/labels.js";
import { METRIC_NAME } from "../kernel/labels.js";
import type { Expr, Span } from "./ast.js";
import { unwrapParens } from "./ast.js";
import type { EvalContext } from "./context.js";
import { dropNames, emptyGrid, type Grid, RowWriter } from "./grid.js";
import { invalidQuantile } from "./quantile.js";
import { firstAfter, type Windows, withoutMarkers } from "./select.js";
import { type Window, WINDOW_FUNCTIONS, type WindowFunction } from "./window-functions.js";

/** Endings of the names that counters have by convention. */
const COUNTER_NAME = /_(total|sum|count|bucket)$/;

const FAR = Number.NaN;
const NO_SAMPLES = new Float64Array(0);

/** Whether `name` is a function of a range vector that works on each series alone. */
export function windowFunction(name: string): WindowFunction | undefined {
  return WINDOW_FUNCTIONS.get(name);
}

/**
 * A function over time at every step, series by series, so that the samples of one are gone through once however many steps
 * there are. `params` is the scalar argument at each step; `argument` is the range vector's place in the text.
 */
export function overTime(
  name: string,
  fn: WindowFunction,
  windows: Windows,
  params: Float64Array | undefined,
  argument: Span,
  context: EvalContext,
): Grid {
  const count = context.steps.count;
  const writer = new RowWriter(count, windows.series.length);
  const window: Window = { timestamps: NO_SAMPLES, values: NO_SAMPLES, lo: 0, hi: 0, from: FAR, to: FAR, time: FAR, param: FAR };
  const wantsCounter = name === "rate" || name === "increase";
  const computeOnce = windows.moves === 0 && fn.usesTime !== true && fn.paramAt === undefined;
  for (const series of windows.series) {
    context.tick();
    const stretch = withoutMarkers(series);
    window.timestamps = stretch.timestamps;
    window.values = stretch.values;
    writer.row(series.labels, (values, present, base) => {
      const any = computeOnce
        ? fillConstant(fn, windows, window, stretch.start, stretch.end, count, values, present, base)
        : fillRow(fn, windows, window, stretch.start, stretch.end, params, context, values, present, base);
      if (any && wantsCounter) noteNonCounter(series.labels, argument, context);
      return any;
    });
  }
  const grid = writer.finish();
  return fn.keepsName === true ? grid : dropNames(grid, false);
}

function noteNonCounter(labels: Labels, argument: Span, context: EvalContext): void {
  const name = labels[METRIC_NAME] ?? "";
  if (name === "" || COUNTER_NAME.test(name)) return;
  context.notes.info(
    `metric might not be a counter, name does not end in _total/_sum/_count/_bucket: ${JSON.stringify(name)}`,
    argument,
  );
}

function fillRow(
  fn: WindowFunction,
  windows: Windows,
  window: Window,
  start: number,
  end: number,
  params: Float64Array | undefined,
  context: EvalContext,
  values: Float64Array,
  present: Uint8Array,
  base: number,
): boolean {
  const { timestamps } = window;
  const { firstEnd, moves, range } = windows;
  const { count } = context.steps;
  let lo = firstAfter(timestamps, start, end, firstEnd - range);
  let hi = firstAfter(timestamps, lo, end, firstEnd);
  let any = false;
  for (let step = 0; step < count; step++) {
    const to = firstEnd + step * moves;
    const from = to - range;
    while (hi < end && (timestamps[hi] as number) <= to) hi++;
    while (lo < hi && (timestamps[lo] as number) <= from) lo++;
    if (hi - lo < fn.least) continue;
    window.lo = lo;
    window.hi = hi;
    window.from = from;
    window.to = to;
    window.time = context.timeOf(step);
    if (params !== undefined) window.param = params[step] as number;
    values[base + step] = fn.compute(window);
    present[base + step] = 1;
    any = true;
  }
  return any;
}

/** With `@` every step sees the same window, so one answer does for all. */
function fillConstant(
  fn: WindowFunction,
  windows: Windows,
  window: Window,
  start: number,
  end: number,
  count: number,
  values: Float64Array,
  present: Uint8Array,
  base: number,
): boolean {
  window.to = windows.firstEnd;
  window.from = windows.firstEnd - windows.range;
  window.lo = firstAfter(window.timestamps, start, end, window.from);
  window.hi = firstAfter(window.timestamps, window.lo, end, window.to);
  if (window.hi - window.lo < fn.least) return false;
  values.fill(fn.compute(window), base, base + count);
  present.fill(1, base, base + count);
  return true;
}

/** Warns of each quantile outside of [0, 1] that is asked for. */
export function noteQuantiles(quantiles: Float64Array, argument: Span, context: EvalContext): void {
  for (const q of quantiles) {
    const message = invalidQuantile(q);
    if (message !== undefined) context.notes.warn(message, argument);
  }
}

/** 1 at every step at which no series has a sample in its window, under the labels the selector asks for. */
export function absentOverTime(windows: Windows, argument: Expr, context: EvalContext): Grid {
  const { count } = context.steps;
  const seen = overTime(
    "present_over_time",
    { least: 1, keepsName: true, compute: () => 1 },
    windows,
    undefined,
    argument.span,
    context,
  );
  return absence(seen, absentLabels(argument), count);
}

/** 1 at every step at which `grid` has no value. */
export function absence(grid: Grid, labels: Labels, count: number): Grid {
  const present = new Uint8Array(count).fill(1);
  for (let at = 0; at < grid.present.length; at++) if (grid.present[at] === 1) present[at % count] = 0;
  if (!present.includes(1)) return emptyGrid(count);
  return { labels: [labels], steps: count, values: new Float64Array(count).fill(1), present };
}

/** The labels that a series would surely have if `expr` selected one: those asked for by `=`, once each. */
export function absentLabels(expr: Expr): Labels {
  const inner = unwrapParens(expr);
  const selector = inner.kind === "matrix-selector" ? inner.selector : inner;
  if (selector.kind !== "vector-selector") return {};
  const labels: Record<string, string> = {};
  const seen = new Set<string>();
  for (const { name, op, value } of selector.matchers) {
    if (name === METRIC_NAME) continue;
    if (op === "=" && !seen.has(name)) {
      seen.add(name);
      if (value !== "") labels[name] = value;
    } else {
      delete labels[name];
    }
  }
  return labels;
}
