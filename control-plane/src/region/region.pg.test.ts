import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readEntries } from "../journal/journal.module.js";
import type { Caller } from "../kernel/caller.js";
import { silentLogger } from "../platform/logger.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { parseComponents } from "../topology/domain/component.js";
import { accountRun } from "./domain/account-run.js";
import { parseRegions } from "./domain/parse-regions.js";
import type { RegionPlan } from "./domain/region-plan.js";
import type { Seen } from "./domain/standing.js";
import type { ActAnswer, Driver, Drivers, VerifyAnswer } from "./driver.js";
import { RegionLoop } from "./region.loop.js";
import { readRecords, readRun } from "./region.store.js";
import { RegionDesk } from "./region-desk.js";

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db?.close());

const ann: Caller = { actor: { kind: "human", name: "ann" }, roles: ["operator"], tokenId: "a" };
const bob: Caller = { actor: { kind: "human", name: "bob" }, roles: ["approver"], tokenId: "b" };

function regionsOf(id: string, overBudget = "ask"): readonly RegionPlan[] {
  const parsed = parseRegions(
    {
      regions: [
        {
          ...{ id, to: "west", rto: "1m", overBudget },
          steps: [
            { id: "cache", do: "redis", component: "redis", from: "e:1", to: "w:1", budget: "10s" },
            { id: "try", do: "verify", requests: [{ url: "http://w/" }], budget: "10s" },
            { id: "dns", do: "traffic", target: "api", to: "west", budget: "10s" },
          ],
        },
      ],
    },
    () => 1,
  );
  if ("faults" in parsed) throw new Error(parsed.faults.join("; "));
  return parsed.value;
}
const components = parseComponents(
  {
    components: [
      { id: "redis", criticality: "high", objectives: [{ source: "test", rto: "5m", rpo: "1m" }] },
    ],
  },
  () => 1,
);
const topology = "value" in components ? components.value : [];

/** A part that does as it is told; what was done to it is kept. */
class Part {
  seen: Seen = { from: "lost", to: "ready", asOf: 0, because: "it is lost" };
  acts: ActAnswer[] = [];
  done = 0;
  verifies: VerifyAnswer["kind"] = "verified";
  readonly driver: Driver<never> = {
    observe: async () => this.seen,
    act: async () => {
      const next = this.acts.shift();
      if (next !== undefined) return next;
      this.done++;
      return { kind: "acted", because: "done" };
    },
    verify: async () => ({ kind: this.verifies, because: "seen" }),
  };
}

async function houseOf(id: string, overBudget?: string) {
  const system = fakeSystem();
  const [cache, outside, dns] = [new Part(), new Part(), new Part()];
  cache.seen = { from: "lost", to: "ready", asOf: system.clock.now(), because: "it is lost" };
  for (const part of [outside, dns]) part.seen = { from: "none", to: "ready", because: "ready" };
  const none = new Part().driver;
  const drivers: Drivers = {
    ...{ fence: none, promote: none, vault: none, scale: none, status: none },
    ...{ redis: cache.driver, verify: outside.driver, traffic: dns.driver },
  };
  const regions = regionsOf(id, overBudget);
  let leads = true;
  const loopOf = () =>
    new RegionLoop({
      ...{ database: db.database, system, logger: silentLogger, drivers },
      mayLead: () => true,
      stillLeads: async () => leads,
      regions: () => regions,
      topology: () => topology,
    });
  let loop = loopOf();
  const desk = new RegionDesk({
    ...{ database: db.database, system, wake: () => {} },
    regions: () => regions,
    topology: () => topology,
  });
  const beat = async (times = 1): Promise<void> => {
    for (let time = 0; time < times; time++) {
      await loop.run(new AbortController().signal);
      await loop.settled();
      system.clock.advance(1_500);
    }
  };
  return {
    ...{ system, cache, outside, dns, desk, beat },
    /** Whoever drives it dies; another goes on with what is stored. */
    crash: () => {
      loop = loopOf();
    },
    succeed: (now: boolean) => {
      leads = now;
    },
    begin: async () => {
      await beat();
      const { hash } = await desk.plan(id);
      return desk.run(id, hash, "it is lost", ann);
    },
    state: async () => (await readRun(db.database, id, 0))?.state,
    kinds: async () => (await readRecords(db.database, id, 1)).map(({ kind }) => kind),
  };
}

