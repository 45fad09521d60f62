import { type Labels, METRIC_NAME } from "../kernel/labels.js";
import type { Call, Span } from "./ast.js";
import type { EvalContext } from "./context.js";
import { blankGrid, dropNames, type Grid, hasValue } from "./grid.js";
import { type Buckets, bucketFraction, bucketQuantile } from "./histogram.js";
import { BUCKET_LABEL, keyOf, withoutLabels } from "./label-sets.js";
import { parseFloatLabel } from "./number.js";
import { noteQuantiles } from "./over-time.js";
import { PlanMemory } from "./plans.js";
import { quote } from "./quote.js";

/** A histogram's buckets as rows of a grid, by rising bound. */
interface HistogramRows {
  readonly rows: Int32Array;
  readonly bounds: Float64Array;
}

/** The histograms among rows; `labels` has one set for each, `odd` are the rows without a bound. */
interface Histograms {
  readonly labels: readonly Labels[];
  readonly buckets: readonly HistogramRows[];
  readonly odd: readonly number[];
}

const WITHOUT_BOUND = [BUCKET_LABEL];
const histograms = new PlanMemory<Histograms>();

/** The rows put together by all labels but `le`. */
function groupBuckets(rowLabels: readonly Labels[]): Histograms {
  const numbers = new Map<string, number>();
  const bounds = new Map<string, number | undefined>();
  const labels: Labels[] = [];
  const found: { row: number; bound: number }[][] = [];
  const odd: number[] = [];
  rowLabels.forEach((set, row) => {
    const text = set[BUCKET_LABEL] ?? "";
    let bound = bounds.get(text);
    if (bound === undefined) {
      bound = parseFloatLabel(text);
      bounds.set(text, bound);
    }
    if (bound === undefined) {
      odd.push(row);
      return;
    }
    const key = keyOf(set, WITHOUT_BOUND);
    let number = numbers.get(key);
    if (number === undefined) {
      number = labels.push(withoutLabels(set, WITHOUT_BOUND)) - 1;
      numbers.set(key, number);
      found.push([]);
    }
    found[number]?.push({ row, bound });
  });
  const buckets = found.map((rows) => {
    rows.sort((a, b) => (a.bound < b.bound ? -1 : a.bound > b.bound ? 1 : 0));
    return {
      rows: Int32Array.from(rows, ({ row }) => row),
      bounds: Float64Array.from(rows, ({ bound }) => bound),
    };
  });
  return { labels, buckets, odd };
}

function noteOddBuckets(grid: Grid, rows: readonly number[], argument: Span, context: EvalContext): void {
  for (const row of rows) {
    if (!hasValue(grid, row)) continue;
    const labels = grid.labels[row] as Labels;
    context.notes.warn(
      `bucket label "le" is missing or has a malformed value of ${quote(labels[BUCKET_LABEL] ?? "")} ` +
        `for metric name ${quote(labels[METRIC_NAME] ?? "")}`,
      argument,
    );
  }
}

/** One value for each histogram at each step at which it has any bucket. */
function eachHistogram(
  call: Call,
  grid: Grid,
  argument: Span,
  context: EvalContext,
  compute: (buckets: Buckets, step: number, labels: Labels) => number,
): Grid {
  const plan = histograms.recall(call, [grid.labels], () => groupBuckets(grid.labels));
  noteOddBuckets(grid, plan.odd, argument, context);
  const { steps } = grid;
  const result = blankGrid(plan.labels, steps);
  let room: Buckets = { bounds: new Float64Array(64), counts: new Float64Array(64), size: 0 };
  plan.buckets.forEach(({ rows, bounds }, number) => {
    context.tick();
    if (rows.length > room.bounds.length) {
      room = { bounds: new Float64Array(rows.length), counts: new Float64Array(rows.length), size: 0 };
    }
    for (let step = 0; step < steps; step++) {
      let size = 0;
      for (let i = 0; i < rows.length; i++) {
        const at = (rows[i] as number) * steps + step;
        if (grid.present[at] !== 1) continue;
        room.bounds[size] = bounds[i] as number;
        room.counts[size] = grid.values[at] as number;
        size++;
      }
      if (size === 0) continue;
      room.size = size;
      const to = number * steps + step;
      result.values[to] = compute(room, step, plan.labels[number] as Labels);
      result.present[to] = 1;
    }
  });
  return dropNames(result, call);
}

/** `histogram_quantile` over classic histograms. */
export function histogramQuantile(
  call: Call,
  quantiles: Float64Array,
  grid: Grid,
  spans: { readonly quantile: Span; readonly buckets: Span },
  context: EvalContext,
): Grid {
  noteQuantiles(quantiles, spans.quantile, context);
  return eachHistogram(call, grid, spans.buckets, context, (buckets, step, labels) => {
    const { value, forcedMonotonic } = bucketQuantile(quantiles[step] as number, buckets);
    if (forcedMonotonic) {
      context.notes.info(
        "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) " +
          `for metric name ${quote(labels[METRIC_NAME] ?? "")}`,
        spans.buckets,
      );
    }
    return value;
  });
}

/** `histogram_fraction` over classic histograms. */
export function histogramFraction(
  call: Call,
  lower: Float64Array,
  upper: Float64Array,
  grid: Grid,
  argument: Span,
  context: EvalContext,
): Grid {
  return eachHistogram(call, grid, argument, context, (buckets, step) =>
    bucketFraction(lower[step] as number, upper[step] as number, buckets),
  );
}
