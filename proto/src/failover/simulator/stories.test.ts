/** What one fault costs, in the virtual time of the simulator: detection, promises, leases and promotions, no host. */
import { describe, expect, test } from "vitest";
import { checkTrace } from "../check-trace.js";
import type { LogRecord, RecordKind } from "../decision.js";
import { type FailoverPolicy, localPolicy } from "../policy.js";
import { soundRules } from "../rules.js";
import type { SimulatedNode } from "./simulated.js";
import { World } from "./world.js";

const RPO = 20;
const seeds = Array.from({ length: 30 }, (_, seed) => seed + 1);

const healthySince = new WeakMap<World, number>();

function healthy(
  mode: FailoverPolicy["mode"],
  seed: number,
  chosen: Partial<FailoverPolicy> = {},
): { readonly world: World; readonly a: SimulatedNode; readonly b: SimulatedNode } {
  const policy = localPolicy(["a", "b"], { mode, rpoBytes: RPO, ...chosen });
  const world = new World({ policy, rules: soundRules, seed, drift: 0.005, tell: null });
  // The fault comes at any moment of a beat.
  world.run(6_000 + ((seed * 37) % 500));
  expect(world.kept.eligible.members).toEqual(["b"]);
  world.watch.longestGapMs = 0;
  world.watch.promotions = 0;
  healthySince.set(world, world.trace.length);
  const [a, b] = world.nodes;
  if (a === undefined || b === undefined) throw new Error("two nodes were asked for");
  return { world, a, b };
}

/** What was written down since the cluster was healthy: before, its owner was opened for the first time. */
const since = (world: World): readonly LogRecord[] => world.trace.slice(healthySince.get(world));
const kinds = (world: World): readonly RecordKind[] => since(world).map((record) => record.kind);
const find = <Kind extends RecordKind>(world: World, kind: Kind): Extract<LogRecord, { kind: Kind }>[] =>
  since(world).filter((record): record is Extract<LogRecord, { kind: Kind }> => record.kind === kind);

/** Both ways, or back. */
function cut(world: World, one: number, other: number, isCut: boolean): void {
  world.network.cut[one]?.splice(other, 1, isCut);
  world.network.cut[other]?.splice(one, 1, isCut);
}

/** From everyone, the control plane too. */
function cutOff(world: World, { index }: SimulatedNode, isCut: boolean): void {
  for (let other = 0; other <= world.nodes.length; other += 1) {
    if (other !== index) cut(world, index, other, isCut);
  }
}

function expectSound(world: World): void {
  expect(world.watch.violation).toBeNull();
  expect(checkTrace(world.setup.policy, "a", world.trace)).toEqual([]);
}

describe("a lost node", () => {
  test.each([
    { mode: "asynchronous", withinMs: 4_500, mayLose: RPO },
    { mode: "synchronous", withinMs: 3_000, mayLose: 0 },
  ] as const)("is failed over within $withinMs ms ($mode), and loses at most $mayLose", (row) => {
    for (const seed of seeds) {
      const { world, a, b } = healthy(row.mode, seed);
      world.crashNode(a);
      world.run(15_000);
      expectSound(world);
      expect(world.kept.primary).toBe("b");
      expect(world.watch.longestGapMs).toBeLessThan(row.withinMs);
      expect(world.watch.lost).toBeLessThanOrEqual(row.mayLose);
      expect(find(world, "closed")).toMatchObject([{ outcome: "done" }]);
      // When it is back it follows, and is relied on again.
      world.startNode(a);
      world.run(20_000);
      expect(world.kept.eligible.members).toEqual(["a"]);
      expect(b.database.mode).toBe("primary");
    }
  });
});

describe("a node that was cut off", () => {
  test.each(["asynchronous", "synchronous"] as const)(
    "ends itself, and follows once it is back (%s)",
    (mode) => {
      for (const seed of seeds) {
        const { world, a } = healthy(mode, seed);
        cutOff(world, a, true);
        world.run(12_000);
        expect(world.kept.primary).toBe("b");
        cutOff(world, a, false);
        world.run(8_000);
        expectSound(world);
        expect(world.kept.eligible.members).toEqual(["a"]);
        // What it follows with runs without a lease, and goes on.
        const { run } = a.database;
        world.run(10_000);
        expect(a.database).toMatchObject({ mode: "standby", run });
      }
    },
  );
});

