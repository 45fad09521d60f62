/** Drills over a real PostgreSQL; the hands that carry them out are a test's, and remember what they were asked for. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import { OpsError } from "../kernel/errors.js";
import { DAY, HOUR, MINUTE, SECOND } from "../kernel/time.js";
import { silentLogger } from "../platform/logger.js";
import { sql } from "../platform/postgres/sql.js";
import { type FakeSystem, fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import type { RestoreReport } from "../recovery/domain/restore-report.js";
import { drillsOf, readOpenRun, readRun, readRuns, standDrills } from "../recovery/recovery.module.js";
import type { Topology } from "../topology/domain/component.js";
import { DrillDesk } from "./drill-desk.js";
import type { DrillHand, Seen } from "./drill-hand.js";
import { DrillLoop } from "./drills.loop.js";

const ann: Actor = { kind: "human", name: "ann" };
const component = (id: string, kind: "restore" | "switchover", byItself: boolean): Topology[number] => ({
  id,
  title: id,
  selector: undefined,
  dependsOn: [],
  criticality: "high",
  objectives: [{ source: "a test", rto: MINUTE, rpo: HOUR }],
  drills: [
    {
      kind,
      every: 10 * DAY,
      byItself,
      windows: [],
      atMost: HOUR,
      restore: kind === "restore" ? { node: "n", repository: "r", to: "newest" } : undefined,
    },
  ],
});
const topology: Topology = [
  component("one", "restore", true),
  component("two", "restore", true),
  component("three", "switchover", false),
];
const report: RestoreReport = {
  repository: "r",
  component: "one",
  backup: "b",
  to: undefined,
  begunAt: 0,
  steps: { restore: 5 },
  rto: SECOND,
  rpo: SECOND,
  newestAt: undefined,
  measuredBy: "marker",
  bytes: 1,
  says: ["whole"],
  probes: { rows: 3 },
  failedAt: undefined,
  because: undefined,
  destroyed: true,
};
const passed: Seen = { kind: "ended", score: { last: "passed", score: 100, because: "in time" }, report };
const failed: Seen = {
  kind: "ended",
  score: { last: "failed", score: 0, because: "damaged" },
  report: undefined,
};

let fixture: TestDatabase;
beforeAll(async () => {
  fixture = await createTestDatabase();
}, 60_000);
afterAll(() => fixture.close());

let system: FakeSystem;
let asked: string[];
let called: string[];
let seen: Seen;
let against: string | undefined;
let frozen: string | undefined;
let held: string | undefined;
let trouble: Map<string, string>;
let samples: { readonly name: string; readonly value: number }[];

beforeEach(() => {
  system = fakeSystem();
  [asked, called, samples] = [[], [], []];
  seen = { kind: "open", because: "running" };
  against = frozen = held = undefined;
  trouble = new Map();
});
afterEach(async () => {
  await fixture.database.query(sql`delete from drill_run`);
  await fixture.database.query(sql`delete from drill_seen`);
});

/** A replica; another one made over the same database is one that was started after the first was killed. */
function replica(changes: Partial<DrillHand> = {}) {
  const hand: DrillHand = {
    reach: ({ id }) => `what ${id} reaches`,
    whyNot: async () => against,
    ask: async ({ id }) => {
      asked.push(id);
      return { kind: "asked", reference: `command-of-${id}` };
    },
    look: async () => seen,
    abort: async (_run, because) => {
      called.push(because);
    },
    ...changes,
  };
  const hands = { restore: hand, switchover: hand };
  const { database } = fixture;
  const drills = () => drillsOf(topology);
  const desk: DrillDesk = new DrillDesk({
    database,
    system,
    drills,
    hands,
    frozen: () => frozen,
    anyMoment: async () => undefined,
    wake: () => undefined,
  });
  const driver = new DrillLoop({
    database,
    system,
    logger: silentLogger,
    mayLead: () => true,
    topology: () => topology,
    drills,
    desk,
    hands,
    frozen: () => frozen,
    held: async () => held,
    trouble: async () => trouble,
    append: async (told) => {
      for (const { labels, value } of told)
        samples.push({ name: `${labels["__name__"]} ${labels["component"]}`, value });
    },
  });
  const beat = async (after = 20 * SECOND): Promise<void> => {
    system.clock.advance(after);
    await driver.run(system.clock.now());
  };
  return { desk, beat };
}

const open = () => readOpenRun(fixture.database);
const newest = async () => (await readRuns(fixture.database, { limit: 1 }))[0];

