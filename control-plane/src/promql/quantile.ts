import { formatGeneral } from "./number.js";

/** Orders numbers with NaN before all others, as Prometheus does for quantiles. */
function compareNanFirst(a: number, b: number): number {
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : -1;
  return Number.isNaN(b) || a > b ? 1 : a < b ? -1 : 0;
}

/**
 * The `q`-quantile of `values`, which are sorted in place; between two values it lies in proportion. NaN for no
 * values or a `q` of NaN, -Inf for `q` below 0, +Inf for `q` above 1.
 */
export function quantileOf(q: number, values: Float64Array): number {
  if (values.length === 0 || Number.isNaN(q)) return Number.NaN;
  if (q < 0) return Number.NEGATIVE_INFINITY;
  if (q > 1) return Number.POSITIVE_INFINITY;
  // Without a comparison function NaN sorts last; only if there is one is the slow way needed.
  values.sort();
  if (Number.isNaN(values[values.length - 1])) values.sort(compareNanFirst);
  const rank = q * (values.length - 1);
  const lower = Math.max(0, Math.floor(rank));
  const upper = Math.min(values.length - 1, lower + 1);
  const weight = rank - Math.floor(rank);
  return (values[lower] as number) * (1 - weight) + (values[upper] as number) * weight;
}

/** The warning for a `q` outside of [0, 1]; `undefined` for one inside. */
export function invalidQuantile(q: number): string | undefined {
  if (q >= 0 && q <= 1) return undefined;
  return `quantile value should be between 0 and 1, got ${formatGeneral(q)}`;
}
