/**
 * The one decision about what comes in: which series and which samples are kept, and why the others are not.
 * Written so that an ordinary frame (newer than all before it, of series that are kept) is judged as a whole.
 */
import { cleanText } from "../../kernel/clean-text.js";
import { compareText, isLabelName, isMetricName, METRIC_NAME } from "../../kernel/labels.js";
import { type Duration, HOUR, type Instant, MINUTE } from "../../kernel/time.js";
import { type Refusal, VERDICTS, verdictCode } from "./refusal.js";

/** The bounds on series. */
export interface SeriesLimits {
  /** Labels of one series, the metric's name included. @default 64 */
  readonly labelsMax: number;
  /** UTF-16 units. @default 256 */
  readonly labelNameLengthMax: number;
  /** UTF-16 units. @default 1,024 */
  readonly labelValueLengthMax: number;
  /** @default 20,000 */
  readonly nodeSeriesMax: number;
  /** @default 2,000,000: some 3 GiB of memory over an hour */
  readonly globalSeriesMax: number;
}

/** The bounds on a sample's time. */
export interface TimeLimits {
  /** How far ahead of the control plane's clock a sample may be. @default 10 min */
  readonly futureMax: Duration;
  /**
   * How old a sample may be. @default the hot window of 1 h and 5 min more, so that an agent that was away for the
   * hour its outbox holds does not lose the oldest minutes to the delay of coming back
   */
  readonly ageMax: Duration;
}

export const DEFAULT_SERIES_LIMITS: SeriesLimits = {
  labelsMax: 64,
  labelNameLengthMax: 256,
  labelValueLengthMax: 1_024,
  nodeSeriesMax: 20_000,
  globalSeriesMax: 2_000_000,
};

export const DEFAULT_TIME_LIMITS: TimeLimits = { futureMax: 10 * MINUTE, ageMax: HOUR + 5 * MINUTE };

/** Labels sorted by name, without empty values, fit to be kept: name, value, name, value. */
export type SortedLabels = readonly string[];

/** What a series is allowed to be called. */
export type SeriesNameVerdict =
  | { readonly kind: "kept"; readonly labels: SortedLabels }
  | { readonly kind: "refused"; readonly because: Refusal };

const refused = (because: Refusal): SeriesNameVerdict => ({ kind: "refused", because });

/**
 * Judges the labels of a series (name, value, name, value). `forced` are set whatever the host says: `node`, so that no
 * node speaks for another. Values are cleaned of control characters; a value that is too long is refused, not cut,
 * for two series that differ only in the tail would become one.
 */
export function acceptSeriesName(
  labels: readonly string[],
  forced: Readonly<Record<string, string>>,
  limits: SeriesLimits,
): SeriesNameVerdict {
  if (labels.length % 2 !== 0 || labels.length > 2 * limits.labelsMax) return refused("label-count");
  const pairs: [string, string][] = [];
  for (let index = 0; index < labels.length; index += 2) {
    const name = labels[index] as string;
    const value = labels[index + 1] as string;
    if (name.length > limits.labelNameLengthMax) return refused("label-name-length");
    if (name !== METRIC_NAME && !isLabelName(name)) return refused("label-name");
    if (value.length > limits.labelValueLengthMax) return refused("label-value-length");
    if (name === METRIC_NAME && !isMetricName(value)) return refused("metric-name");
    // An empty value is the same as an absent label.
    if (value !== "" && !Object.hasOwn(forced, name))
      pairs.push([name, cleanText(value, limits.labelValueLengthMax)]);
  }
  for (const name of Object.keys(forced)) pairs.push([name, forced[name] as string]);
  if (pairs.length > limits.labelsMax) return refused("label-count");
  pairs.sort((a, b) => compareText(a[0], b[0]));
  let named = false;
  for (let index = 0; index < pairs.length; index++) {
    const name = (pairs[index] as [string, string])[0];
    if (index > 0 && name === (pairs[index - 1] as [string, string])[0]) return refused("label-name");
    if (name === METRIC_NAME) named = true;
  }
  return named ? { kind: "kept", labels: pairs.flat() } : refused("metric-name");
}

