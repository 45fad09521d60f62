/**
 * Why a sample was not kept. The codes are small integers so that a frame of thousands can be judged without one
 * object a sample; the words are what counters, logs and people see.
 */

/** The words, at the index that is their code; 0 is not a refusal. */
export const VERDICTS = [
  "kept",
  "out-of-order",
  "duplicate",
  "conflicting-duplicate",
  "too-far-in-future",
  "too-old",
  "unknown-series",
  "repeated-series",
  "node-series-limit",
  "global-series-limit",
  "label-count",
  "label-name",
  "label-name-length",
  "label-value-length",
  "metric-name",
  "malformed-frame",
  "bad-time",
] as const;

/** One word of {@link VERDICTS}. */
export type Verdict = (typeof VERDICTS)[number];

/** A reason for which a sample is refused. */
export type Refusal = Exclude<Verdict, "kept">;

/** The code of a verdict. */
export const verdictCode: Readonly<Record<Verdict, number>> = Object.fromEntries(
  VERDICTS.map((word, code) => [word, code]),
) as Record<Verdict, number>;

/** What each refusal means, for people. */
export const REFUSAL_MEANING: Readonly<Record<Refusal, string>> = {
  "out-of-order": "older than the newest sample of its series",
  duplicate: "same time and same value as the newest sample of its series; harmless",
  "conflicting-duplicate":
    "same time as the newest sample of its series, but another value; the first one stays",
  "too-far-in-future": "further ahead of the control plane's clock than allowed",
  "too-old": "from before the hot window",
  "unknown-series": "its layout names a series that was never announced",
  "repeated-series": "its layout names the same series twice",
  "node-series-limit": "its node has as many series as a node may have",
  "global-series-limit": "the control plane holds as many series as it may hold",
  "label-count": "its series has more labels than allowed, or a name without a value",
  "label-name": "its series has a label whose name is malformed, stands twice, or is reserved",
  "label-name-length": "its series has a label whose name is too long",
  "label-value-length": "its series has a label whose value is too long",
  "metric-name": "its series has no metric name, or a malformed one",
  "malformed-frame": "its frame is not as long as its layout says",
  "bad-time": "its time is not a whole number of milliseconds after 1970",
};

/** How many samples met each verdict since the start. */
export type VerdictCounts = Readonly<Record<Verdict, number>>;
