/** A loss that no decision ends: the control plane rests between its tries, and a person's word is not held by that. */
import { describe, expect, test } from "vitest";
import { applyRecord } from "./apply-record.js";
import { restAfter, restOf } from "./control-back-off.js";
import { type ClusterState, firstCluster, type LogRecord } from "./decision.js";
import { localPolicy } from "./policy.js";
import { soundRules } from "./rules.js";
import { World } from "./simulator/world.js";

describe("the rest after fruitless decisions", () => {
  test.each([
    { count: 1, restMs: 0 },
    { count: 2, restMs: 1_000 },
    { count: 3, restMs: 2_000 },
    { count: 5, restMs: 8_000 },
    { count: 6, restMs: 10_000 },
    { count: 5_000, restMs: 10_000 },
  ])("is $restMs ms after $count", ({ count, restMs }) => {
    expect(restAfter(count)).toBe(restMs);
  });

  const at = 1_000_000;
  const after = (count: number): ClusterState => ({
    ...firstCluster("a"),
    fruitless: { count, endedAt: at },
  });
  test.each([
    { when: "nothing failed", state: firstCluster("a"), now: at, rest: "none" },
    { when: "one failed this moment", state: after(1), now: at, rest: "none" },
    { when: "it has a millisecond left", state: after(2), now: at + 999, rest: "wait" },
    { when: "it is over", state: after(2), now: at + 1_000, rest: "none" },
    { when: "the clock begins before it", state: after(9), now: at - 1, rest: "none" },
  ])("is $rest when $when", ({ state, now, rest }) => {
    expect(restOf(state, now).kind).toBe(rest);
  });

  test("is told to a person from the third on, once for each", () => {
    expect(restOf(after(2), at)).toMatchObject({ page: null });
    const told = restOf(after(3), at);
    expect(told).toMatchObject({
      because: "3 decisions in a row ended without an open owner: the next begins in 2000 ms",
    });
    expect(restOf(after(3), at + 500)).toMatchObject({ page: told.kind === "wait" ? told.page : "" });
  });
});

describe("fruitless decisions", () => {
  const at = 7;
  const open = (decision: "failover" | "switchover"): ClusterState =>
    applyRecord(intended(decision), { at, kind: "promising", epoch: 2 });
  const intended = (decision: "failover" | "switchover"): ClusterState =>
    applyRecord(firstCluster("a"), {
      at,
      kind: "intended",
      epoch: 2,
      decision,
      from: "a",
      to: null,
      trigger: "a test",
      ask: null,
      approval: null,
    });
  const closed = (outcome: "done" | "interrupted" | "lost-again"): LogRecord => ({
    at,
    kind: "closed",
    epoch: 2,
    outcome,
    tookMs: 1,
    holdDownUntil: 0,
  });
  const aborted: LogRecord = { at, kind: "aborted", epoch: 2, because: "a test" };
  const two = { fruitless: { count: 2, endedAt: 1 } };
  test.each([
    {
      what: "an interrupted promotion counts",
      state: open("failover"),
      record: closed("interrupted"),
      count: 3,
    },
    {
      what: "an owner that is lost again counts",
      state: open("failover"),
      record: closed("lost-again"),
      count: 3,
    },
    { what: "an aborted failover counts", state: open("failover"), record: aborted, count: 3 },
    {
      what: "one that was aborted before anything was promised does not",
      state: intended("failover"),
      record: aborted,
      count: 2,
    },
    {
      what: "a switchover that is called off does not",
      state: open("switchover"),
      record: aborted,
      count: 2,
    },
    {
      what: "an open owner ends the count",
      state: open("failover"),
      record: closed("done"),
      count: undefined,
    },
    {
      what: "an owner that was probed ends it, too",
      state: firstCluster("a"),
      record: { at, kind: "checkpointed", epoch: 1 } as const,
      count: undefined,
    },
  ])("$what", ({ state, record, count }) => {
    expect(applyRecord({ ...state, ...two }, record).fruitless?.count).toBe(count);
  });
});

describe("a promotion that fails whenever it is tried", () => {
  /** `a` is lost for good, and b's database ends whenever it was promoted. */
  function hopeless() {
    const policy = localPolicy(["a", "b"], { mode: "synchronous", rpoBytes: 0, failoversPerHourMax: 1_000 });
    const world = new World({ policy, rules: soundRules, seed: 3, drift: 0, tell: null });
    world.run(6_000);
    const [a, b] = world.nodes;
    if (a === undefined || b === undefined) throw new Error("two nodes were asked for");
    let spoiled = true;
    const spoil = (): void => {
      if (!spoiled) return;
      if (b.database.mode === "primary") world.crashDatabase(b);
      world.agenda.after(5, spoil);
    };
    spoil();
    const begun = world.trace.length;
    world.crashNode(a);
    const intended = () =>
      world.trace.slice(begun).flatMap((record) => (record.kind === "intended" ? [record.at] : []));
    return {
      world,
      intended,
      end: () => {
        spoiled = false;
      },
    };
  }

  test("is tried at growing intervals, of at most ten seconds and what a try takes, and succeeds when it can", () => {
    const { world, intended, end } = hopeless();
    const pages: string[] = [];
    world.onPage = (_, because) => pages.push(because);
    world.run(60_000);
    const tries = intended();
    expect(tries.length).toBeGreaterThan(4);
    expect(tries.length).toBeLessThan(14);
    const gaps = tries.slice(1).map((at, index) => at - (tries[index] ?? 0));
    expect(gaps.at(-1)).toBeGreaterThan(10_000);
    expect(gaps.at(-1)).toBeLessThan(20_000);
    expect(pages.some((because) => because.startsWith("3 decisions in a row"))).toBe(true);
    end();
    world.run(20_000);
    expect(world.watch.violation).toBeNull();
    expect(world.kept).toMatchObject({ primary: "b", decision: null });
    expect(world.kept.fruitless).toBeUndefined();
    expect(world.nodes[1]?.database.mode).toBe("primary");
  });

  test("is tried at once when a person forces it", () => {
    const { world, intended } = hopeless();
    world.run(40_000);
    while (restOf(world.kept, world.controlNow()).kind === "none") world.run(100);
    const before = intended().length;
    world.stepControl({ kind: "force", by: "someone", reason: "it is mended" });
    expect(intended().length).toBe(before + 1);
  });
});
