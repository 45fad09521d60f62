/** One rule, what its expression gave, and the alerts known of it: the alerts as they are next, and what changed. */
import { type Labels, labelsKey, METRIC_NAME } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import type { Sample } from "../../promql/value.js";
import { type AlertState, nextAlertState } from "./next-alert-state.js";
import { type RenderContext, renderText } from "./render-text.js";
import type { AlertingRule } from "./rule.js";

export interface Alert {
  readonly ruleKey: string;
  /** With alertname and the rule's own labels. */
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly state: Exclude<AlertState, { kind: "inactive" }>;
  /** What the expression gave last. */
  readonly value: number;
  readonly because: string;
}

export interface Transition {
  readonly alert: Alert;
  readonly from: AlertState["kind"];
  readonly to: AlertState["kind"];
}

export type RuleOutcome =
  | {
      readonly kind: "judged";
      readonly alerts: readonly Alert[];
      readonly transitions: readonly Transition[];
    }
  /** The rule's result cannot be used; its alerts stay as they are. */
  | { readonly kind: "failed"; readonly because: string };

/** Judges one rule. `known` holds the alerts of this rule by `labelsKey`. Alerts that became inactive are in transitions only. */
export function evaluateRule(
  rule: AlertingRule,
  vector: readonly Sample[],
  known: ReadonlyMap<string, Alert>,
  limit: number,
  now: Instant,
): RuleOutcome {
  const holding = new Map<string, { labels: Labels; annotations: Labels; value: number }>();
  for (const sample of vector) {
    const context: RenderContext = { labels: sample.labels, value: sample.value, now };
    const labels = alertLabels(rule, sample.labels, context);
    const key = labelsKey(labels);
    if (holding.has(key)) {
      return {
        kind: "failed",
        because: "vector contains metrics with the same labelset after applying alert labels",
      };
    }
    holding.set(key, { labels, annotations: rendered(rule.annotations, context), value: sample.value });
  }
  if (limit > 0 && holding.size > limit) {
    return { kind: "failed", because: `exceeded limit of ${limit} with ${holding.size} alerts` };
  }
  const alerts: Alert[] = [];
  const transitions: Transition[] = [];
  const step = (before: Alert | undefined, found: Omit<Alert, "state" | "because">, holds: boolean): void => {
    const from: AlertState = before?.state ?? { kind: "inactive" };
    const { state, because } = nextAlertState(from, holds, rule, now);
    // An inactive alert exists no more; what is told of it is as it last was.
    const lasting = state.kind === "inactive" ? before?.state : state;
    if (lasting === undefined) return;
    const alert: Alert = { ...found, state: lasting, because };
    if (state.kind !== "inactive") alerts.push(alert);
    if (state.kind !== from.kind) transitions.push({ alert, from: from.kind, to: state.kind });
  };
  for (const [key, found] of holding) step(known.get(key), { ruleKey: rule.key, ...found }, true);
  for (const [key, before] of known) if (!holding.has(key)) step(before, before, false);
  return { kind: "judged", alerts, transitions };
}

function alertLabels(rule: AlertingRule, of: Labels, context: RenderContext): Labels {
  const labels: Record<string, string> = {};
  for (const [name, value] of Object.entries(of))
    if (name !== METRIC_NAME && value !== "") labels[name] = value;
  for (const [name, value] of Object.entries(rendered(rule.labels, context))) {
    if (value === "") delete labels[name];
    else labels[name] = value;
  }
  labels["alertname"] = rule.name;
  return labels;
}

function rendered(texts: Labels, context: RenderContext): Labels {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, renderText(text, context)]));
}
