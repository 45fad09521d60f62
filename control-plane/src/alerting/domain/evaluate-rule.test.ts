import { describe, expect, test } from "vitest";
import { labelsKey } from "../../kernel/labels.js";
import { type Instant, MINUTE } from "../../kernel/time.js";
import type { Sample } from "../../promql/value.js";
import { type Alert, evaluateRule as evaluate, NO_SURROUNDINGS } from "./evaluate-rule.js";
import type { AlertingRule } from "./rule.js";

const rule: AlertingRule = {
  kind: "alerting",
  key: "g/DiskSpaceLow",
  name: "DiskSpaceLow",
  expr: "x < 1",
  holdFor: MINUTE,
  keepFiringFor: 0,
  labels: { severity: "warning", team: "{{ $labels.node }}-team" },
  annotations: { description: "Only {{ $value | humanizePercentage }} on {{ $labels.mountpoint }}" },
};
const sample = (labels: Record<string, string>, value: number) => ({ labels, value, timestamp: 0 });
const known = (alerts: readonly Alert[]) => new Map(alerts.map((alert) => [labelsKey(alert.labels), alert]));
const evaluateRule = (
  of: AlertingRule,
  vector: readonly Sample[],
  before: ReadonlyMap<string, Alert>,
  limit: number,
  now: Instant,
  resolving?: readonly Sample[],
) => evaluate({ rule: of, vector, known: before, limit, resolving, surroundings: NO_SURROUNDINGS }, now);
const judged = (...args: Parameters<typeof evaluateRule>) => {
  const outcome = evaluateRule(...args);
  if (outcome.kind !== "judged") throw new Error(outcome.because);
  return outcome;
};

describe("a rule judged", () => {
  test("gives each series an alert with the rule's labels, alertname, and texts filled in", () => {
    const { alerts, transitions } = judged(
      rule,
      [sample({ __name__: "x", node: "db-1", mountpoint: "/", empty: "" }, 0.1234)],
      new Map(),
      0,
      0,
    );
    expect(alerts).toEqual([
      {
        ruleKey: "g/DiskSpaceLow",
        labels: {
          node: "db-1",
          mountpoint: "/",
          severity: "warning",
          team: "db-1-team",
          alertname: "DiskSpaceLow",
        },
        annotations: { description: "Only 12.34% on /" },
        state: { kind: "pending", activeAt: 0 },
        value: 0.1234,
        because: "the condition has begun to hold",
      },
    ]);
    expect(transitions.map(({ from, to }) => [from, to])).toEqual([["inactive", "pending"]]);
  });

  test("follows one alert through its life", () => {
    const low = [sample({ node: "a" }, 0.1)];
    const one = judged(rule, low, new Map(), 0, 0);
    const two = judged(rule, low, known(one.alerts), 0, MINUTE);
    expect(two.transitions.map(({ to }) => to)).toEqual(["firing"]);
    const three = judged(rule, low, known(two.alerts), 0, 2 * MINUTE);
    expect(three.transitions).toEqual([]);
    const four = judged(rule, [], known(three.alerts), 0, 3 * MINUTE);
    expect(four.alerts[0]?.state).toEqual({
      kind: "resolved",
      activeAt: 0,
      firedAt: MINUTE,
      resolvedAt: 3 * MINUTE,
    });
    const five = judged(rule, [], known(four.alerts), 0, 4 * MINUTE);
    expect(five.transitions).toEqual([]);
  });

  test("tells a pending alert that went away and keeps nothing of it", () => {
    const one = judged(rule, [sample({ node: "a" }, 0.1)], new Map(), 0, 0);
    const two = judged(rule, [], known(one.alerts), 0, 1);
    expect(two.alerts).toEqual([]);
    expect(two.transitions.map(({ from, to }) => [from, to])).toEqual([["pending", "inactive"]]);
  });

  test("fails when labels collide, so that no alert stands for two series", () => {
    const same = { ...rule, labels: { node: "all" } };
    expect(evaluateRule(same, [sample({ node: "a" }, 1), sample({ node: "b" }, 1)], new Map(), 0, 0)).toEqual(
      {
        kind: "failed",
        because: "vector contains metrics with the same labelset after applying alert labels",
      },
    );
  });

  test("fails above the group's limit", () => {
    expect(
      evaluateRule(rule, [sample({ node: "a" }, 1), sample({ node: "b" }, 1)], new Map(), 1, 0),
    ).toMatchObject({ kind: "failed" });
    expect(evaluateRule(rule, [sample({ node: "a" }, 1)], new Map(), 1, 0)).toMatchObject({ kind: "judged" });
  });
});
