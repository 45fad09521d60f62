import type { ValueType } from "./value.js";

/** What a function takes and gives. */
export interface Signature {
  readonly args: readonly ValueType[];
  /**
   * How often the last argument may be left out or repeated, as Prometheus counts it: 0 for "exactly as written", `n` for "the last one
   * up to n times or not at all", -1 for "the last one as often as wanted or not at all".
   */
  readonly variadic: number;
  readonly returns: ValueType;
  /** Behind a feature flag in Prometheus, and not in this engine. */
  readonly experimental: boolean;
}

function signature(
  returns: ValueType,
  args: readonly ValueType[],
  variadic = 0,
  experimental = false,
): Signature {
  return { args, variadic, returns, experimental };
}

const ofVector = signature("vector", ["vector"]);
const ofMatrix = signature("vector", ["matrix"]);
const ofTime = signature("vector", ["vector"], 1);

const entries: readonly (readonly [string, Signature])[] = [
  ...(
    "abs absent acos acosh asin asinh atan atanh ceil cos cosh deg exp floor histogram_avg histogram_count histogram_sum " +
    "histogram_stddev histogram_stdvar ln log10 log2 rad sgn sin sinh sort sort_desc sqrt tan tanh timestamp"
  )
    .split(" ")
    .map((name) => [name, ofVector] as const),
  ...(
    "absent_over_time avg_over_time changes count_over_time delta deriv idelta increase irate last_over_time " +
    "max_over_time min_over_time present_over_time rate resets stddev_over_time stdvar_over_time sum_over_time"
  )
    .split(" ")
    .map((name) => [name, ofMatrix] as const),
  ..."days_in_month day_of_month day_of_week day_of_year hour minute month year"
    .split(" ")
    .map((name) => [name, ofTime] as const),
  ["clamp", signature("vector", ["vector", "scalar", "scalar"])],
  ["clamp_max", signature("vector", ["vector", "scalar"])],
  ["clamp_min", signature("vector", ["vector", "scalar"])],
  ["histogram_fraction", signature("vector", ["scalar", "scalar", "vector"])],
  ["histogram_quantile", signature("vector", ["scalar", "vector"])],
  ["label_replace", signature("vector", ["vector", "string", "string", "string", "string"])],
  ["label_join", signature("vector", ["vector", "string", "string", "string"], -1)],
  ["pi", signature("scalar", [])],
  ["predict_linear", signature("vector", ["matrix", "scalar"])],
  ["quantile_over_time", signature("vector", ["scalar", "matrix"])],
  ["round", signature("vector", ["vector", "scalar"], 1)],
  ["scalar", signature("scalar", ["vector"])],
  ["time", signature("scalar", [])],
  ["vector", signature("vector", ["scalar"])],
  ["double_exponential_smoothing", signature("vector", ["matrix", "scalar", "scalar"], 0, true)],
  ["info", signature("vector", ["vector", "vector"], 1, true)],
  ["mad_over_time", signature("vector", ["matrix"], 0, true)],
  ["sort_by_label", signature("vector", ["vector", "string"], -1, true)],
  ["sort_by_label_desc", signature("vector", ["vector", "string"], -1, true)],
  ["ts_of_last_over_time", signature("vector", ["matrix"], 0, true)],
  ["ts_of_max_over_time", signature("vector", ["matrix"], 0, true)],
  ["ts_of_min_over_time", signature("vector", ["matrix"], 0, true)],
];

/** The functions of Prometheus 3.5 by name. */
export const SIGNATURES: ReadonlyMap<string, Signature> = new Map(entries);
