/** The series that rules write: what a recording rule gives, and ALERTS and ALERTS_FOR_STATE, as Prometheus writes them. */
import { type Labels, labelsKey, METRIC_NAME } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import type { Sample } from "../../promql/value.js";
import type { Alert, Transition } from "./evaluate-rule.js";
import type { RecordingRule } from "./rule.js";

/** "stale": the series has ended here. */
export interface RuleSample {
  readonly labels: Labels;
  readonly timestampMs: Instant;
  readonly value: number | "stale";
}

export type Recorded =
  | {
      readonly kind: "recorded";
      readonly samples: readonly RuleSample[];
      /** The series written now, by `labelsKey`: what is not among the next ones has ended. */
      readonly series: ReadonlyMap<string, Labels>;
    }
  | { readonly kind: "failed"; readonly because: string };

/** What a recording rule writes at `at`: its series, and the end of those in `before` that it no longer gives. */
export function recordSeries(
  rule: RecordingRule,
  vector: readonly Sample[],
  before: ReadonlyMap<string, Labels>,
  limit: number,
  at: Instant,
): Recorded {
  if (limit > 0 && vector.length > limit)
    return { kind: "failed", because: `exceeded limit of ${limit} with ${vector.length} series` };
  const series = new Map<string, Labels>();
  const samples: RuleSample[] = [];
  for (const sample of vector) {
    const labels = { ...sample.labels, ...rule.labels, [METRIC_NAME]: rule.name };
    const key = labelsKey(labels);
    if (series.has(key)) {
      const because = "vector contains metrics with the same labelset after applying rule labels";
      return { kind: "failed", because };
    }
    series.set(key, labels);
    samples.push({ labels, timestampMs: at, value: sample.value });
  }
  for (const [key, labels] of before)
    if (!series.has(key)) samples.push({ labels, timestampMs: at, value: "stale" });
  return { kind: "recorded", samples, series };
}

/** ALERTS and ALERTS_FOR_STATE of a rule at `at`; the state that an alert left is marked as ended. */
export function alertSeries(
  alerts: readonly Alert[],
  transitions: readonly Transition[],
  at: Instant,
): readonly RuleSample[] {
  const samples: RuleSample[] = [];
  const add = (labels: Labels, value: RuleSample["value"]): void =>
    void samples.push({ labels, timestampMs: at, value });
  for (const { labels, state } of alerts) {
    if (state.kind === "resolved") continue;
    add(stateLabels(labels, state.kind), 1);
    // Whole seconds, as Prometheus has them: its own restore reads them back so.
    add(sinceLabels(labels), Math.floor(state.activeAt / 1_000));
  }
  for (const { alert, from, to } of transitions) {
    if (from === "pending" || from === "firing") add(stateLabels(alert.labels, from), "stale");
    if (to === "inactive" || to === "resolved") add(sinceLabels(alert.labels), "stale");
  }
  return samples;
}

function stateLabels(labels: Labels, state: string): Labels {
  return { ...labels, [METRIC_NAME]: "ALERTS", alertstate: state };
}

function sinceLabels(labels: Labels): Labels {
  return { ...labels, [METRIC_NAME]: "ALERTS_FOR_STATE" };
}
