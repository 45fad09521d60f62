/** A planned switchover with poolers: clients wait, are led to the new owner, and always go on, whoever dies meanwhile. */
import { describe, expect, test } from "vitest";
import { checkTrace } from "../check-trace.js";
import type { LogRecord, RecordKind } from "../decision.js";
import { localPolicy } from "../policy.js";
import { soundRules } from "../rules.js";
import { World } from "./world.js";

const seeds = [1, 2, 3, 4, 5];

function healthy(seed: number, poolers: readonly string[] = ["pool-1", "pool-2"]) {
  const policy = localPolicy(["a", "b"], { mode: "synchronous", rpoBytes: 0, poolers });
  const world = new World({ policy, rules: soundRules, seed, drift: 0.005, tell: null });
  world.run(8_000);
  expect(world.kept.eligible.members).toEqual(["b"]);
  world.poolers.astrayMs = 0;
  world.watch.longestGapMs = 0;
  const begun = world.trace.length;
  const kinds = (): readonly RecordKind[] => world.trace.slice(begun).map((record) => record.kind);
  const find = <Kind extends RecordKind>(kind: Kind): Extract<LogRecord, { kind: Kind }>[] =>
    world.trace
      .slice(begun)
      .filter((record): record is Extract<LogRecord, { kind: Kind }> => record.kind === kind);
  const expectSound = (): void => {
    expect(world.watch.violation).toBeNull();
    expect(checkTrace(policy, "a", world.trace)).toEqual([]);
  };
  const expectLed = (to: string): void => {
    for (const pooler of world.poolers.all) expect(pooler).toMatchObject({ to, holds: false });
  };
  const [a, b] = world.nodes;
  if (a === undefined || b === undefined) throw new Error("two nodes were asked for");
  return { world, a, b, kinds, find, expectSound, expectLed };
}

const switchOver = (world: World): void => world.stepControl({ kind: "switchover", to: "b", by: "someone" });

describe("a planned switchover", () => {
  test("leads no client to a node that is not open, and its log tells who held them and where they went", () => {
    for (const seed of seeds) {
      const { world, find, expectSound, expectLed } = healthy(seed);
      switchOver(world);
      world.run(10_000);
      expectSound();
      expect(world.kept.primary).toBe("b");
      expect(world.poolers.astrayMs).toBe(0);
      expectLed("b");
      expect(find("stepping-down")).toMatchObject([{ held: ["pool-1", "pool-2"] }]);
      expect(find("routed")).toMatchObject([{ led: ["pool-1", "pool-2"], missing: [] }]);
      expect(world.kept.clientsHeldIn).toBeUndefined();
    }
  });

  test("is given up before the owner is asked to stop, when a transaction does not end; then its clients go on", () => {
    const { world, kinds, find, expectSound, expectLed } = healthy(1);
    const [stuck] = world.poolers.all;
    if (stuck === undefined) throw new Error("two poolers were asked for");
    stuck.stuck = true;
    switchOver(world);
    world.run(12_000);
    expectSound();
    expect(find("aborted")[0]?.because).toMatch(/^the clients of pool-1 could not be held: /);
    expect(kinds()).not.toContain("stepping-down");
    expect(find("clients-go-on")).toMatchObject([{ epoch: 3, to: "a" }]);
    expectLed("a");
    expect(world.poolers.astrayMs).toBe(0);
    expect(world.watch.longestGapMs).toBeLessThan(1_000);
  });

  test("is given up when a pooler is out of reach", () => {
    const { world, kinds, find, expectLed } = healthy(2);
    const pool = world.poolers.all[1]?.index ?? 0;
    world.network.cut[2]?.splice(pool, 1, true);
    world.network.cut[pool]?.splice(2, 1, true);
    world.run(4_000);
    switchOver(world);
    world.run(12_000);
    expect(find("aborted")).toMatchObject([
      { because: "the clients of pool-2 could not be held: not in reach" },
    ]);
    expect(kinds()).not.toContain("stepping-down");
    world.network.heal();
    world.run(5_000);
    expectLed("a");
    expect(find("clients-go-on").length).toBe(1);
  });

  test("that is called off because the old owner does not stop lets its clients go on there", () => {
    const { world, find, expectSound, expectLed } = healthy(3);
    world.network.slow = { to: 0, byMs: 200 };
    switchOver(world);
    world.network.cut[0]?.splice(1, 1, true);
    world.run(20_000);
    expectSound();
    expect(find("aborted")).toMatchObject([{ because: "a did not stop" }]);
    expect(world.kept.primary).toBe("a");
    expectLed("a");
    expect(find("clients-go-on")).toMatchObject([{ to: "a" }]);
  });

  const steps: readonly RecordKind[] = [
    "intended",
    "holding",
    "stepping-down",
    "promising",
    "chosen",
    "fenced",
    "promoting",
    "promoted",
    "verified",
    "routed",
    "closed",
  ];
  test.each(steps.flatMap((record) => [false, true].map((torn) => ({ record, torn }))))(
    "is gone on with, or its clients are, after the control plane died at $record (torn: $torn)",
    ({ record, torn }) => {
      for (const seed of seeds) {
        const { world, expectSound, expectLed } = healthy(seed);
        world.dieAt = { record, torn };
        switchOver(world);
        world.run(30_000);
        expectSound();
        expect(world.dieAt).toBeNull();
        expect(world.kept.decision).toBeNull();
        expectLed(world.kept.primary);
        expect(world.kept.clientsHeldIn).toBeUndefined();
        // It is back within the time after which poolers let go by themselves.
        expect(world.poolers.astrayMs).toBe(0);
      }
    },
  );

  test("leaves nobody waiting when the control plane stays away", () => {
    const { world, expectLed } = healthy(4);
    switchOver(world);
    while (world.kept.decision?.phase !== "promising") world.run(1);
    world.crashControl();
    world.run(12_000);
    for (const pooler of world.poolers.all) expect(pooler.holds).toBe(false);
    world.startControl();
    world.run(15_000);
    expectLed(world.kept.primary);
  });
});

describe("an unplanned failover", () => {
  test("leads the clients to the new owner, and waits for no pooler that is gone", () => {
    const { world, a, find, expectSound } = healthy(5);
    const pool = world.poolers.all[1]?.index ?? 0;
    world.network.cut[2]?.splice(pool, 1, true);
    world.crashNode(a);
    world.run(20_000);
    expectSound();
    expect(find("routed")).toMatchObject([{ led: ["pool-1"], missing: ["pool-2"] }]);
    expect(find("closed")).toMatchObject([{ outcome: "done" }]);
    expect(world.poolers.all.map(({ to }) => to)).toEqual(["b", "a"]);
    world.network.heal();
    world.run(5_000);
    expect(world.poolers.all.map(({ to }) => to)).toEqual(["b", "b"]);
  });
});
