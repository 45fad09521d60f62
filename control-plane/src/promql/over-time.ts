import type { Labels } from "../kernel/labels.js";
import { METRIC_NAME } from "../kernel/labels.js";
import type { Call, Expr, Span } from "./ast.js";
import { unwrapParens } from "./ast.js";
import type { EvalContext } from "./context.js";
import { blankGrid, dropNames, emptyGrid, type Grid } from "./grid.js";
import { invalidQuantile } from "./quantile.js";
import { quote } from "./quote.js";
import { firstAfter, labelsOf, type Stretch, type Windows, withoutMarkers } from "./select.js";
import type { SeriesSamples } from "./series-source.js";
import type { Window, WindowFunction } from "./window-functions.js";

/** Endings of the names that counters have by convention. */
const COUNTER_NAME = /_(total|sum|count|bucket)$/;

const NO_SAMPLES: Float64Array = new Float64Array(0);

/**
 * A function over time at every step, series by series, so that the samples of one are gone through once however many steps
 * there are. `params` is the scalar argument at each step; `range` is the argument the windows come from.
 */
export function overTime(
  call: Call,
  fn: WindowFunction,
  windows: Windows,
  range: Expr,
  params: Float64Array | undefined,
  context: EvalContext,
): Grid {
  const { count } = context.steps;
  const { series } = windows;
  const grid = blankGrid(labelsOf(range, series), count);
  const runner = new Runner(fn, windows, params, grid, context);
  const wantsCounter = call.func === "rate" || call.func === "increase";
  let knownCounter = "";
  for (let row = 0; row < series.length; row++) {
    context.tick();
    const one = series[row] as SeriesSamples;
    const stretch = withoutMarkers(one);
    const any = runner.run(stretch, row * count, stretch === one);
    if (!any || !wantsCounter) continue;
    const name = one.labels[METRIC_NAME] ?? "";
    if (name === knownCounter) continue;
    noteNonCounter(name, range.span, context);
    knownCounter = name;
  }
  return fn.keepsName === true ? grid : dropNames(grid, call, false);
}

function noteNonCounter(name: string, range: Span, context: EvalContext): void {
  if (name === "" || COUNTER_NAME.test(name)) return;
  context.notes.info(
    `metric might not be a counter, name does not end in _total/_sum/_count/_bucket: ${quote(name)}`,
    range,
  );
}

/** Moves the window along one series after the other. */
class Runner {
  private readonly window: Window = {
    timestamps: NO_SAMPLES,
    values: NO_SAMPLES,
    lo: 0,
    hi: 0,
    from: 0,
    to: 0,
    time: 0,
    param: 0,
  };
  private readonly once: boolean;
  /** Where the first window lies in the samples that were gone through last: series that share their times share it. */
  private readonly first = { timestamps: NO_SAMPLES, start: 0, end: 0, lo: 0, hi: 0 };

  constructor(
    private readonly fn: WindowFunction,
    private readonly windows: Windows,
    private readonly params: Float64Array | undefined,
    private readonly grid: Grid,
    private readonly context: EvalContext,
  ) {
    // With `@` every step sees the same window, so one answer does for all.
    this.once = windows.moves === 0 && fn.usesTime !== true && fn.paramAt === undefined;
  }

  /** Writes the row at `base`; whether it has any value. `lasting` says that the stretch's arrays are not written anew. */
  run(stretch: Stretch, base: number, lasting: boolean): boolean {
    const { fn, windows, params, grid, context, window } = this;
    const { values, present, steps } = grid;
    const { timestamps, start, end } = stretch;
    const { firstEnd, moves, range } = windows;
    window.timestamps = timestamps;
    window.values = stretch.values;
    const { first } = this;
    if (first.timestamps !== timestamps || first.start !== start || first.end !== end) {
      first.timestamps = timestamps;
      first.start = start;
      first.end = end;
      first.lo = firstAfter(timestamps, start, end, firstEnd - range);
      first.hi = firstAfter(timestamps, first.lo, end, firstEnd);
    }
    let { lo, hi } = first;
    if (!lasting) first.timestamps = NO_SAMPLES;
    let any = false;
    for (let step = 0; step < steps; step++) {
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
      context.spend(hi - lo);
      present[base + step] = 1;
      any = true;
      if (this.once) break;
    }
    if (this.once && any) {
      values.fill(values[base] as number, base, base + steps);
      present.fill(1, base, base + steps);
    }
    return any;
  }
}

/** Warns of each quantile outside of [0, 1] that is asked for. */
export function noteQuantiles(quantiles: Float64Array, argument: Span, context: EvalContext): void {
  for (const q of quantiles) {
    const message = invalidQuantile(q);
    if (message !== undefined) context.notes.warn(message, argument);
  }
}

const PRESENT: WindowFunction = { least: 1, keepsName: true, compute: () => 1 };

/** 1 at every step at which no series has a sample in its window, under the labels the selector asks for. */
export function absentOverTime(call: Call, windows: Windows, range: Expr, context: EvalContext): Grid {
  const seen = overTime(call, PRESENT, windows, range, undefined, context);
  return absence(seen, absentLabels(range), context.steps.count);
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