describe("a region's run", () => {
  test("goes on where it stood, whoever dies after which record, and does each step once", async () => {
    const house = await houseOf("crashes");
    await house.begin();
    for (let time = 0; time < 20; time++) {
      house.crash();
      await house.beat();
    }
    expect(await house.kinds()).toEqual([
      "begun",
      ...["acting", "acted", "done", "acting", "acted", "done", "acting", "acted", "done"],
      "closed",
    ]);
    expect([house.cache.done, house.outside.done, house.dns.done]).toEqual([1, 1, 1]);
    const entries = await readEntries(db.database, { subject: "region:crashes", limit: 100 });
    expect(entries.map(({ kind }) => kind).sort()).toEqual(
      (await house.kinds()).map((kind) => `region.${kind}`).sort(),
    );
    const account = accountRun(
      regionsOf("crashes")[0] as RegionPlan,
      await readRecords(db.database, "crashes", 1),
      topology,
    );
    expect(account?.components[0]).toMatchObject({ component: "redis", verdict: "met" });
  });

  test("is begun by the hash of what was seen, once, and the next one has a higher epoch", async () => {
    const house = await houseOf("hashes");
    await house.beat();
    await expect(house.desk.run("hashes", "0".repeat(64), "why", ann)).rejects.toThrow(/another hash/);
    const { hash } = await house.desk.plan("hashes");
    const begun = await Promise.allSettled([1, 2].map(() => house.desk.run("hashes", hash, "why", ann)));
    expect(begun.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect((await house.desk.plan("hashes")).against).toContain("run 1 of hashes is open");
    await house.desk.abort("hashes", 1, "it is back", ann.actor);
    await expect(house.desk.abort("hashes", 1, "again", ann.actor)).rejects.toThrow(/is over: aborted/);
    expect((await house.desk.plan("hashes")).epoch).toBe(2);
  });

  test("waits for another person where more than the RPO would be lost; who asked never approves", async () => {
    const house = await houseOf("losses");
    house.cache.seen = { ...house.cache.seen, asOf: house.system.clock.now() - 120_000 };
    const run = await house.begin();
    expect(run.state.phase).toBe("awaiting-approval");
    await house.beat(3);
    expect(house.cache.done).toBe(0);
    await expect(
      house.desk.decide("losses", 1, "approve", "yes", { ...ann, roles: ["admin"] }),
    ).rejects.toThrow(/another person/);
    await house.desk.decide("losses", 1, "approve", "yes", bob);
    await house.beat(12);
    expect((await house.state())?.phase).toBe("closed");
  });

  test("asks when the part that was lost is back before it is begun, and goes on when another says so", async () => {
    const house = await houseOf("returns");
    await house.begin();
    house.cache.seen = { ...house.cache.seen, from: "alive", because: "it answers" };
    await house.beat(2);
    const state = await house.state();
    expect(state?.question).toMatchObject({ about: "evidence", step: "cache" });
    expect(house.cache.done).toBe(0);
    await expect(
      house.desk.decide("returns", 1, "continue", "x", { ...ann, roles: ["admin"] }),
    ).rejects.toThrow(/another person/);
    await house.desk.decide("returns", 1, "continue", "it is cut off for clients", bob);
    await house.beat(12);
    expect((await house.state())?.phase).toBe("closed");
  });

  test("that is over its budget asks, and whoever began it may say to go on", async () => {
    const house = await houseOf("slow");
    await house.begin();
    house.cache.verifies = "not-yet";
    await house.beat(9);
    expect((await house.state())?.question?.about).toBe("budget");
    await house.desk.decide("slow", 1, "continue", "it is nearly there", ann);
    house.cache.verifies = "verified";
    await house.beat(9);
    expect((await house.state())?.phase).toBe("closed");
  });

  test("with a policy to abort is aborted over its budget, and its traffic stays", async () => {
    const house = await houseOf("strict", "abort");
    await house.begin();
    house.outside.verifies = "not-yet";
    await house.beat(15);
    expect((await house.state())?.phase).toBe("aborted");
    expect(house.dns.done).toBe(0);
    const [aborted] = (await readRecords(db.database, "strict", 1)).filter(({ kind }) => kind === "aborted");
    expect(aborted).toMatchObject({ done: ["cache"], underWay: ["try"], left: ["dns"] });
  });

  test("is not written by a replica that was succeeded", async () => {
    const house = await houseOf("deposed");
    await house.begin();
    house.succeed(false);
    await house.beat(5);
    expect(await house.kinds()).toEqual(["begun"]);
    house.succeed(true);
    await house.beat(12);
    expect((await house.state())?.phase).toBe("closed");
  });

  test("tells what moving took the last time, and adds it up along the longest way", async () => {
    const house = await houseOf("again");
    await house.begin();
    await house.beat(12);
    const plan = await house.desk.plan("again");
    expect(plan.steps.map(({ tookMs }) => tookMs !== undefined)).toEqual([true, true, true]);
    expect(plan.totalMs).toBeLessThan(plan.totalBudgetMs);
    expect(plan.totalBudgetMs).toBe(30_000);
  });
});
