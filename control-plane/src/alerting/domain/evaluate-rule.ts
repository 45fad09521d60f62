/** One rule, what its expression gave, and the alerts known of it: the alerts as they are next, and what changed. */
import { type Labels, labelsKey, METRIC_NAME } from "../../kernel/labels.js";
import { type Duration, type Instant, MINUTE } from "../../kernel/time.js";
import type { Sample } from "../../promql/value.js";
import { flapReason, recentTurns } from "./flap-score.js";
import { type AlertState, nextAlertState } from "./next-alert-state.js";
import { type RenderContext, renderText } from "./render-text.js";
import type { AlertingRule } from "./rule.js";
import type { AskQuery } from "./template-queries.js";

export interface Alert {
  readonly ruleKey: string;
  /** With alertname and the rule's own labels. */
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly state: Exclude<AlertState, { kind: "inactive" }>;
  /** What the expression gave last. */
  readonly value: number;
  readonly because: string;
  /** When it fired of late, oldest first; kept for rules that count flapping. */
  readonly turns?: readonly Instant[];
  readonly flapping?: boolean;
}

export interface Transition {
  readonly alert: Alert;
  readonly from: AlertState["kind"];
  readonly to: AlertState["kind"];
}

/** An alert that began to flap, or ceased to. */
export interface FlapTurn {
  readonly alert: Alert;
  readonly begins: boolean;
  readonly because: string;
}

export type RuleOutcome =
  | {
      readonly kind: "judged";
      readonly alerts: readonly Alert[];
      readonly transitions: readonly Transition[];
      readonly flaps: readonly FlapTurn[];
    }
  /** The rule's result cannot be used; its alerts stay as they are. */
  | { readonly kind: "failed"; readonly because: string };

/** What templates may say besides the sample itself. */
export interface TemplateSurroundings {
  readonly externalLabels: Labels;
  readonly externalUrl: string;
}

export interface RuleInput {
  readonly rule: AlertingRule;
  /** What the expression gave. */
  readonly vector: readonly Sample[];
  /** What the rule's resolve expression gave; absent when it has none. */
  readonly resolving?: readonly Sample[] | undefined;
  /** The alerts of this rule by `labelsKey`. */
  readonly known: ReadonlyMap<string, Alert>;
  /** Most alerts the rule may have at once; 0: no limit. */
  readonly limit: number;
  readonly surroundings: TemplateSurroundings;
  /** Evaluates what texts query. @default queries fail */
  readonly ask?: AskQuery;
}

export const NO_SURROUNDINGS: TemplateSurroundings = { externalLabels: {}, externalUrl: "" };

/** A resolved alert is remembered so long (as in Prometheus), or for as long as its firings count. */
const RESOLVED_REMEMBERED: Duration = 15 * MINUTE;

/** By the labels of alerts, which stay the same object as long as the alert lives. */
const keys = new WeakMap<Labels, string>();

/** The `labelsKey` of an alert's labels. */
export function alertKey({ labels }: Pick<Alert, "labels">): string {
  const known = keys.get(labels);
  if (known !== undefined) return known;
  const key = labelsKey(labels);
  keys.set(labels, key);
  return key;
}

interface Found {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly value: number;
}

