import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readEntries } from "../journal/journal.module.js";
import { OpsError } from "../kernel/errors.js";
import { type Labels, labelsKey } from "../kernel/labels.js";
import { type Instant, MINUTE, SECOND } from "../kernel/time.js";
import { silentLogger } from "../platform/logger.js";
import { sql } from "../platform/postgres/sql.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { evaluateInstant } from "../promql/evaluate.js";
import { MemorySeries } from "../promql/memory-series.js";
import { parseExpr } from "../promql/parse.js";
import type { Evaluation, OwnSample } from "../timeseries/timeseries.module.js";
import { readAlerts } from "./alerts.store.js";
import type { Alert } from "./domain/evaluate-rule.js";
import { parseRuleFile, type RuleGroup } from "./domain/rule.js";
import { GroupJudge } from "./judge-group.js";

const T0: Instant = 1_700_000_000_000;

let fixture: TestDatabase;
beforeAll(async () => {
  fixture = await createTestDatabase();
}, 60_000);
afterAll(() => fixture.close());
beforeEach(async () => {
  await fixture.database.query(sql`delete from alert`);
});

function group(rules: readonly object[], more: object = {}): RuleGroup {
  const parsed = parseRuleFile("t", { groups: [{ name: "g", interval: "1m", rules, ...more }] }, () => 1);
  if ("faults" in parsed) throw new Error(parsed.faults.join("\n"));
  return parsed.value[0] as RuleGroup;
}

/** A house with a memory of its own and the real database; `restarted` is the same house after a kill. */
async function house(before: { series?: MemorySeries; nodes?: readonly string[] } = {}) {
  const series = before.series ?? new MemorySeries();
  const written: OwnSample[] = [];
  const alerts = new Map<string, Map<string, Alert>>();
  for (const alert of await readAlerts(fixture.database, 0))
    alerts.set(alert.ruleKey, (alerts.get(alert.ruleKey) ?? new Map()).set(labelsKey(alert.labels), alert));
  let lead = true;
  const judge = new GroupJudge(
    {
      database: fixture.database,
      clock: fakeSystem(T0).clock,
      logger: silentLogger,
      surroundings: { externalLabels: {}, externalUrl: "" },
      nodes: async () => before.nodes ?? [],
      assertLead: async () => {
        if (!lead) throw new OpsError("ABORTED", "not the lead");
      },
      evaluateMany: async (expressions, at) =>
        new Map(
          expressions.map(({ key, text }): [string, Evaluation] => {
            try {
              return [key, { kind: "value", value: evaluateInstant(parseExpr(text), at, series) }];
            } catch (error) {
              return [key, { kind: "failed", error: new OpsError("INVALID_ARGUMENT", String(error)) }];
            }
          }),
        ),
      append: async (samples) => {
        written.push(...samples);
        for (const { labels, timestampMs, value } of samples) {
          if (value === "stale") series.appendStale(labels, timestampMs);
          else series.append(labels, timestampMs, value);
        }
      },
    },
    alerts,
  );
  return {
    series,
    written,
    judge,
    loseLead: (lost = true) => {
      lead = !lost;
    },
    set: (at: Instant, value: number, labels: Labels = { __name__: "x", node: "a" }) =>
      series.append(labels, at, value),
    restarted: () => house({ ...before, series }),
    ask: (expr: string, at: Instant) => {
      const value = evaluateInstant(parseExpr(expr), at, series);
      return value.kind === "vector" ? value.samples.map(({ labels, value: v }) => [labels, v]) : [];
    },
  };
}

const stored = async () =>
  (await readAlerts(fixture.database, 0)).map(({ state }) => [
    state.kind,
    (state.activeAt - T0) / MINUTE,
    ...("keptSince" in state && state.keptSince !== undefined ? [(state.keptSince - T0) / MINUTE] : []),
  ]);

