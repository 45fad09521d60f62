import { describe, expect, test } from "vitest";
import { MINUTE } from "../../kernel/time.js";
import { withAbsentNodes } from "./absent-nodes.js";
import { distinctKeys } from "./distinct-keys.js";
import { flapReason, recentTurns } from "./flap-score.js";
import { parseRuleFile, type RuleGroup } from "./rule.js";

const read = (annotations: Record<string, string>) =>
  parseRuleFile("r", { groups: [{ name: "g", rules: [{ alert: "A", expr: "x", annotations }] }] }, () => 7);

describe("annotations that ask for more than Prometheus", () => {
  test("become part of the rule, and stay annotations", () => {
    const annotations = {
      mainstay_resolve_expr: "x < 1",
      mainstay_flapping: "5 in 30m",
      mainstay_nodes_expr: "up",
      summary: "hello",
    };
    const parsed = read(annotations);
    if ("faults" in parsed) throw new Error(parsed.faults.join());
    expect(parsed.value[0]?.rules[0]).toMatchObject({
      resolveExpr: "x < 1",
      flapping: { times: 5, within: 30 * MINUTE },
      nodesExpr: "up",
      annotations,
    });
  });

  test.each([
    { annotations: { mainstay_resolve_expr: "sum(" }, says: "could not parse expression: 1:5: parse error" },
    { annotations: { mainstay_flapping: "often" }, says: 'is "often", expected a number from 2 to 64' },
    { annotations: { mainstay_flapping: "1 in 5m" }, says: "expected a number from 2" },
    { annotations: { mainstay_flapping: "5 in 0s" }, says: "expected a number from 2" },
    { annotations: { mainstay_resolve: "x" }, says: 'unknown annotation "mainstay_resolve"' },
  ])("$annotations is a fault with its line", ({ annotations, says }) => {
    const parsed = read({ ...annotations });
    expect("faults" in parsed && parsed.faults).toEqual([expect.stringContaining(says)]);
    expect("faults" in parsed && parsed.faults[0]).toMatch(/^7: group "g", rule 1, "A": /);
  });
});

describe("flapping", () => {
  const flapping = { times: 3, within: 100 };
  test.each([
    { turns: [0, 50], now: 99, anew: false, counts: 2, flaps: false },
    { turns: [0, 50], now: 99, anew: true, counts: 3, flaps: true },
    { turns: [0, 50], now: 100, anew: true, counts: 2, flaps: false },
  ])("$turns at $now, anew $anew: $flaps", ({ turns, now, anew, counts, flaps }) => {
    const recent = recentTurns(turns, anew, flapping, now);
    expect(recent.length).toBe(counts);
    expect(flapReason(recent, flapping) !== undefined).toBe(flaps);
  });

  test("remembers only so many", () => {
    const many = Array.from({ length: 500 }, (_, at) => at);
    expect(recentTurns(many, true, { times: 2, within: 10_000 }, 500).length).toBe(64);
  });
});

test("a node counts as absent only when neither the condition nor the presence knows it", () => {
  const of = (node: string) => ({ labels: { node }, timestamp: 0, value: 1 });
  const all = withAbsentNodes([of("a")], [of("b")], ["a", "b", "c"], 5);
  expect(all.map(({ labels, value }) => [labels["node"], value])).toEqual([
    ["a", 1],
    ["c", 0],
  ]);
});

test("groups of one name in two files have keys of their own, and the first keeps its", () => {
  const group = (file: string): RuleGroup => {
    const parsed = parseRuleFile(
      file,
      { groups: [{ name: "g", rules: [{ alert: "A", expr: "x" }] }] },
      () => 1,
    );
    if ("faults" in parsed) throw new Error(parsed.faults.join());
    return parsed.value[0] as RuleGroup;
  };
  const keys = distinctKeys([group("one"), group("two")]).map(({ rules }) => rules[0]?.key);
  expect(keys).toEqual(["g/A", "two/g/A"]);
});
