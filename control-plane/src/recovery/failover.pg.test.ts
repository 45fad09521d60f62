/** The loop on a real PostgreSQL, against agents and databases of the simulator, in its time. */

import { checkTrace } from "@mainstay/proto/failover/check-trace";
import type { ControlEvent } from "@mainstay/proto/failover/control-state";
import { localPolicy } from "@mainstay/proto/failover/policy";
import { soundRules } from "@mainstay/proto/failover/rules";
import { World } from "@mainstay/proto/failover/simulator/world";
import { CONTROL_PLANE } from "@mainstay/proto/failover/words";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLogger } from "../platform/logger.js";
import type { Database } from "../platform/postgres/database.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { FailoverDesk, FailoverLoop, readClusters } from "./recovery.module.js";
import { readRecords } from "./recovery.store.js";
import { readRequests } from "./requests.store.js";

const ann = { kind: "human", name: "ann" } as const;
const bob = { kind: "human", name: "bob" } as const;
const STEP_MS = 20;

/** The simulator's world with its own control plane left out: what is said to it goes to the loop. */
class Hosts extends World {
  heard: (event: ControlEvent) => void = () => undefined;
  override stepControl(event: ControlEvent): void {
    this.heard?.(event);
  }
}

let fixture: TestDatabase;
beforeEach(async () => {
  fixture = await createTestDatabase();
}, 60_000);
afterEach(() => fixture.close());

let clusters = 0;

interface HouseOptions {
  readonly manual?: boolean;
  readonly database?: Database;
  readonly poolers?: readonly string[];
}

async function house(options: HouseOptions = {}) {
  const database = options.database ?? fixture.database;
  const policy = localPolicy(["a", "b"], {
    mode: "synchronous",
    rpoBytes: 0,
    manual: options.manual ?? false,
    ...(options.poolers === undefined ? {} : { poolers: options.poolers }),
  });
  const cluster = `c${++clusters}`;
  const system = fakeSystem();
  const hosts = new Hosts({ policy, rules: soundRules, seed: 7, drift: 0, tell: null });
  const samples: { readonly name: string; readonly value: number }[] = [];
  const openLoop = (): FailoverLoop =>
    new FailoverLoop({
      database,
      system,
      logger: silentLogger,
      mayLead: () => true,
      topology: () => [],
      send: (of, node, message) => {
        if (of === cluster) hosts.send(CONTROL_PLANE, node, message);
      },
      pool: (of, node, order) => {
        if (of === cluster) hosts.poolers.order(node, order);
      },
      append: async (some) => {
        for (const { labels, value } of some) samples.push({ name: labels["__name__"] ?? "", value });
      },
    });
  let loop = openLoop();
  hosts.heard = (event) => {
    if (event.kind === "message") loop.hear(cluster, event.from, event.message);
    if (event.kind === "pooler") loop.hearPooler(cluster, event.from, event.report);
  };
  const desk = new FailoverDesk({ database: fixture.database, system, wake: () => loop.wake() });
  await desk.register(cluster, policy, "a", ann);
  /** Lets time pass until `until` holds; fails after a minute of the world's time. */
  const pass = async (until: () => boolean | Promise<boolean>, what: string): Promise<void> => {
    for (let passed = 0; passed < 60_000; passed += STEP_MS) {
      hosts.run(STEP_MS);
      expect(hosts.watch.violation).toBe(null);
      system.clock.advance(STEP_MS);
      await loop.run();
      await loop.settled();
      if (passed % 200 === 0 && (await until())) return;
    }
    throw new Error(`${what}: not within a minute`);
  };
  const stored = async () => {
    const found = (await readClusters(fixture.database)).find((one) => one.cluster === cluster);
    if (found === undefined) throw new Error("not registered");
    return found;
  };
  return {
    cluster,
    policy,
    hosts,
    desk,
    system,
    samples,
    pass,
    stored,
    restart: async () => {
      await loop.stop();
      loop = openLoop();
    },
    stop: () => loop.stop(),
    redundant: () =>
      pass(async () => {
        const { state } = await stored();
        return state.eligible.members.length === 1 && state.decision === null;
      }, "redundancy"),
  };
}

