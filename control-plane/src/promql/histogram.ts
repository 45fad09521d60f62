/*
 * Quantiles and fractions of classic histograms: buckets with an upper bound (`le`) and the number of observations up
 * to it. Follows https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile.
 */

/** Counts that differ by less than this share of them are taken to be equal: the difference is rounding. */
const SMALL_DELTA = 1e-12;

/** The buckets of one histogram at one step, by rising bound; both arrays are of length `size`, at least 1, and may be written over. */
export interface Buckets {
  readonly bounds: Float64Array;
  readonly counts: Float64Array;
  size: number;
}

/** Puts buckets with the same bound (`le="1"` and `le="1.0"`) together. */
function coalesce(buckets: Buckets): void {
  const { bounds, counts } = buckets;
  let last = 0;
  for (let at = 1; at < buckets.size; at++) {
    if (bounds[at] === bounds[last]) {
      counts[last] = (counts[last] as number) + (counts[at] as number);
    } else {
      last++;
      bounds[last] = bounds[at] as number;
      counts[last] = counts[at] as number;
    }
  }
  buckets.size = last + 1;
}

function almostEqual(a: number, b: number): boolean {
  if (a === b) return true;
  const difference = Math.abs(a - b);
  const size = Math.abs(a) + Math.abs(b);
  if (a === 0 || b === 0 || size < 2.2250738585072014e-308)
    return difference < SMALL_DELTA * 2.2250738585072014e-308;
  return difference / Math.min(size, Number.MAX_VALUE) < SMALL_DELTA;
}

/** Makes counts rise from bucket to bucket. True if that took more than evening out rounding. */
function makeMonotonic(buckets: Buckets): boolean {
  const { counts } = buckets;
  let forced = false;
  let previous = counts[0] as number;
  for (let at = 1; at < buckets.size; at++) {
    const count = counts[at] as number;
    if (count === previous) continue;
    if (almostEqual(previous, count)) {
      counts[at] = previous;
    } else if (count < previous) {
      counts[at] = previous;
      forced = true;
    } else {
      previous = count;
    }
  }
  return forced;
}

/** A quantile, and whether the counts had to be made to rise for it. */
export interface BucketQuantile {
  readonly value: number;
  readonly forcedMonotonic: boolean;
}

/**
 * The `q`-quantile, in proportion within its bucket; the lowest begins at 0 if its bound is above 0. NaN without observations, without
 * a `+Inf` bucket, or with that one alone; the second highest bound if the quantile lies above it.
 */
export function bucketQuantile(q: number, buckets: Buckets): BucketQuantile {
  const certain = (value: number): BucketQuantile => ({ value, forcedMonotonic: false });
  if (Number.isNaN(q)) return certain(Number.NaN);
  if (q < 0) return certain(Number.NEGATIVE_INFINITY);
  if (q > 1) return certain(Number.POSITIVE_INFINITY);
  const { bounds, counts } = buckets;
  if (bounds[buckets.size - 1] !== Number.POSITIVE_INFINITY) return certain(Number.NaN);
  coalesce(buckets);
  const forcedMonotonic = makeMonotonic(buckets);
  if (buckets.size < 2) return certain(Number.NaN);
  const last = buckets.size - 1;
  const observations = counts[last] as number;
  if (observations === 0) return certain(Number.NaN);
  const rank = q * observations;
  const bucket = firstReaching(counts, last, rank);
  if (bucket === last) return { value: bounds[last - 1] as number, forcedMonotonic };
  const upper = bounds[bucket] as number;
  if (bucket === 0 && upper <= 0) return { value: upper, forcedMonotonic };
  const lower = bucket === 0 ? 0 : (bounds[bucket - 1] as number);
  const below = bucket === 0 ? 0 : (counts[bucket - 1] as number);
  const share = (rank - below) / ((counts[bucket] as number) - below);
  return { value: lower + (upper - lower) * share, forcedMonotonic };
}

/** Index of the first of `counts[0..end)` that is at least `rank`; `end` if none is, or if counts are NaN. */
function firstReaching(counts: Float64Array, end: number, rank: number): number {
  let low = 0;
  let high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((counts[middle] as number) >= rank) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * The share of observations between two values, in proportion within buckets, the lowest of which begins at 0 if its bound is above 0. NaN
 * without observations or a `+Inf` bucket. (For a value in the lowest bucket Prometheus 3.5 answers NaN, later ones as here.)
 */
export function bucketFraction(lower: number, upper: number, buckets: Buckets): number {
  const { bounds, counts } = buckets;
  if (bounds[buckets.size - 1] !== Number.POSITIVE_INFINITY) return Number.NaN;
  coalesce(buckets);
  const observations = counts[buckets.size - 1] as number;
  if (observations === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return Number.NaN;
  if (lower >= upper) return 0;
  return (rankOf(upper, buckets) - rankOf(lower, buckets)) / observations;
}

/** How many observations lie below `value`. */
function rankOf(value: number, { bounds, counts, size }: Buckets): number {
  const all = counts[size - 1] as number;
  let below = 0;
  let from = (bounds[0] as number) > 0 ? 0 : Number.NEGATIVE_INFINITY;
  for (let at = 0; at < size; at++) {
    const to = bounds[at] as number;
    const count = counts[at] as number;
    if (from >= value) return Math.min(below, all);
    if (to > value) {
      // Without a finite beginning there is no proportion: all of the bucket counts as below.
      const rank =
        from === Number.NEGATIVE_INFINITY ? count : below + ((count - below) * (value - from)) / (to - from);
      return Math.min(rank, all);
    }
    below = count;
    from = to;
  }
  return all;
}