describe("drills", () => {
  test("begin by themselves, one after the other, and are scored, reported and journalled", async () => {
    const { beat } = replica();
    await beat();
    const first = await open();
    expect(first).toMatchObject({
      drill: "one-restore",
      begunBy: { kind: "system" },
      reach: "what one-restore reaches",
    });
    await beat();
    await beat();
    expect(asked).toEqual([first?.id]);
    expect(await readRuns(fixture.database, { limit: 9 })).toHaveLength(1);
    seen = passed;
    await beat();
    expect(await newest()).toMatchObject({
      state: "passed",
      score: 100,
      report: { backup: "b", probes: { rows: 3 } },
    });
    await beat();
    expect(await open()).toMatchObject({ drill: "two-restore" });
    const entries = await readEntries(fixture.database, { subject: "drill:one-restore", limit: 10 });
    expect(entries.map(({ kind }) => kind).sort()).toEqual(["drill.asked", "drill.begun", "drill.passed"]);
    expect(samples).toContainEqual({ name: "mainstay_objective_rpo_seconds one", value: 3_600 });
  });

  test("are gone on with by whoever comes after, whenever the one before was killed", async () => {
    // Killed between beginning and asking, and after asking before that was written down.
    const killed = replica({
      ask: async ({ id }) => {
        asked.push(id);
        throw new Error("killed");
      },
    });
    await killed.beat();
    await expect(killed.beat()).rejects.toThrow("killed");
    const run = await open();
    const next = replica();
    await next.beat();
    // Asked for again under the same name: the hand finds what was asked for before.
    expect(asked).toEqual([run?.id, run?.id]);
    seen = passed;
    await replica().beat();
    expect(await readRun(fixture.database, run?.id ?? "")).toMatchObject({ state: "passed" });
    expect(asked).toHaveLength(2);
  });

  test("are never two at once, whoever begins them", async () => {
    const { desk } = replica();
    const wishes = ["one-restore", "two-restore", "three-switchover"].map((id) =>
      desk.run(id, "a test", ann),
    );
    const outcomes = await Promise.allSettled(wishes);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes)
      if (outcome.status === "rejected") expect(String(outcome.reason)).toContain("never a second one");
  });

  test.each([
    { when: "a freeze holds", set: () => (frozen = 'freeze "f": the books') },
    { when: "its hand finds something against it", set: () => (against = "the node is not live") },
  ])("are begun by nobody while $when", async ({ set }) => {
    const because = set();
    const { desk, beat } = replica();
    await beat();
    expect(await open()).toBeUndefined();
    await expect(desk.run("one-restore", "a test", ann)).rejects.toThrow(because);
    await expect(desk.run("one-restore", "a test", ann)).rejects.toBeInstanceOf(OpsError);
  });

  test("do not begin by themselves while the brake is tripped, nor about a component in trouble", async () => {
    const { beat } = replica();
    held = "the brake is tripped";
    await beat();
    expect(await open()).toBeUndefined();
    held = undefined;
    trouble.set("one", "an alert");
    await beat();
    expect(await open()).toMatchObject({ drill: "two-restore" });
  });

  test("that a person begins say who, and need a reason and a name that is defined", async () => {
    const { desk } = replica();
    await expect(desk.run("one-restore", " ", ann)).rejects.toThrow("reason: empty");
    await expect(desk.run("none", "a test", ann)).rejects.toThrow('no drill "none"');
    await desk.run("three-switchover", "a test", ann);
    expect(await open()).toMatchObject({ begunBy: ann, reason: "a test", kind: "switchover" });
  });

  test("that are called off end aborted, as soon as their hand says so", async () => {
    const { desk, beat } = replica();
    const run = await desk.run("one-restore", "a test", ann);
    await beat();
    await desk.abort(run.id, "not now", ann);
    await beat();
    expect(called).toEqual(["ann: not now"]);
    expect(await open()).toBeDefined();
    seen = failed;
    await beat();
    expect(await newest()).toMatchObject({ state: "aborted", because: "ann: not now; damaged" });
    await expect(desk.abort(run.id, "again", ann)).rejects.toThrow("has ended: aborted");
  });

  test("that were called off before anything was asked for ask for nothing", async () => {
    const { desk, beat } = replica();
    const run = await desk.run("one-restore", "a test", ann);
    await desk.abort(run.id, "not now", ann);
    await beat();
    expect(asked).toEqual([]);
    expect(await newest()).toMatchObject({ state: "aborted" });
  });

  test.each([
    {
      when: "its component gets into trouble",
      happens: () => void trouble.set("one", "an alert is firing"),
      says: "an alert",
    },
    {
      when: "it takes longer than it may",
      happens: () => system.clock.advance(2 * HOUR),
      says: "not over after 1h",
    },
  ])("are called off when $when", async ({ happens, says }) => {
    const { desk, beat } = replica();
    await desk.run("one-restore", "a test", ann);
    await beat();
    happens();
    await beat();
    expect(called[0]).toContain(says);
  });

  test("whose request is refused for good have failed, and are told why", async () => {
    const { desk, beat } = replica({
      ask: async () => {
        throw new OpsError("FAILED_PRECONDITION", "the agent does not offer it");
      },
    });
    await desk.run("one-restore", "a test", ann);
    await beat();
    expect(await newest()).toMatchObject({ state: "failed", because: "the agent does not offer it" });
  });

  test("are overdue when they were not passed for longer than their pace", async () => {
    const { beat, desk } = replica();
    await desk.run("one-restore", "a test", ann);
    seen = failed;
    await beat();
    await beat();
    const stood = async () =>
      (await standDrills(fixture.database, topology, system.clock.now())).find(
        ({ drill }) => drill.id === "one-restore",
      )?.standing;
    expect(await stood()).toMatchObject({ overdue: false, last: "failed" });
    system.clock.advance(10 * DAY + SECOND);
    expect(await stood()).toMatchObject({ overdue: true });
  });
});
