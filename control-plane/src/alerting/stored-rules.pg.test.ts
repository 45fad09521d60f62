import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import { MINUTE } from "../kernel/time.js";
import { silentLogger } from "../platform/logger.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { evaluateRange } from "../promql/evaluate.js";
import { MemorySeries } from "../promql/memory-series.js";
import { parseExpr } from "../promql/parse.js";
import { saveChanges } from "./alerts.store.js";
import type { Alert } from "./domain/evaluate-rule.js";
import type { RuleGroup } from "./domain/rule.js";
import { replayRules } from "./replay-rules.js";
import { RulesInForce } from "./rules-in-force.js";
import { StoredRules } from "./stored-rules.js";

const T0 = 1_700_000_000_000;
const ANNA: Actor = { kind: "human", name: "anna" };

let fixture: TestDatabase;
beforeAll(async () => {
  fixture = await createTestDatabase();
}, 60_000);
afterAll(() => fixture.close());

const content = (name: string, expr: string): string =>
  `groups:\n  - name: ${name}\n    rules:\n      - {alert: High, expr: "${expr}", for: 2m}\n`;

function replica() {
  const seen: (readonly RuleGroup[])[] = [];
  const stored = new StoredRules({
    database: fixture.database,
    clock: fakeSystem(T0).clock,
    logger: silentLogger,
    changed: async (groups) => void seen.push(groups),
  });
  const change = (name: string, expectedVersion: number, reason = "because") => ({
    name,
    expectedVersion,
    reason,
    by: ANNA,
  });
  return { stored, seen, change };
}