describe("texts that query", () => {
  const texts = (annotations: object) => group([{ alert: "High", expr: "x > 1", annotations }]);
  const said = async () => (await readAlerts(fixture.database, 0)).map(({ annotations }) => annotations);

  test("are told what the engine knows at the rule's time", async () => {
    const it = await house();
    it.set(T0, 5);
    it.set(T0, 7, { __name__: "x", node: "b" });
    await it.judge.judge(
      texts({
        of: '{{ printf "x{node!=\'%s\'}" $labels.node | query | first | value }} of {{ query "count(x)" | first | value }}',
      }),
      T0,
    );
    expect((await said()).map(({ of }) => of).sort()).toEqual(["5 of 2", "7 of 2"]);
  });

  test("that cannot be answered keep no alert back", async () => {
    const it = await house();
    it.set(T0, 5);
    await it.judge.judge(texts({ of: '{{ query "x +" }}' }), T0);
    expect(await said()).toEqual([
      { of: expect.stringMatching(/^<error expanding template: error calling query: .*unexpected/) },
    ]);
  });
});

describe("an alert over a kill", () => {
  const rules = group([{ alert: "High", expr: "x > 1", for: "3m", keep_firing_for: "10m" }]);

  test("keeps since when it was active, fires when its time has come, and is kept from when it was kept", async () => {
    let it = await house();
    const minute = async (at: number, value: number): Promise<void> => {
      it.set(T0 + at * MINUTE, value);
      await it.judge.judge(rules, T0 + at * MINUTE);
      it = await it.restarted();
    };
    await minute(0, 5);
    await minute(2, 5);
    expect(await stored()).toEqual([["pending", 0]]);
    await minute(3, 5);
    expect(await stored()).toEqual([["firing", 0]]);
    await minute(4, 0);
    await minute(12, 0);
    expect(await stored()).toEqual([["firing", 0, 4]]);
    await minute(14, 0);
    expect(await stored()).toEqual([["resolved", 0]]);
  });

  test("is nowhere when it could not be stored", async () => {
    const it = await house();
    it.set(T0, 5);
    it.loseLead();
    await it.judge.judge(rules, T0);
    expect(await stored()).toEqual([]);
    expect(it.written).toEqual([]);
    expect(it.judge.statusOf(rules.rules[0] as RuleGroup["rules"][number])).toMatchObject({
      health: "err",
      lastError: "not the lead",
    });
  });
});

describe("what an alert says", () => {
  const rules = group([{ alert: "High", expr: "x > 1", annotations: { summary: "{{ $value }}" } }]);
  const said = async () =>
    (await readAlerts(fixture.database, 0)).map(({ value, annotations }) => [value, annotations["summary"]]);
  /** Changes with every write of the row. */
  const version = async () =>
    (await fixture.database.query<{ xmin: string }>(sql`select xmin::text from alert`)).map(
      (row) => row.xmin,
    );

  test("follows the turn that found it, and is not written when it is as it was", async () => {
    const it = await house();
    const turn = async (at: number, value: number) => {
      it.set(T0 + at * MINUTE, value);
      await it.judge.judge(rules, T0 + at * MINUTE);
      await it.judge.settled();
      return said();
    };
    expect(await turn(0, 5)).toEqual([[5, "5"]]);
    expect(await turn(1, 6)).toEqual([[6, "6"]]);
    // Of a firing alert whose reason is by now the same.
    const before = await version();
    expect(await turn(2, 6)).toEqual([[6, "6"]]);
    expect(await version()).toEqual(before);
    expect(await turn(3, 7)).toEqual([[7, "7"]]);
    expect(await version()).not.toEqual(before);
  });

  test("is written in order, and before the next turn of its group", async () => {
    const it = await house();
    for (let at = 0; at < 5; at++) {
      it.set(T0 + at * MINUTE, 5 + at);
      await it.judge.judge(rules, T0 + at * MINUTE);
    }
    await it.judge.settled();
    expect(await said()).toEqual([[9, "9"]]);
  });

  test("of one who does not lead any more is not written, fails no turn, and follows when it can", async () => {
    const it = await house();
    it.set(T0, 5);
    await it.judge.judge(rules, T0);
    it.loseLead();
    it.set(T0 + MINUTE, 6);
    await it.judge.judge(rules, T0 + MINUTE);
    await it.judge.settled();
    expect(await said()).toEqual([[5, "5"]]);
    expect(it.judge.statusOf(rules.rules[0] as RuleGroup["rules"][number]).health).toBe("ok");
    it.loseLead(false);
    it.set(T0 + 2 * MINUTE, 6);
    await it.judge.judge(rules, T0 + 2 * MINUTE);
    await it.judge.settled();
    expect(await said()).toEqual([[6, "6"]]);
  });
});