describe("three nodes", () => {
  test.each(["asynchronous", "synchronous"] as const)(
    "who has the most takes over, and the third follows it (%s)",
    (mode) => {
      for (const seed of seeds) {
        const policy = localPolicy(["a", "b", "c"], { mode, rpoBytes: RPO });
        const world = new World({ policy, rules: soundRules, seed, drift: 0.005, tell: null });
        world.run(8_000 + ((seed * 37) % 500));
        expect([...world.kept.eligible.members].sort()).toEqual(["b", "c"]);
        healthySince.set(world, world.trace.length);
        const [a, b] = world.nodes;
        if (a === undefined || b === undefined) throw new Error("three nodes were asked for");
        // Behind, and not yet for so long that it is no longer relied on.
        cut(world, a.index, b.index, true);
        world.run(600);
        world.crashNode(a);
        cut(world, a.index, b.index, false);
        world.run(15_000);
        expectSound(world);
        expect(find(world, "chosen")).toMatchObject([{ candidate: "c", proof: { how: "holders" } }]);
        expect(world.kept).toMatchObject({ primary: "c", decision: null });
        expect(world.kept.eligible.members).toEqual(["b"]);
        expect(world.watch.lost).toBeLessThanOrEqual(mode === "synchronous" ? 0 : RPO);
        world.startNode(a);
        world.run(20_000);
        expect([...world.kept.eligible.members].sort()).toEqual(["a", "b"]);
      }
    },
  );
});

describe("a crash of the database", () => {
  test("is no failover: it starts again within its lease", () => {
    for (const seed of seeds) {
      const { world, a } = healthy("asynchronous", seed);
      world.crashDatabase(a);
      world.run(5_000);
      expectSound(world);
      expect(world.watch.longestGapMs).toBeLessThan(600);
      expect(kinds(world)).not.toContain("intended");
    }
  });

  test("is a failover the third time within a minute", () => {
    const { world, a } = healthy("asynchronous", 1);
    for (let crash = 0; crash < 3; crash += 1) {
      world.crashDatabase(a);
      world.run(2_000);
    }
    expectSound(world);
    expect(find(world, "intended")).toMatchObject([{ decision: "failover", trigger: "a gave its epoch up" }]);
    expect(world.kept.primary).toBe("b");
  });
});

describe("a planned switchover", () => {
  test.each(["asynchronous", "synchronous"] as const)(
    "takes less than a second and loses nothing (%s)",
    (mode) => {
      for (const seed of seeds) {
        const { world } = healthy(mode, seed);
        world.stepControl({ kind: "switchover", to: "b", by: "someone" });
        world.run(15_000);
        expectSound(world);
        expect(world.kept.primary).toBe("b");
        expect(world.watch.lost).toBe(0);
        expect(world.watch.longestGapMs).toBeLessThan(1_000);
        expect(find(world, "chosen")).toMatchObject([{ proof: { how: "complete" } }]);
        expect(world.kept.eligible.members).toEqual(["a"]);
      }
    },
  );

  test("is called off when the old node does not stop, which then goes on in its own epoch", () => {
    const { world } = healthy("asynchronous", 3);
    // Its shutdown waits for a replica that is out of reach and lacks the last writes.
    world.network.slow = { to: 0, byMs: 200 };
    world.stepControl({ kind: "switchover", to: "b", by: "someone" });
    world.network.cut[0]?.splice(1, 1, true);
    world.run(8_000);
    expectSound(world);
    expect(find(world, "aborted")).toMatchObject([{ because: "a did not stop" }]);
    expect(kinds(world)).not.toContain("promising");
    expect(world.kept).toMatchObject({ primary: "a", primaryEpoch: 2, promised: 2, taken: 3 });
    expect(world.nodes[0]?.database.mode).toBe("primary");
  });
});

