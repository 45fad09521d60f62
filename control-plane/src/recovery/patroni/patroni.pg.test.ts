/** Adopted clusters on a real PostgreSQL, against a made-up Patroni over HTTP; the real one is met in e2e/scenarios. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readEntries } from "../../journal/journal.module.js";
import { silentLogger } from "../../platform/logger.js";
import type { Database } from "../../platform/postgres/database.js";
import { fakeSystem } from "../../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/test-database.js";
import { accountDecision } from "../domain/account-decision.js";
import { checkLog } from "../domain/patroni/patroni-cluster.js";
import { Adoption, FailoverDesk, PatroniLoop, readClusters } from "../recovery.module.js";
import { readDecisions } from "../recovery.store.js";
import { readRequest } from "../requests.store.js";
import { readAdopted, readAdoptedCluster, readPatroniLog, takeAdoptedTerm } from "./patroni.store.js";
import { MadePatroni, USER } from "./testing/made-patroni.js";

const ann = { kind: "human", name: "ann" } as const;
const bob = { kind: "human", name: "bob" } as const;
const CLUSTER = "orders";

let fixture: TestDatabase;
let patroni: MadePatroni;
beforeEach(async () => {
  fixture = await createTestDatabase();
  patroni = await MadePatroni.start();
}, 60_000);
afterEach(async () => {
  await patroni.stop();
  await fixture.close();
});

function house(database: Database = fixture.database) {
  const system = fakeSystem();
  const shared = {
    database,
    system,
    guard: <T>(_service: string, call: () => Promise<T>) => call(),
    credentialsOf: () => USER,
  };
  const samples = new Map<string, number>();
  const open = (): PatroniLoop =>
    new PatroniLoop({
      ...shared,
      logger: silentLogger,
      mayLead: () => true,
      append: async (some) => {
        for (const { labels, value } of some) samples.set(labels["__name__"] ?? "", value);
      },
    });
  let loop = open();
  const desk = new FailoverDesk({ database: fixture.database, system, wake: () => loop.wake() });
  const adoption = new Adoption({ ...shared, database: fixture.database, wake: () => loop.wake() });
  return {
    desk,
    adoption,
    system,
    samples,
    adopt: (more: { readonly manual?: boolean; readonly endpoints?: readonly string[] } = {}) =>
      adoption.adopt(
        CLUSTER,
        { endpoints: patroni.endpoints, manual: false, failoversPerHourMax: 0, ...more },
        ann,
      ),
    /** Lets time pass until it holds. */
    pass: async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
      for (let beats = 0; beats < 400; beats++) {
        system.clock.advance(250);
        await loop.run();
        await new Promise((resolve) => setTimeout(resolve, 10));
        if (await holds()) return;
      }
      throw new Error(`${what}: not within 100 s; ${JSON.stringify(await stored())}`);
    },
    restart: async () => {
      await loop.stop();
      loop = open();
    },
    stop: () => loop.stop(),
  };
}

const stored = async () => {
  const found = (await readAdopted(fixture.database))[0];
  if (found === undefined) throw new Error("not adopted");
  return found;
};
const calm = async (leader: string): Promise<boolean> => {
  const { state } = await stored();
  return state.leader === leader && state.decision === null;
};
const newest = async () => {
  const [decision] = await readDecisions(fixture.database, { cluster: CLUSTER, limit: 1 });
  return decision && accountDecision(decision.records);
};

