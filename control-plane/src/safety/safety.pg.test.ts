import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { appendEntries, readEntries } from "../journal/journal.module.js";
import { type Actor, SYSTEM } from "../kernel/actor.js";
import { nodeId } from "../kernel/ids.js";
import { HOUR, MINUTE, SECOND } from "../kernel/time.js";
import { silentLogger } from "../platform/logger.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import type { ActionQuestion, SafetyVerdict } from "./domain/judge-action.js";
import { DEFAULT_SAFETY, type SafetyPolicy } from "./domain/safety-policy.js";
import type { DomainHealth } from "./domain/storm.js";
import { Safety } from "./safety.js";
import { SafetyWatch } from "./safety.loop.js";
import { readCases } from "./safety.store.js";

const RULE: Actor = { kind: "rule", name: "DiskSpaceLow" };
const ANN: Actor = { kind: "human", name: "ann" };

let fixture: TestDatabase;
const system = fakeSystem();
let policy: SafetyPolicy = DEFAULT_SAFETY;
let health = new Map<string, DomainHealth>();

const made = (): Safety =>
  new Safety({
    database: fixture.database,
    system,
    policy: () => policy,
    healthOf: async (_, labels, of) =>
      [...health]
        .map(([value, found]) => ({ label: "role", value, ...found }))
        .filter(({ label, value }) => labels.includes(label) && (of === undefined || of[label] === value)),
  });
let safety: Safety;
/** As another replica has it. */
let other: Safety;
let watch: SafetyWatch;

beforeAll(async () => {
  fixture = await createTestDatabase();
  [safety, other] = [made(), made()];
  watch = new SafetyWatch({ database: fixture.database, system, logger: silentLogger, safety });
}, 60_000);
afterAll(() => fixture.close());
beforeEach(() => {
  // Each test has a day of its own, in which nothing was done yet.
  system.clock.advance(48 * HOUR);
  policy = DEFAULT_SAFETY;
  health = new Map([["db", { nodes: 9, unhealthy: 0 }]]);
});

let count = 0;
const question = (node: string, more: Partial<ActionQuestion> = {}): ActionQuestion => ({
  commandId: `c${++count}`,
  actor: RULE,
  automatic: true,
  action: "clean-directory",
  argumentsJson: "{}",
  node: { id: nodeId(node), name: node, labels: { role: "db" } },
  undo: false,
  now: system.clock.now(),
  ...more,
});

/** Asks, and takes what is clear, in one transaction, as the desk does. */
const act = (asked: ActionQuestion, by: Safety = safety): Promise<SafetyVerdict> =>
  fixture.database.transaction(async (tx) => {
    const verdict = await by.judge(tx, asked);
    if (verdict.kind === "clear") await by.took(tx, asked, asked.commandId);
    return verdict;
  });

const ends = async ({ commandId }: ActionQuestion, kind: string): Promise<void> => {
  await fixture.database.transaction((tx) =>
    appendEntries(tx, [
      {
        at: system.clock.now(),
        kind,
        subject: `command:${commandId}`,
        actor: SYSTEM,
        because: "",
        facts: {},
      },
    ]),
  );
  await watch.run(system.clock.now());
};