/** Each commit that writes records may be the last thing its process does: from a moment on, each of them is. */
function mortal(): { readonly database: Database; readonly dieFromNowOn: () => void } {
  let dies = false;
  const database = new Proxy(fixture.database, {
    get: (target, name) => {
      if (name !== "transaction") {
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      }
      return async (work: Parameters<Database["transaction"]>[0]) => {
        const answer = await target.transaction(work);
        const wrote = (answer as { kind?: string } | undefined)?.kind === "written";
        if (wrote && dies) throw new Error("killed");
        return answer;
      };
    },
  });
  return {
    database,
    dieFromNowOn: () => {
      dies = true;
    },
  };
}

describe("a cluster under failover", () => {
  test("is opened, fails over when its owner is lost, and takes the old one back", async () => {
    const { hosts, redundant, pass, stored, cluster, policy, samples, stop } = await house();
    await redundant();
    const before = (await stored()).state;
    expect(before.primary).toBe("a");
    const [a] = hosts.nodes;
    if (a === undefined) throw new Error("no node");
    hosts.crashNode(a);
    await pass(async () => (await stored()).state.primary === "b", "failover");
    hosts.startNode(a);
    await redundant();
    await pass(async () => (await stored()).observed?.seen.members[0]?.streaming === true, "the view");
    const after = await stored();
    expect(after.state).toMatchObject({ primary: "b", eligible: { members: ["a"] } });
    expect(after.observed?.seen.members).toMatchObject([
      { node: "a", role: "replica", streaming: true },
      { node: "b", role: "primary" },
    ]);
    const records = await readRecords(fixture.database, cluster);
    expect(checkTrace(policy, "a", records)).toEqual([]);
    expect(
      records.find((record) => record.kind === "intended" && record.decision === "failover"),
    ).toMatchObject({
      openAt: expect.any(Number),
    });
    expect(samples).toContainEqual({ name: "mainstay_failover_owner_open", value: 1 });
    await stop();
  }, 60_000);

  test("goes on when the control plane is killed after any of its records, with the same candidate", async () => {
    const { database, dieFromNowOn } = mortal();
    const { hosts, redundant, pass, stored, cluster, policy, stop } = await house({ database });
    await redundant();
    const [a] = hosts.nodes;
    if (a === undefined) throw new Error("no node");
    hosts.crashNode(a);
    dieFromNowOn();
    await pass(async () => {
      const { state } = await stored();
      return state.primary === "b" && state.decision === null;
    }, "failover");
    const records = await readRecords(fixture.database, cluster);
    expect(checkTrace(policy, "a", records)).toEqual([]);
    const chosen = records.filter((record) => record.kind === "chosen" && record.candidate === "b");
    const epochs = new Set(chosen.map((record) => (record.kind === "chosen" ? record.epoch : 0)));
    expect(epochs.size).toBe(chosen.length);
    await stop();
  }, 60_000);

  test("changes its owner as planned, and loses nothing", async () => {
    const { desk, redundant, pass, stored, cluster, restart, stop } = await house();
    await redundant();
    const planned = () => desk.plan({ cluster, kind: "switchover", to: "b" });
    await pass(async () => (await planned()).against.length === 0, "the plan");
    const plan = await planned();
    expect(plan).toMatchObject({ from: "a", to: "b", against: [], needsApproval: false });
    const wish = { cluster, kind: "switchover", to: "b", reason: "a kernel", drill: "" } as const;
    await expect(desk.request({ ...wish, planHash: "another" }, ann)).rejects.toThrow("another hash");
    const request = await desk.request({ ...wish, planHash: plan.hash }, ann);
    // Whoever drives it next finds what was asked for.
    await restart();
    await pass(async () => (await stored()).state.primary === "b", "switchover");
    await redundant();
    const [kept] = await readRequests(fixture.database, { cluster, limit: 1 });
    expect(kept).toMatchObject({ id: request.id, state: "done" });
    const records = await readRecords(fixture.database, cluster, kept?.epoch ?? 0);
    expect(records.find((record) => record.kind === "chosen")).toMatchObject({ proof: { how: "complete" } });
    await stop();
  }, 60_000);

  test("holds its clients while it changes its owner, and lets them go on, killed after each record", async () => {
    const { database, dieFromNowOn } = mortal();
    const parts = await house({ database, poolers: ["pool"] });
    const { desk, hosts, redundant, pass, stored, cluster, policy, samples, stop } = parts;
    await redundant();
    const planned = () => desk.plan({ cluster, kind: "switchover", to: "b" });
    await pass(async () => (await planned()).against.length === 0, "the plan");
    const { hash, steps } = await planned();
    expect(steps[0]).toContain("the poolers on pool let what runs end and hold their clients");
    const wish = { cluster, kind: "switchover", to: "b", reason: "a kernel", drill: "" } as const;
    dieFromNowOn();
    hosts.poolers.astrayMs = 0;
    await desk.request({ ...wish, planHash: hash }, ann);
    const [pool] = hosts.poolers.all;
    await pass(async () => {
      const { state } = await stored();
      return state.decision === null && state.taken > 2 && pool?.to === state.primary && !pool.holds;
    }, "the clients to go on");
    const records = await readRecords(fixture.database, cluster);
    expect(checkTrace(policy, "a", records)).toEqual([]);
    expect(records.map(({ kind }) => kind)).toContain("holding");
    expect((await stored()).state.clientsHeldIn).toBeUndefined();
    expect(hosts.poolers.astrayMs).toBe(0);
    await pass(
      async () => samples.some(({ name, value }) => name === "mainstay_failover_pooler_led" && value === 1),
      "the series",
    );
    expect((await stored()).observed?.seen.poolers).toMatchObject([{ node: "pool", holds: false }]);
    await stop();
  }, 60_000);

  test("waits for a person in manual mode, and for another one than who asks", async () => {
    const { desk, hosts, redundant, pass, stored, cluster, stop } = await house({ manual: true });
    await redundant();
    const plan = await desk.plan({ cluster, kind: "force", to: "" });
    expect(plan.needsApproval).toBe(true);
    const wish = {
      cluster,
      kind: "force",
      to: "",
      planHash: plan.hash,
      reason: "it must",
      drill: "",
    } as const;
    const forced = await desk.request(wish, ann);
    expect(forced.state).toBe("waiting-for-approval");
    await expect(desk.decideRequest(cluster, forced.id, true, "yes", ann)).rejects.toThrow("another person");
    expect((await desk.decideRequest(cluster, forced.id, false, "no need", bob)).state).toBe("refused");

    const [a] = hosts.nodes;
    if (a === undefined) throw new Error("no node");
    hosts.crashNode(a);
    await pass(async () => (await stored()).state.decision?.phase === "awaiting-approval", "the question");
    const epoch = (await stored()).state.decision?.epoch ?? 0;
    const answer = { kind: "approve", acceptLoss: false, reason: "it is gone" } as const;
    await expect(desk.decideDecision(cluster, { ...answer, epoch: epoch - 1 }, bob)).rejects.toThrow(
      "not open",
    );
    await desk.decideDecision(cluster, { ...answer, epoch }, bob);
    await pass(async () => (await stored()).state.primary === "b", "failover");
    await stop();
  }, 60_000);

  test("begins nothing while it is paused, and is let go of only when nothing is open", async () => {
    const { desk, hosts, redundant, pass, stored, cluster, stop } = await house();
    await redundant();
    await desk.pause(cluster, true, "maintenance", ann);
    await pass(async () => (await stored()).state.paused, "the pause");
    const [a] = hosts.nodes;
    if (a === undefined) throw new Error("no node");
    hosts.crashNode(a);
    await pass(
      async () => (await stored()).observed?.seen.because.includes("failover is paused") === true,
      "the page",
    );
    expect((await stored()).state).toMatchObject({ primary: "a", decision: null });
    await desk.release(cluster, ann, "it goes elsewhere");
    await expect(desk.plan({ cluster, kind: "switchover", to: "" })).rejects.toThrow("not under failover");
    await stop();
  }, 60_000);
});