describe("the series that rules write", () => {
  test("end at once when a state is left: the marker outlives the way to the store", async () => {
    const rules = group([{ alert: "High", expr: "x > 1", for: "1m" }]);
    const it = await house();
    it.set(T0, 5);
    await it.judge.judge(rules, T0);
    it.set(T0 + MINUTE, 5);
    await it.judge.judge(rules, T0 + MINUTE);
    expect(it.ask("ALERTS", T0 + MINUTE)).toEqual([
      [{ __name__: "ALERTS", alertname: "High", alertstate: "firing", node: "a" }, 1],
    ]);
    expect(it.ask("ALERTS_FOR_STATE", T0 + MINUTE)).toEqual([
      [{ __name__: "ALERTS_FOR_STATE", alertname: "High", node: "a" }, T0 / SECOND],
    ]);
  });

  test("of a recording rule end with their source, also when the source went while nobody judged", async () => {
    const rules = group([{ record: "y", expr: "x * 2", labels: { from: "rule" } }]);
    let it = await house();
    it.judge.use([rules]);
    const other = { __name__: "x", node: "b" };
    it.set(T0, 5);
    it.set(T0, 7, other);
    await it.judge.judge(rules, T0);
    expect(it.ask("y", T0).length).toBe(2);
    it.series.appendStale(other, T0 + SECOND);
    it = await it.restarted();
    it.judge.use([rules]);
    it.set(T0 + MINUTE, 5);
    await it.judge.judge(rules, T0 + MINUTE);
    expect(it.ask("y", T0 + MINUTE)).toEqual([[{ __name__: "y", node: "a", from: "rule" }, 10]]);
    expect(it.written).toContainEqual({
      labels: { __name__: "y", node: "b", from: "rule" },
      timestampMs: T0 + MINUTE,
      value: "stale",
    });
  });

  test("stand at the time that was asked about when the group has a query_offset", async () => {
    const rules = group([{ record: "y", expr: "x" }], { query_offset: "1m" });
    const it = await house();
    it.set(T0, 5);
    it.set(T0 + MINUTE, 9);
    await it.judge.judge(rules, T0 + MINUTE);
    expect(it.written).toEqual([{ labels: { __name__: "y", node: "a" }, timestampMs: T0, value: 5 }]);
  });

  test("end when their rule is no longer in force", async () => {
    const rules = group([{ record: "y", expr: "x" }]);
    const it = await house();
    it.set(T0, 5);
    await it.judge.judge(rules, T0);
    await it.judge.forget(["g/y"], T0 + SECOND);
    expect(it.ask("y", T0 + SECOND)).toEqual([]);
  });

  test("feed the rules after them in the same turn", async () => {
    const rules = group([
      { record: "y", expr: "x * 2" },
      { alert: "High", expr: "y > 9" },
    ]);
    const it = await house();
    it.set(T0, 5);
    await it.judge.judge(rules, T0);
    expect(await stored()).toEqual([["firing", 0]]);
  });
});