describe("the safety budget", () => {
  test("lets no more through than its limit, however many ask at once, on whichever replica", async () => {
    const asked = Array.from({ length: 12 }, (_, index) => question(`many-${index}`));
    const verdicts = await Promise.all(asked.map((one, index) => act(one, index % 2 === 0 ? safety : other)));
    expect(verdicts.filter(({ kind }) => kind === "clear")).toHaveLength(3);
    const held = verdicts.find(({ kind }) => kind === "hold");
    expect(held).toEqual({
      kind: "hold",
      verdict: "deny",
      passing: true,
      by: "in-flight",
      because: "3 other nodes of role=db are being acted upon, at most 3 at once",
    });
    const taken = asked.filter((_, index) => verdicts[index]?.kind === "clear");
    for (const one of taken) await ends(one, "command.succeeded");
    const next = question("many-x");
    expect(await act(next)).toEqual({ kind: "clear" });
    await ends(next, "command.cancelled");
  });

  test("freezes all that is automatic on every replica with the next question, until a person says why not", async () => {
    await safety.trip(ANN, "something is odd");
    expect(await act(question("frozen"), other)).toMatchObject({
      verdict: "deny",
      passing: false,
      because: "the brake is tripped: something is odd",
    });
    const mine = question("frozen", { automatic: false, actor: ANN });
    expect(await act(mine, other)).toEqual({ kind: "clear" });
    await ends(mine, "command.succeeded");
    expect(await act(question("frozen", { undo: true }), other)).toEqual({ kind: "clear" });
    expect(await act(question("frozen", { action: "netcheck" }), other)).toEqual({ kind: "clear" });
    await expect(other.reset(ANN, " ")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(other.reset(RULE, "it is well")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await other.reset(ANN, "it is well");
    await expect(other.reset(ANN, "again")).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
    const kinds = (await readEntries(fixture.database, { subject: "safety:brake", limit: 9 })).map(
      ({ kind, actor, because }) => [kind, actor.name, because],
    );
    expect(kinds).toEqual([
      ["safety.brake-tripped", "ann", "something is odd"],
      ["safety.brake-reset", "ann", "it is well"],
    ]);
  });

  test("trips by itself when too much fails, and counts afresh after the reset", async () => {
    policy = { ...policy, budget: { actionsPerHour: 100, failureRatio: 0.5, failuresMin: 2 } };
    for (const [index, kind] of ["command.succeeded", "command.failed", "command.timed-out"].entries()) {
      const one = question(`fails-${index}`);
      expect(await act(one)).toEqual({ kind: "clear" });
      system.clock.advance(SECOND);
      await ends(one, kind);
    }
    const because = "2 of 3 actions that ended within 1h failed, and the limit is 50 %";
    expect(await act(question("fails-x"))).toMatchObject({
      verdict: "deny",
      because: `the brake trips: ${because}`,
    });
    expect(await act(question("fails-x"), other)).toMatchObject({
      because: `the brake is tripped: ${because}`,
    });
    system.clock.advance(SECOND);
    await safety.reset(ANN, "they were known");
    const one = question("fails-x");
    expect(await act(one)).toEqual({ kind: "clear" });
    await ends(one, "command.succeeded");
  });

  test("asks people for an approval when the hour's actions are spent, and stops what is automatic", async () => {
    policy = { ...policy, budget: { ...policy.budget, actionsPerHour: 1 } };
    const mine = question("spent", { automatic: false, actor: ANN });
    expect(await act(mine)).toEqual({ kind: "clear" });
    await ends(mine, "command.succeeded");
    expect(await act(question("spent-2", { automatic: false, actor: ANN }))).toMatchObject({
      verdict: "ask",
    });
    expect(await act(question("spent-2"))).toMatchObject({ verdict: "deny", by: "budget" });
    system.clock.advance(SECOND);
    await safety.reset(ANN, "a test");
  });

  test("waits longer after each repeat, and gives the third to a person until the case is closed", async () => {
    const again = () => question("leaks", { argumentsJson: '{"path":"/x"}' });
    const first = again();
    expect(await act(first)).toEqual({ kind: "clear" });
    await ends(first, "command.succeeded");
    // The same on other arguments is another target.
    const elsewhere = question("leaks", { argumentsJson: '{"path":"/y"}' });
    expect(await act(elsewhere)).toEqual({ kind: "clear" });
    await ends(elsewhere, "command.succeeded");
    system.clock.advance(MINUTE - 1);
    expect(await act(again())).toMatchObject({ verdict: "deny", passing: true, by: "cooldown" });
    system.clock.advance(1);
    const second = again();
    expect(await act(second)).toEqual({ kind: "clear" });
    await ends(second, "command.succeeded");
    system.clock.advance(10 * HOUR);
    const because =
      "clean-directory was done 2 times on leaks within 1d and is asked for again; a person has to look";
    expect(await act(again())).toMatchObject({ passing: false, because: `a case is opened: ${because}` });
    expect(await act(again(), other)).toMatchObject({
      because: `a case is open for a person: ${because}`,
    });
    system.clock.advance(48 * HOUR);
    // Days pass, and still nobody has looked.
    expect(await act(again())).toMatchObject({ by: "case" });
    const [opened] = await readCases(fixture.database, { openOnly: true, limit: 9 });
    expect(opened).toMatchObject({ nodeName: "leaks", action: "clean-directory", because });
    const id = opened?.id ?? "";
    await expect(safety.closeCase(id, ANN, "")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await safety.closeCase(id, ANN, "the log was rotated wrongly");
    await expect(safety.closeCase(id, ANN, "twice")).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
    await expect(safety.closeCase("none", ANN, "why")).rejects.toMatchObject({ code: "NOT_FOUND" });
    const third = again();
    expect(await act(third)).toEqual({ kind: "clear" });
    await ends(third, "command.succeeded");
    const entries = await readEntries(fixture.database, { subject: `case:${id}`, limit: 9 });
    expect(entries.map(({ kind, actor }) => [kind, actor.name])).toEqual([
      ["case.opened", "DiskSpaceLow"],
      ["case.closed", "ann"],
    ]);
  });

  test("does nothing by itself in a storm, which ends only after its cooldown", async () => {
    health = new Map([["db", { nodes: 4, unhealthy: 3 }]]);
    expect(await act(question("stormy"))).toMatchObject({
      passing: true,
      by: "storm",
      because: "3 of 4 nodes of role=db are unhealthy; the limit is 49 %",
    });
    await watch.run(system.clock.now());
    system.clock.advance(policy.storm.after);
    await watch.run(system.clock.now());
    health = new Map([["db", { nodes: 4, unhealthy: 0 }]]);
    system.clock.advance(policy.storm.cooldown - 1);
    await watch.run(system.clock.now());
    expect(await act(question("stormy"), other)).toMatchObject({
      because: "storm: role=db was beyond its limit lately; it ends when it stays calm for another 1ms",
    });
    system.clock.advance(1);
    await watch.run(system.clock.now());
    const one = question("stormy");
    expect(await act(one)).toEqual({ kind: "clear" });
    await ends(one, "command.succeeded");
    const entries = await readEntries(fixture.database, { subject: "domain:role=db", limit: 9 });
    expect(entries.map(({ kind }) => kind)).toEqual(["safety.storm-began", "safety.storm-ended"]);
  });
});