describe("a group of rules through the API", () => {
  test("is kept with versions, told in the journal, and seen by another replica", async () => {
    const { stored, change } = replica();
    const other = replica();
    const put = await stored.put({ ...change("a", 0, "disks fill"), content: content("a", "x > 1") });
    expect(put).toMatchObject({ name: "a", version: 1, changedBy: ANNA, changedAt: T0 });
    await stored.put({ ...change("a", 1), content: content("a", "x > 2") });
    await other.stored.load();
    await other.stored.load();
    expect(other.seen.map((groups) => groups.map(({ rules }) => rules[0]?.expr))).toEqual([["x > 2"]]);
    await stored.delete(change("a", 2, "no longer needed"));
    await other.stored.load();
    expect(other.seen.at(-1)).toEqual([]);
    expect(await stored.list()).toEqual([]);
    const entries = await readEntries(fixture.database, { subject: "rules:a", limit: 10 });
    expect(
      entries.map(({ kind, because, actor, facts }) => [kind, because, actor.name, facts["version"]]),
    ).toEqual([
      ["rules.put", "disks fill", "anna", 1],
      ["rules.put", "because", "anna", 2],
      ["rules.deleted", "no longer needed", "anna", 3],
    ]);
  });

  test("may be put again after it was deleted, and its versions go on", async () => {
    const { stored, change } = replica();
    await stored.put({ ...change("again", 0), content: content("again", "x") });
    await stored.delete(change("again", 1));
    expect((await stored.put({ ...change("again", 0), content: content("again", "x") })).version).toBe(3);
  });

  test.each([
    {
      when: "another has changed it meanwhile",
      name: "b",
      version: 0,
      code: "ABORTED",
      says: "it is at version 1",
    },
    { when: "it is not there", name: "none", version: 1, code: "ABORTED", says: "it is at version 0" },
    {
      when: "no reason is given",
      name: "b",
      version: 1,
      reason: " ",
      code: "INVALID_ARGUMENT",
      says: "a reason",
    },
    {
      when: "the rules are bad",
      name: "b",
      version: 1,
      text: content("b", "sum("),
      code: "INVALID_ARGUMENT",
      says: "api:4: ",
    },
    {
      when: "it is another group",
      name: "b",
      version: 1,
      text: content("c", "x"),
      code: "INVALID_ARGUMENT",
      says: 'holds "c"',
    },
    {
      when: "it is no group",
      name: "b",
      version: 1,
      text: "groups: []",
      code: "INVALID_ARGUMENT",
      says: "holds no group",
    },
    {
      when: "it is a book",
      name: "b",
      version: 1,
      text: "#".repeat(2 ** 20 + 1),
      code: "INVALID_ARGUMENT",
      says: "at most 1048576",
    },
  ])("is refused when $when", async ({ name, version, reason, text, code, says }) => {
    const { stored, change } = replica();
    await stored.put({ ...change("b", 0), content: content("b", "x") }).catch(() => {});
    const put = stored.put({
      ...change(name, version, reason ?? "why"),
      content: text ?? content(name, "x"),
    });
    await expect(put).rejects.toMatchObject({ code, message: expect.stringContaining(says) });
    expect((await stored.list()).find((group) => group.name === "b")?.version).toBe(1);
  });

  test("of two changes made against one version one is taken", async () => {
    const { stored, change } = replica();
    const both = await Promise.allSettled(
      ["x > 1", "x > 2"].map((expr) => stored.put({ ...change("race", 0), content: content("race", expr) })),
    );
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  test("cannot be deleted when there is none", async () => {
    const { stored, change } = replica();
    await expect(stored.delete(change("nobody", 0))).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

test("rules of all sources are in force together, in the order of the sources", async () => {
  const used: string[][] = [];
  const inForce = new RulesInForce(
    ["files", "api"],
    async (groups) => void used.push(groups.map(({ name }) => name)),
  );
  const group = (name: string) => ({ name }) as RuleGroup;
  await inForce.changed("api", [group("a")]);
  await inForce.changed("files", [group("f"), group("g")]);
  await inForce.changed("api", []);
  expect(used).toEqual([["a"], ["f", "g", "a"], ["f", "g"]]);
});

describe("a replay", () => {
  const series = new MemorySeries();
  for (const k of ["1", "2"]) series.append({ __name__: "d", k }, T0, 1);
  // Above 1 from minute 10 to 20, and for one minute at 40.
  for (let minute = 0; minute <= 60; minute++) {
    const high = (minute >= 10 && minute <= 20) || minute === 40;
    series.append({ __name__: "x", node: "a" }, T0 + minute * MINUTE, high ? 5 : 0);
  }
  const ports = () => ({
    database: fixture.database,
    surroundings: { externalLabels: {}, externalUrl: "" },
    nodes: async () => [],
    queryRange: async (expr: string, from: number, to: number, step: number) =>
      evaluateRange(parseExpr(expr), { from, to, step }, series),
  });
  const wish = (expr: string) => ({
    content: content("g", expr),
    from: T0,
    to: T0 + 60 * MINUTE,
    step: MINUTE,
  });
  const signal = new AbortController().signal;

  test("tells what would have fired beside what did", async () => {
    const fired: Alert = {
      ruleKey: "g/High",
      labels: { alertname: "High", node: "z" },
      annotations: {},
      state: { kind: "firing", activeAt: T0, firedAt: T0 + MINUTE },
      value: 3,
      because: "it did",
    };
    await fixture.database.transaction(async (tx) => {
      const changed = (from: "pending" | "firing", to: "firing" | "resolved", at: number) =>
        saveChanges(
          tx,
          [{ rule: "High", group: "g", alerts: [], transitions: [{ alert: fired, from, to }], flaps: [] }],
          at,
        );
      await changed("pending", "firing", T0 + MINUTE);
      await changed("firing", "resolved", T0 + 3 * MINUTE);
    });
    const [rule] = await replayRules(ports(), wish("x > 1"), signal);
    expect(rule).toMatchObject({ group: "g", name: "High", fault: "", notes: [] });
    expect(rule?.wouldHaveFired).toEqual([
      {
        labels: { alertname: "High", node: "a" },
        firedAt: T0 + 12 * MINUTE,
        resolvedAt: T0 + 21 * MINUTE,
        value: 5,
      },
    ]);
    expect(rule?.didFire).toEqual([
      { labels: fired.labels, firedAt: T0 + MINUTE, resolvedAt: T0 + 3 * MINUTE, value: 3 },
    ]);
  });

  test("says what is wrong with a rule and goes on with the others", async () => {
    const text = `${content("g", "x + on() d")}      - {alert: Fine, expr: x > 4, for: 5m}\n`;
    const rules = await replayRules(ports(), { ...wish(""), content: text }, signal);
    expect(
      rules.map(({ name, fault, wouldHaveFired }) => [name, fault === "", wouldHaveFired.length]),
    ).toEqual([
      ["High", false, 0],
      ["Fine", true, 1],
    ]);
    const [none] = await replayRules(ports(), { ...wish("x > 1"), step: 1 }, signal);
    expect(none?.fault).toContain("at most 11000");
  });

  test.each([
    { when: "the rules are bad", change: { content: "groups: 1" }, says: "not well formed" },
    { when: "it ends before it begins", change: { to: T0 }, says: "not after its beginning" },
  ])("is refused when $when", async ({ change, says }) => {
    await expect(replayRules(ports(), { ...wish("x"), ...change }, signal)).rejects.toThrow(says);
  });
});
