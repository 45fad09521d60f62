/** Alerts and rules as the Prometheus API shows them. */
import { labelsKey } from "../kernel/labels.js";
import type { Database } from "../platform/postgres/database.js";
import { readAlerts, type StoredAlert } from "./alerts.store.js";
import type { Rule, RuleGroup } from "./domain/rule.js";
import type { Evaluator } from "./evaluation.loop.js";

/** Later than any resolution: none of the resolved are wanted. */
const NONE_RESOLVED = 8.64e15;

function shownAlert(alert: StoredAlert) {
  const { state } = alert;
  if (state.kind === "resolved") return [];
  return [
    {
      labels: alert.labels,
      annotations: alert.annotations,
      state: state.kind,
      activeAt: state.activeAt,
      ...(state.kind === "firing" && state.keptSince !== undefined
        ? { keepFiringSince: state.keptSince }
        : {}),
      value: alert.value,
    },
  ];
}

/**
 * Reads what is stored, so that every replica gives the same answer. `evaluatedBy` names the engine that evaluates the
 * expressions: `embedded`, or another one's address.
 */
export function alertReads(database: Database, evaluator: Evaluator, evaluatedBy = "embedded") {
  const alerts = async () => (await readAlerts(database, NONE_RESOLVED)).flatMap(shownAlert);

  const rules = async () => {
    const byRule = new Map<string, StoredAlert[]>();
    for (const alert of await readAlerts(database, NONE_RESOLVED)) {
      const ofRule = byRule.get(alert.ruleKey);
      if (ofRule === undefined) byRule.set(alert.ruleKey, [alert]);
      else ofRule.push(alert);
    }
    const shownRule = (rule: Rule) => {
      const { health, lastError, lastEvaluation, evaluationSeconds } = evaluator.statusOf(rule);
      const any = {
        name: rule.name,
        query: rule.expr,
        labels: rule.labels,
        health,
        lastError,
        lastEvaluation,
        evaluationSeconds,
      };
      if (rule.kind === "recording") return { kind: rule.kind, ...any };
      const its = (byRule.get(rule.key) ?? [])
        .flatMap(shownAlert)
        .sort((a, b) => (labelsKey(a.labels) < labelsKey(b.labels) ? -1 : 1));
      const state = its.some((a) => a.state === "firing")
        ? "firing"
        : its.length > 0
          ? "pending"
          : "inactive";
      return {
        kind: rule.kind,
        ...any,
        for: rule.holdFor,
        keepFiringFor: rule.keepFiringFor,
        annotations: rule.annotations,
        alerts: its,
        state: state as "firing" | "pending" | "inactive",
      };
    };
    return evaluator.groups.map((group: RuleGroup) => {
      const shown = group.rules.map(shownRule);
      const times = shown.map((rule) => rule.lastEvaluation).filter((at) => at !== undefined);
      return {
        name: group.name,
        file: group.file,
        interval: group.interval,
        limit: group.limit,
        rules: shown,
        evaluationSeconds: shown.reduce((sum, rule) => sum + rule.evaluationSeconds, 0),
        lastEvaluation: times.length === 0 ? undefined : Math.max(...times),
        evaluator: evaluatedBy,
      };
    });
  };

  return { alerts, rules };
}