describe("beyond Prometheus", () => {
  test("an alert resolves only when its resolve expression says so, and only for its own labels", async () => {
    const rules = group([
      { alert: "Full", expr: "x > 90", annotations: { mainstay_resolve_expr: "max by (node) (x) < 70" } },
    ]);
    const it = await house();
    const minute = async (at: number, a: number, b: number): Promise<void> => {
      it.set(T0 + at * MINUTE, a);
      it.set(T0 + at * MINUTE, b, { __name__: "x", node: "b" });
      await it.judge.judge(rules, T0 + at * MINUTE);
    };
    const firing = async () =>
      (await readAlerts(fixture.database, 0))
        .filter(({ state }) => state.kind === "firing")
        .map(({ labels }) => labels["node"])
        .sort();
    await minute(0, 95, 95);
    expect(await firing()).toEqual(["a", "b"]);
    await minute(1, 85, 60);
    expect(await firing()).toEqual(["a"]);
    await minute(2, 71, 60);
    expect(await firing()).toEqual(["a"]);
    await minute(3, 69, 60);
    expect(await firing()).toEqual([]);
  });

  test("what flaps fires on and is told once; it resolves when it has been quiet; a kill changes nothing of that", async () => {
    const rules = group([{ alert: "Flap", expr: "x > 1", annotations: { mainstay_flapping: "3 in 10m" } }]);
    let it = await house();
    const kinds: string[] = [];
    for (let at = 0; at < 30; at++) {
      const value = at < 10 && at % 2 === 0 ? 5 : 0;
      it.set(T0 + at * MINUTE, value);
      await it.judge.judge(rules, T0 + at * MINUTE);
      it = await it.restarted();
    }
    const entries = await readEntries(fixture.database, { kind: "alert.", limit: 1_000 });
    for (const entry of entries)
      if (entry.actor.name === "Flap") kinds.push(`${(entry.at - T0) / MINUTE} ${entry.kind}`);
    expect(kinds).toEqual([
      "0 alert.fired",
      "1 alert.resolved",
      "2 alert.fired",
      "3 alert.resolved",
      "4 alert.fired",
      "4 alert.flapping",
      // It would have fired at 6 and 8 too; from 14 on only these two lie within ten minutes.
      "14 alert.resolved",
      "14 alert.steady",
    ]);
  });

  test("a node of the fleet that vanished holds the condition, and ceases to when it is back or gone from the fleet", async () => {
    const up = (node: string): Labels => ({ __name__: "up", job: "agent", instance: node, node });
    const rules = group([
      {
        alert: "Gone",
        expr: 'up{job="agent"} == 0',
        annotations: { mainstay_nodes_expr: 'up{job="agent"}' },
      },
    ]);
    const it = await house({ nodes: ["a", "b", "c"] });
    it.set(T0, 1, up("a"));
    it.set(T0, 0, up("b"));
    await it.judge.judge(rules, T0);
    const names = async () =>
      (await readAlerts(fixture.database, 8.64e15))
        .map(({ labels }) => labels)
        .sort((x, y) => (x["node"] ?? "").localeCompare(y["node"] ?? ""));
    expect(await names()).toEqual([
      { alertname: "Gone", instance: "b", job: "agent", node: "b" },
      { alertname: "Gone", instance: "c", node: "c" },
    ]);
    it.set(T0 + MINUTE, 1, up("a"));
    it.set(T0 + MINUTE, 1, up("b"));
    it.set(T0 + MINUTE, 1, up("c"));
    await it.judge.judge(rules, T0 + MINUTE);
    expect(await names()).toEqual([]);
  });
});

describe("a rule that cannot be judged", () => {
  test("does not keep the others from being judged, and its alerts stay as they are", async () => {
    const rules = group([
      { alert: "Twice", expr: "x > 1", labels: { node: "same" } },
      { alert: "Fine", expr: "x > 1" },
    ]);
    const it = await house();
    it.set(T0, 5);
    await it.judge.judge(rules, T0);
    it.set(T0 + MINUTE, 5);
    it.set(T0 + MINUTE, 5, { __name__: "x", node: "b" });
    await it.judge.judge(rules, T0 + MINUTE);
    expect(
      (await readAlerts(fixture.database, 0)).map(({ rule, labels }) => [rule, labels["node"]]).sort(),
    ).toEqual([
      ["Fine", "a"],
      ["Fine", "b"],
      ["Twice", "same"],
    ]);
    expect(it.judge.statusOf(rules.rules[0] as RuleGroup["rules"][number]).lastError).toContain(
      "same labelset",
    );
  });
});