/** Whether there is room for one more series. `undefined`: yes. */
export function refuseNewSeries(
  nodeSeries: number,
  globalSeries: number,
  limits: SeriesLimits,
): "node-series-limit" | "global-series-limit" | undefined {
  if (nodeSeries >= limits.nodeSeriesMax) return "node-series-limit";
  if (globalSeries >= limits.globalSeriesMax) return "global-series-limit";
  return undefined;
}

/** What is known of a layout's series when a frame of it comes in. Indexes are positions in the frame. */
export interface LayoutSeen {
  readonly size: number;
  /** The verdict on each series by code: 0, or why none of its samples is kept. */
  readonly seriesVerdicts: Uint8Array;
  /** How many of `seriesVerdicts` are not 0. */
  readonly refusedSeries: number;
  /** Time of the newest sample when it is the same for all kept series (-Infinity: none has any); undefined when they differ. */
  newestOfAll(): Instant | undefined;
  /** Time of the newest sample of one kept series, -Infinity when it has none. */
  newestOf(index: number): Instant;
  /** Whether that newest sample has the same bits as `values[index]`. */
  newestEquals(index: number, values: Float64Array): boolean;
}

/** Which samples of a frame are kept: the whole of it, none, or those with 0 in `verdicts`. */
export type FrameOutcome = "all" | "some" | "none";

const TIME_MAX = 8_640_000_000_000_000;

/** Whether samples of this time can be kept at all. `undefined`: yes. */
export function refuseTime(
  timestamp: Instant,
  limits: TimeLimits,
  now: Instant,
): "bad-time" | "too-far-in-future" | "too-old" | undefined {
  if (!Number.isInteger(timestamp) || timestamp <= 0 || timestamp > TIME_MAX) return "bad-time";
  if (timestamp > now + limits.futureMax) return "too-far-in-future";
  return timestamp < now - limits.ageMax ? "too-old" : undefined;
}

/**
 * Judges one frame. `counts` (one number for each code of VERDICTS) is added to; `verdicts` (at least `size` long) is
 * written only when the outcome is "some". Values play no part but in telling a harmless repeat from a conflict: an
 * ordinary NaN is a value like any other, and a staleness marker is kept so that queries see the end of the series.
 */
export function acceptFrame(
  timestamp: Instant,
  values: Float64Array,
  layout: LayoutSeen,
  limits: TimeLimits,
  now: Instant,
  verdicts: Uint8Array,
  counts: Float64Array,
): FrameOutcome {
  if (layout.size === 0) return "none";
  const all = (code: number): FrameOutcome => {
    counts[code] = (counts[code] as number) + layout.size;
    return code === 0 ? "all" : "none";
  };
  if (values.length !== layout.size) return all(verdictCode["malformed-frame"]);
  const refusal = refuseTime(timestamp, limits, now);
  if (refusal !== undefined) return all(verdictCode[refusal]);

  const newestOfAll = layout.newestOfAll();
  if (layout.refusedSeries === 0 && newestOfAll !== undefined) {
    if (timestamp > newestOfAll) return all(verdictCode.kept);
    if (timestamp < newestOfAll) return all(verdictCode["out-of-order"]);
  }
  let kept = 0;
  for (let index = 0; index < layout.size; index++) {
    let code = layout.seriesVerdicts[index] as number;
    if (code === 0) {
      const newest = newestOfAll ?? layout.newestOf(index);
      if (timestamp > newest) kept++;
      else if (timestamp < newest) code = verdictCode["out-of-order"];
      else if (layout.newestEquals(index, values)) code = verdictCode.duplicate;
      else code = verdictCode["conflicting-duplicate"];
    }
    verdicts[index] = code;
    counts[code] = (counts[code] as number) + 1;
  }
  return kept === 0 ? "none" : kept === layout.size ? "all" : "some";
}

/** Counters for {@link acceptFrame}, all 0. */
export function createVerdictCounts(): Float64Array {
  return new Float64Array(VERDICTS.length);
}