describe("an adopted cluster", () => {
  test("is handed over by plan, and Patroni is asked once; reading shows no password", async () => {
    const { adopt, desk, pass, samples, stop } = house();
    await adopt();
    await pass("the first look", async () => (await stored()).observed !== undefined);
    const wish = { cluster: CLUSTER, kind: "switchover", to: "b" } as const;
    const { hash, against, needsApproval } = await desk.plan(wish);
    expect([against, needsApproval]).toEqual([[], false]);
    const request = await desk.request({ ...wish, planHash: hash, reason: "a kernel", drill: "" }, ann);
    await pass("the hand-over", () => calm("b"));
    expect(patroni.asked).toEqual([`POST /switchover {"leader":"a","candidate":"b"}`]);
    expect(patroni.shownToReaders).toBe(0);
    expect(await newest()).toMatchObject({
      kind: "switchover",
      candidate: "b",
      outcome: "done",
      missingBytes: 0,
    });
    expect(await readRequest(fixture.database, request.id)).toMatchObject({ state: "done", epoch: 1 });
    await pass("series", () => samples.get("mainstay_failover_owner_open") === 1);
    expect(samples.get("mainstay_failover_eligible_members")).toBe(1);
    await stop();
    // The clusters that agents keep are others.
    expect(await readClusters(fixture.database)).toEqual([]);
    const journal = JSON.stringify(await readEntries(fixture.database, { limit: 1_000 }));
    expect(journal).toContain("recovery.patroni-asked");
    expect(journal).not.toContain(USER.password);
  }, 60_000);

  test.each([1, 2, 3, 4])(
    "killed after write %i, with its answers lost, it changes its owner once",
    async (at) => {
      let writes = 0;
      const mortal = new Proxy(fixture.database, {
        get: (target, name) => {
          if (name !== "transaction") {
            const value: unknown = Reflect.get(target, name, target);
            return typeof value === "function" ? value.bind(target) : value;
          }
          return async (work: Parameters<Database["transaction"]>[0]) => {
            const answer = await target.transaction(work);
            if ((answer as { kind?: string } | undefined)?.kind === "written" && ++writes === at) {
              throw new Error("killed");
            }
            return answer;
          };
        },
      });
      const { adopt, desk, pass, restart, stop } = house(mortal);
      await adopt();
      await pass("the first look", async () => (await stored()).observed !== undefined);
      patroni.mute = true;
      const wish = { cluster: CLUSTER, kind: "switchover", to: "b" } as const;
      const { hash } = await desk.plan(wish);
      await desk.request({ ...wish, planHash: hash, reason: "a kernel", drill: "" }, ann);
      await pass("it to be begun", async () => (await stored()).state.taken === 1);
      await restart();
      await pass("the hand-over", () => calm("b"));
      expect(patroni.timeline).toBe(2);
      expect(await newest()).toMatchObject({ epoch: 1, candidate: "b", outcome: "done" });
      expect(checkLog(await readPatroniLog(fixture.database, CLUSTER))).toEqual([]);
      expect(writes).toBeGreaterThanOrEqual(at);
      await stop();
    },
    60_000,
  );

  test("refused by Patroni it stays as it was, and that is told", async () => {
    const { adopt, desk, pass, stop } = house();
    await adopt();
    await pass("the first look", async () => (await stored()).observed !== undefined);
    patroni.refusal = { status: 412, text: "switchover is not possible: no good candidates have been found" };
    const wish = { cluster: CLUSTER, kind: "switchover", to: "b" } as const;
    const { hash } = await desk.plan(wish);
    await desk.request({ ...wish, planHash: hash, reason: "a kernel", drill: "" }, ann);
    await pass("the end", async () => (await newest())?.outcome === "aborted");
    expect((await newest())?.steps.at(-1)?.says).toContain("no good candidates");
    expect(patroni.timeline).toBe(1);
    await stop();
  }, 60_000);

  test("is failed over by Patroni, and the log tells of it", async () => {
    const { adopt, pass, stop } = house();
    await adopt();
    await pass("the first look", async () => (await stored()).observed !== undefined);
    patroni.up.delete("a");
    patroni.leader = null;
    await pass("the loss", async () => (await stored()).state.decision?.phase === "lost");
    patroni.lsn -= 40;
    patroni.promote("b");
    await pass("the failover", () => calm("b"));
    const told = await newest();
    expect(told).toMatchObject({ kind: "failover", from: "a", candidate: "b", missingBytes: 40 });
    expect(told?.rto).toBeGreaterThan(0);
    await stop();
  }, 60_000);

  test("with every failover needing a person another has to say yes; let go, Patroni is in charge again", async () => {
    const { adopt, adoption, desk, pass, stop, system } = house();
    await adopt({ manual: true });
    await pass("maintenance mode", () => patroni.paused);
    const wish = { cluster: CLUSTER, kind: "switchover", to: "b" } as const;
    const { hash } = await desk.plan(wish);
    const { id } = await desk.request({ ...wish, planHash: hash, reason: "a kernel", drill: "" }, ann);
    await expect(desk.decideRequest(CLUSTER, id, true, "yes", ann)).rejects.toThrow("another person");
    await desk.decideRequest(CLUSTER, id, true, "as announced", bob);
    await pass("the hand-over", () => calm("b"));
    expect(await newest()).toMatchObject({ approvedBy: "bob" });
    await desk.release(CLUSTER, ann, "no more");
    const left = adoption.letGo(CLUSTER, ann);
    for (let beats = 0; beats < 20 && patroni.paused; beats++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    system.clock.advance(1_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    system.clock.advance(1_000);
    await left;
    expect(patroni.paused).toBe(false);
    expect(await readAdoptedCluster(fixture.database, CLUSTER)).toBe(undefined);
    await stop();
    // It comes back under its name, and its decisions go on counting.
    await adopt();
    expect((await stored()).state).toMatchObject({ leader: "b", timeline: 2, taken: 1, pausing: "no" });
    expect(checkLog(await readPatroniLog(fixture.database, CLUSTER))).toEqual([]);
  }, 60_000);

  test("is not adopted while nobody is open, without all its members, or twice", async () => {
    const { adopt } = house();
    await expect(adopt({ endpoints: ["ftp://x"] })).rejects.toThrow("endpoint 1 is not http");
    await expect(adopt({ endpoints: ["http://u:hunter2@x"] })).rejects.not.toThrow("hunter2");
    await expect(adopt({ endpoints: [patroni.endpoint("a")] })).rejects.toThrow("that of b");
    patroni.leader = null;
    await expect(adopt()).rejects.toThrow("no member says that it takes writes");
    patroni.leader = "a";
    await adopt();
    await expect(adopt()).rejects.toThrow("registered already");
  }, 60_000);

  test("is looked at by whoever took the last term only", async () => {
    const { adopt, pass, stop } = house();
    await adopt();
    await pass("the first look", async () => (await stored()).observed !== undefined);
    await takeAdoptedTerm(fixture.database, CLUSTER);
    patroni.promote("b");
    // The one that was succeeded finds it out, and begins anew with a term of its own.
    await pass("the move", () => calm("b"));
    expect((await newest())?.epoch).toBe(1);
    await stop();
  }, 60_000);
});