/** Judges one rule. Alerts that became inactive, and resolved ones of long ago, are not among the alerts of the answer. */
export function evaluateRule(input: RuleInput, now: Instant): RuleOutcome {
  const { rule, vector, known, limit } = input;
  const holding = new Map<string, Found>();
  for (const sample of vector) {
    const context: RenderContext = {
      ...{ labels: sample.labels, value: sample.value, now, ...input.surroundings },
      ...(input.ask === undefined ? {} : { ask: input.ask }),
    };
    const its = alertLabels(rule, sample.labels, context);
    const key = labelsKey(its);
    const labels = known.get(key)?.labels ?? its;
    if (holding.has(key)) {
      const because = "vector contains metrics with the same labelset after applying alert labels";
      return { kind: "failed", because };
    }
    holding.set(key, { labels, annotations: rendered(rule.annotations, context), value: sample.value });
  }
  const alerts: Alert[] = [];
  const transitions: Transition[] = [];
  const flaps: FlapTurn[] = [];
  const step = (before: Alert | undefined, found: Found, holds: boolean): void => {
    const next = nextAlert(input, before, found, holds, now);
    if (next.alert === undefined) return;
    const lasts = next.to !== "inactive" && !forgotten(next.alert, rule, now);
    if (lasts) alerts.push(next.alert);
    if (next.from !== next.to) transitions.push({ alert: next.alert, from: next.from, to: next.to });
    if (next.flap !== undefined) flaps.push({ alert: next.alert, ...next.flap });
  };
  for (const [key, found] of holding) step(known.get(key), found, true);
  for (const [key, before] of known) if (!holding.has(key)) step(before, before, false);
  const active = alerts.filter(({ state }) => state.kind !== "resolved").length;
  if (limit > 0 && active > limit)
    return { kind: "failed", because: `exceeded limit of ${limit} with ${active} alerts` };
  return { kind: "judged", alerts, transitions, flaps };
}

interface NextAlert {
  readonly alert: Alert | undefined;
  readonly from: AlertState["kind"];
  readonly to: AlertState["kind"];
  readonly flap: { readonly begins: boolean; readonly because: string } | undefined;
}

function nextAlert(
  { rule, resolving }: RuleInput,
  before: Alert | undefined,
  found: Found,
  holds: boolean,
  now: Instant,
): NextAlert {
  const from: AlertState = before?.state ?? { kind: "inactive" };
  const { flapping } = rule;
  const settled = flapping === undefined ? [] : recentTurns(before?.turns ?? [], false, flapping, now);
  const reason = flapping === undefined ? undefined : flapReason(settled, flapping);
  const { state, because } = nextAlertState(
    from,
    {
      holds,
      resolves: resolving === undefined || resolving.some((sample) => isOf(sample, found.labels)),
      ...(reason === undefined ? {} : { flapping: reason }),
    },
    rule,
    now,
  );
  // An inactive alert exists no more; what is told of it is as it last was.
  const lasting = state.kind === "inactive" ? before?.state : state;
  const told = { from: from.kind, to: state.kind };
  if (lasting === undefined) return { alert: undefined, ...told, flap: undefined };
  const { labels, annotations, value } = found;
  const plain: Alert = { ruleKey: rule.key, labels, annotations, value, state: lasting, because };
  if (flapping === undefined) return { alert: plain, ...told, flap: undefined };
  // The condition came back to an alert that only something else had kept: it would have fired anew.
  const cameBack = holds && from.kind === "firing" && from.keptSince !== undefined;
  const fires = state.kind === "firing" && (from.kind !== "firing" || cameBack);
  const turns = recentTurns(settled, fires, flapping, now);
  const flapsNow = state.kind === "firing" ? flapReason(turns, flapping) : undefined;
  const alert: Alert = { ...plain, turns, flapping: flapsNow !== undefined };
  if ((flapsNow !== undefined) === (before?.flapping ?? false)) return { alert, ...told, flap: undefined };
  const flap =
    flapsNow === undefined
      ? { begins: false, because: "it has been quiet" }
      : { begins: true, because: flapsNow };
  return { alert, ...told, flap };
}

/** Whether a series of the resolve expression speaks of the alert: each label it has, the alert has too. */
function isOf({ labels }: Sample, of: Labels): boolean {
  return Object.entries(labels).every(
    ([name, value]) => name === METRIC_NAME || value === "" || of[name] === value,
  );
}

function forgotten({ state }: Alert, { flapping }: AlertingRule, now: Instant): boolean {
  if (state.kind !== "resolved") return false;
  return now - state.resolvedAt > Math.max(RESOLVED_REMEMBERED, flapping?.within ?? 0);
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