describe("the control plane", () => {
  test("may be away: nothing is failed over, and writes go on", () => {
    const { world } = healthy("asynchronous", 1);
    world.crashControl();
    world.run(60_000);
    world.startControl();
    world.run(5_000);
    expectSound(world);
    expect(world.watch.longestGapMs).toBeLessThan(500);
    expect(kinds(world)).not.toContain("intended");
  });

  test("may lose sight of the primary alone: no failover, and a switchover goes through the replica's agent", () => {
    const { world } = healthy("synchronous", 1);
    world.network.cut[0]?.splice(2, 1, true);
    world.network.cut[2]?.splice(0, 1, true);
    world.run(20_000);
    expect(kinds(world)).not.toContain("intended");
    expect(world.watch.longestGapMs).toBeLessThan(500);
    world.stepControl({ kind: "switchover", to: "b", by: "someone" });
    world.run(10_000);
    expectSound(world);
    expect(world.kept.primary).toBe("b");
    expect(world.watch.lost).toBe(0);
    expect(world.watch.longestGapMs).toBeLessThan(1_500);
    // And it is told whom to follow, and relied on, by the same way round.
    expect(world.kept.eligible.members).toEqual(["a"]);
    world.run(60_000);
    expect(world.kept.eligible.members).toEqual(["a"]);
    expect(kinds(world).filter((kind) => kind === "intended")).toHaveLength(1);
    expectSound(world);
  });

  const steps: readonly RecordKind[] = [
    "intended",
    "promising",
    "chosen",
    "fenced",
    "promoting",
    "promoted",
    "verified",
    "routed",
    "closed",
  ];
  const deaths = (["asynchronous", "synchronous"] as const).flatMap((mode) =>
    steps.flatMap((record) => [false, true].map((torn) => ({ mode, record, torn }))),
  );
  test.each(deaths)("goes on after it died at $record ($mode, torn: $torn)", ({ mode, record, torn }) => {
    for (const seed of [1, 2, 3]) {
      const { world, a } = healthy(mode, seed);
      world.dieAt = { record, torn };
      world.crashNode(a);
      world.run(20_000);
      expectSound(world);
      expect(world.dieAt).toBeNull();
      expect(world.kept).toMatchObject({ primary: "b", decision: null });
      expect(new Set(find(world, "promoting").map((entry) => entry.epoch)).size).toBe(1);
      expect(world.watch.promotions).toBe(1);
      // The promotion, a restart of the control plane after 1 s, and a whole lease waited for again.
      expect(world.watch.longestGapMs).toBeLessThan(4_500 + 1_000 + 3_500);
    }
  });
});

describe("a person", () => {
  test("is asked in manual mode, and nothing happens before", () => {
    const { world, a } = healthy("asynchronous", 1, { manual: true });
    const pages: string[] = [];
    world.onPage = (_, because) => pages.push(because);
    world.crashNode(a);
    world.run(10_000);
    expect(pages).toEqual(["failover of a awaits approval: every failover needs approval"]);
    expect(world.kept.promised).toBe(2);
    world.stepControl({ kind: "approve", epoch: 2, by: "someone", reason: "", acceptLoss: false });
    expect(world.kept.decision?.phase).toBe("awaiting-approval");
    world.stepControl({ kind: "approve", epoch: 3, by: "someone", reason: "it is dead", acceptLoss: false });
    world.run(10_000);
    expectSound(world);
    expect(world.kept.primary).toBe("b");
  });

  test("is asked before more than the RPO is lost", () => {
    const { world, a, b } = healthy("asynchronous", 1);
    world.crashNode(b);
    world.run(5_000);
    expect(world.kept.eligible.members).toEqual([]);
    world.run(5_000);
    world.crashNode(a);
    world.startNode(b);
    world.run(20_000);
    expect(kinds(world)).not.toContain("intended");
    world.onPage = (epoch) =>
      world.stepControl({ kind: "approve", epoch, by: "someone", reason: "", acceptLoss: true });
    world.stepControl({ kind: "force", by: "someone", reason: "a is burnt" });
    world.run(20_000);
    expectSound(world);
    expect(world.kept.primary).toBe("b");
    expect(world.watch.lost).toBeGreaterThan(RPO);
    expect(find(world, "chosen")).toMatchObject([{ proof: { how: "accepted-loss", by: "someone" } }]);
  });

  test("pauses it", () => {
    const { world, a } = healthy("asynchronous", 1);
    world.stepControl({ kind: "pause", by: "someone" });
    world.crashNode(a);
    world.run(10_000);
    expect(kinds(world)).not.toContain("intended");
    world.stepControl({ kind: "resume", by: "someone" });
    world.run(10_000);
    expect(world.kept.primary).toBe("b");
    expectSound(world);
  });
});

test("a flapping link is one failover, and none follows without approval until redundancy is back", () => {
  const { world, a } = healthy("asynchronous", 5);
  for (let flap = 0; flap < 8; flap += 1) {
    cutOff(world, a, true);
    world.run(4_000);
    cutOff(world, a, false);
    world.run(1_000);
  }
  world.run(20_000);
  expectSound(world);
  const failovers = find(world, "intended").filter((record) => record.decision === "failover");
  expect(failovers.length).toBe(1);
});
