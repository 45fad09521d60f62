import { type Labels, METRIC_NAME } from "../kernel/labels.js";
import type { Span } from "./ast.js";
import type { EvalContext } from "./context.js";
import { dropNames, type Grid, hasValue, RowWriter } from "./grid.js";
import { type Buckets, bucketFraction, bucketQuantile } from "./histogram.js";
import { BUCKET_LABEL, keyOf, withoutBucket } from "./label-sets.js";
import { parseFloatLabel } from "./number.js";
import { noteQuantiles } from "./over-time.js";
import { quote } from "./quote.js";

/** A histogram's buckets as rows of a grid, by rising bound. */
interface HistogramRows {
  readonly labels: Labels;
  readonly rows: Int32Array;
  readonly bounds: Float64Array;
}

/** The rows of a grid put together by all labels but `le`. */
function histogramsOf(grid: Grid, argument: Span, context: EvalContext): HistogramRows[] {
  const found = new Map<string, { labels: Labels; buckets: { row: number; bound: number }[] }>();
  grid.labels.forEach((labels, row) => {
    context.tick();
    const text = labels[BUCKET_LABEL] ?? "";
    const bound = parseFloatLabel(text);
    if (bound === undefined) {
      if (!hasValue(grid, row)) return;
      const name = quote(labels[METRIC_NAME] ?? "");
      context.notes.warn(
        `bucket label "le" is missing or has a malformed value of ${quote(text)} for metric name ${name}`,
        argument,
      );
      return;
    }
    const rest = withoutBucket(labels);
    const key = keyOf(rest);
    const known = found.get(key);
    if (known === undefined) found.set(key, { labels: rest, buckets: [{ row, bound }] });
    else known.buckets.push({ row, bound });
  });
  return Array.from(found.values(), ({ labels, buckets }) => {
    buckets.sort((a, b) => (a.bound < b.bound ? -1 : a.bound > b.bound ? 1 : 0));
    return {
      labels,
      rows: Int32Array.from(buckets, ({ row }) => row),
      bounds: Float64Array.from(buckets, ({ bound }) => bound),
    };
  });
}

/** One value for each histogram at each step at which it has any bucket. */
function eachHistogram(
  grid: Grid,
  argument: Span,
  context: EvalContext,
  compute: (buckets: Buckets, step: number, labels: Labels) => number,
): Grid {
  const histograms = histogramsOf(grid, argument, context);
  const { steps } = grid;
  const writer = new RowWriter(steps, histograms.length);
  let buckets: Buckets = { bounds: new Float64Array(64), counts: new Float64Array(64), size: 0 };
  for (const { labels, rows, bounds } of histograms) {
    context.tick();
    if (rows.length > buckets.bounds.length) {
      buckets = { bounds: new Float64Array(rows.length), counts: new Float64Array(rows.length), size: 0 };
    }
    writer.row(labels, (values, present, base) => {
      let any = false;
      for (let step = 0; step < steps; step++) {
        let size = 0;
        for (let i = 0; i < rows.length; i++) {
          const at = (rows[i] as number) * steps + step;
          if (grid.present[at] !== 1) continue;
          buckets.bounds[size] = bounds[i] as number;
          buckets.counts[size] = grid.values[at] as number;
          size++;
        }
        if (size === 0) continue;
        buckets.size = size;
        values[base + step] = compute(buckets, step, labels);
        present[base + step] = 1;
        any = true;
      }
      return any;
    });
  }
  return dropNames(writer.finish());
}

/** `histogram_quantile` over classic histograms. */
export function histogramQuantile(
  quantiles: Float64Array,
  grid: Grid,
  spans: { readonly quantile: Span; readonly buckets: Span },
  context: EvalContext,
): Grid {
  noteQuantiles(quantiles, spans.quantile, context);
  return eachHistogram(grid, spans.buckets, context, (buckets, step, labels) => {
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
  lower: Float64Array,
  upper: Float64Array,
  grid: Grid,
  argument: Span,
  context: EvalContext,
): Grid {
  return eachHistogram(grid, argument, context, (buckets, step) =>
    bucketFraction(lower[step] as number, upper[step] as number, buckets),
  );
}
