/** Inhibition: alerts that keep others quiet while they fire. */
import type { Labels } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import { isResolved, type NotifiedAlert } from "./alert.js";
import type { InhibitRule } from "./config.js";

/** What keeps an alert quiet. */
export interface Inhibition {
  /** The fingerprint of the alert that fires. */
  readonly by: string;
  readonly rule: string;
}

export type InhibitTest = (alert: NotifiedAlert) => readonly Inhibition[];

interface Sources {
  /** The first source, and the first that is no target itself, of those with the same values. */
  first: NotifiedAlert;
  firstNoTarget: NotifiedAlert | undefined;
}

/**
 * Made ready for many alerts: the sources of each rule by the values that must be equal. As in Alertmanager, an alert
 * that is source and target of a rule is not inhibited by one that is both too: else the two would silence each other.
 */
export function compileInhibition(
  rules: readonly InhibitRule[],
  alerts: readonly NotifiedAlert[],
  now: Instant,
): InhibitTest {
  const firing = alerts.filter((alert) => !isResolved(alert, now));
  const compiled = rules.map((rule) => {
    const sources = new Map<string, Sources>();
    for (const alert of firing) {
      if (!rule.source(alert.labels)) continue;
      const key = equalKey(rule, alert.labels);
      const noTarget = rule.target(alert.labels) ? undefined : alert;
      const known = sources.get(key);
      if (known === undefined) sources.set(key, { first: alert, firstNoTarget: noTarget });
      else known.firstNoTarget ??= noTarget;
    }
    return { rule, sources };
  });
  return (alert) =>
    compiled.flatMap(({ rule, sources }): readonly Inhibition[] => {
      if (sources.size === 0 || !rule.target(alert.labels)) return [];
      const found = sources.get(equalKey(rule, alert.labels));
      if (found === undefined) return [];
      const source = rule.source(alert.labels) ? found.firstNoTarget : found.first;
      return source === undefined ? [] : [{ by: source.fingerprint, rule: rule.name }];
    });
}

/** An absent label equals an empty one, and so another absent one. */
const equalKey = (rule: InhibitRule, labels: Labels): string =>
  JSON.stringify(rule.equal.map((name) => (Object.hasOwn(labels, name) ? labels[name] : "") ?? ""));
