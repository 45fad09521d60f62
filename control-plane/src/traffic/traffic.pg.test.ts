import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import { OpsError } from "../kernel/errors.js";
import { MINUTE, SECOND } from "../kernel/time.js";
import { createBreakers, type Guard, guardOf } from "../platform/breakers.js";
import { silentLogger } from "../platform/logger.js";
import { Metrics } from "../platform/metrics.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import type { SteerOrder, TrafficAdapter } from "./adapters/adapter.js";
import type { TrafficObservation } from "./domain/observation.js";
import type { HaproxyTarget } from "./domain/traffic-target.js";
import { readSteers } from "./steers.store.js";
import { TrafficDriver } from "./traffic.loop.js";
import { TrafficDesk } from "./traffic-desk.js";

/** Something that sends traffic: it keeps an epoch, can be away, and can die after it has done what it was told. */
class Medium implements TrafficAdapter {
  goesTo: readonly string[] = ["a"];
  epoch: number | undefined;
  hold = 30 * SECOND;
  away = false;
  diesAfterSteering = false;
  conflicts = 0;
  readonly steered: SteerOrder[] = [];

  async observe(): Promise<TrafficObservation> {
    if (this.away) throw new OpsError("UNAVAILABLE", "it is away");
    const { goesTo, epoch, hold } = this;
    return { goesTo, epoch, keepsEpoch: true, hold, elsewhere: undefined, because: "it says so" };
  }

  async steer(order: SteerOrder): Promise<"done" | "changed"> {
    if (this.conflicts-- > 0) return "changed";
    this.steered.push(order);
    this.goesTo = [order.to];
    this.epoch = order.epoch;
    this.hold = 5 * SECOND;
    if (this.diesAfterSteering) throw new Error("killed");
    return "done";
  }
}

const ann: Actor = { kind: "human", name: "ann" };
const bob: Actor = { kind: "human", name: "bob" };
let fixture: TestDatabase;
let count = 0;
let medium: Medium;
let target: HaproxyTarget;
let owner: string | undefined;
const system = fakeSystem();

beforeAll(async () => {
  fixture = await createTestDatabase();
}, 60_000);
afterAll(() => fixture.close());
beforeEach(() => {
  medium = new Medium();
  owner = "b";
  target = {
    ...{
      id: `t-${++count}`,
      title: "a target",
      kind: "haproxy",
      cluster: "main",
      approval: true,
      health: {},
    },
    ...{ sockets: ["/none"], backend: "web", endSessions: true, destinations: { a: "a", b: "b", c: "c" } },
  };
});

const policy = () => ({ targets: [target], health: [] });
const driver = (guard: Guard = (_, call) => call()): TrafficDriver =>
  new TrafficDriver({
    database: fixture.database,
    system,
    logger: silentLogger,
    mayLead: () => true,
    policy,
    adapterOf: () => medium,
    guard,
  });
const desk = (): TrafficDesk =>
  new TrafficDesk({
    database: fixture.database,
    system,
    policy,
    observe: () => medium.observe(),
    healthOf: async () => new Map(),
    ownerOf: async () => owner,
    wake: () => undefined,
  });
const newest = async () => (await readSteers(fixture.database, { target: target.id, limit: 1 }))[0];
const main = (epoch: number) => ({ name: "cluster:main", epoch });

describe("what follows a cluster", () => {
  test("is steered once, and has moved when what clients held before has run out", async () => {
    const steer = await driver().follow(target.id, "b", main(7), "b owns main");
    expect(steer).toMatchObject({ state: "moving", begun: { epoch: 1, from: ["a"], hold: 30 * SECOND } });
    expect(await driver().follow(target.id, "b", main(7), "again")).toMatchObject({ id: steer.id });
    expect(medium.steered).toEqual([{ to: "b", epoch: 1 }]);
    system.clock.advance(30 * SECOND - 1);
    await driver().run();
    expect(await newest()).toMatchObject({ state: "moving" });
    system.clock.advance(1);
    await driver().run();
    expect(await newest()).toMatchObject({ state: "moved", because: "all clients have moved to b" });
    const entries = await readEntries(fixture.database, { subject: `traffic:${target.id}`, limit: 10 });
    const kinds = entries.map(({ kind }) => kind).sort();
    expect(kinds).toEqual(["traffic.begun", "traffic.moved", "traffic.requested", "traffic.steered"]);
  });

  test("is refused in an epoch that has passed, and for another in the same", async () => {
    await driver().follow(target.id, "b", main(7), "");
    await expect(driver().follow(target.id, "a", main(6), "")).rejects.toThrow("in epoch 7 by now, not 6");
    await expect(driver().follow(target.id, "a", main(7), "")).rejects.toThrow(`sent "${target.id}" to b`);
    expect(medium.goesTo).toEqual(["b"]);
  });

  test("goes on after a kill between the deed and its record, with the epoch and the hold it had", async () => {
    medium.diesAfterSteering = true;
    await expect(driver().follow(target.id, "b", main(7), "")).rejects.toThrow("killed");
    expect(await newest()).toMatchObject({ state: "steering", begun: { epoch: 1 } });
    medium.diesAfterSteering = false;
    await driver().run();
    expect(await newest()).toMatchObject({ state: "moving", begun: { epoch: 1, hold: 30 * SECOND } });
    expect(medium.steered).toHaveLength(1);
  });

  test("is left alone when something later stands there", async () => {
    medium.away = true;
    await expect(driver().follow(target.id, "b", main(7), "")).rejects.toThrow("it is away");
    medium.away = false;
    medium.conflicts = 1;
    await driver().run();
    expect(await newest()).toMatchObject({ state: "steering", begun: { epoch: 1 } });
    Object.assign(medium, { goesTo: ["c"], epoch: 9 });
    await driver().run();
    expect(await newest()).toMatchObject({ state: "superseded" });
    expect(medium.goesTo).toEqual(["c"]);
    // The next one is later than what stands there.
    expect(await driver().follow(target.id, "b", main(8), "")).toMatchObject({ begun: { epoch: 10 } });
  });

  test("supersedes what was steered before, and is tried until it can be done", async () => {
    await driver().follow(target.id, "b", main(7), "");
    medium.away = true;
    await expect(driver().follow(target.id, "a", main(8), "")).rejects.toThrow("it is away");
    system.clock.advance(20 * MINUTE);
    await driver().run();
    expect((await newest())?.endedAt).toBeUndefined();
    medium.away = false;
    await driver().run();
    const [now, before] = await readSteers(fixture.database, { target: target.id, limit: 2 });
    expect(now).toMatchObject({ to: "a", state: "moving", begun: { epoch: 2 } });
    expect(before?.endedAt).toBeDefined();
  });

  test("holds up no decision: what cannot be done now is done by the loop", async () => {
    medium.away = true;
    await driver().followCluster("main", 7, "b");
    expect(await newest()).toMatchObject({ state: "waiting", because: "it is away" });
    medium.away = false;
    await driver().run();
    expect(await newest()).toMatchObject({ state: "moving", to: "b" });
    // A member that is no destination is told, and is no reason to wait.
    await driver().followCluster("main", 8, "nobody");
    expect(await newest()).toMatchObject({ to: "b" });
  });

  test("is not asked of who has failed five times in a row, until a minute has passed", async () => {
    const { clock } = system;
    const breakers = createBreakers({ clock, logger: silentLogger, metrics: new Metrics(), openFor: MINUTE });
    const guarded = driver(guardOf(breakers));
    medium.away = true;
    await expect(guarded.follow(target.id, "b", main(7), "")).rejects.toThrow("it is away");
    for (let beat = 0; beat < 4; beat++) await guarded.run();
    medium.away = false;
    await guarded.run();
    expect(await newest()).toMatchObject({
      state: "waiting",
      because: expect.stringContaining("is not called"),
    });
    clock.advance(MINUTE);
    await guarded.run();
    expect(await newest()).toMatchObject({ state: "moving", to: "b" });
  });

  test("is told when it went elsewhere before all clients had moved", async () => {
    await driver().follow(target.id, "b", main(7), "");
    medium.goesTo = ["c"];
    await driver().run();
    expect(await newest()).toMatchObject({
      state: "failed",
      because: expect.stringContaining("traffic goes to c"),
    });
  });
});

describe("what a person asks", () => {
  const ask = async () => {
    const { hash } = await desk().plan(target.id, "b");
    return desk().request({ target: target.id, to: "b", planHash: hash, reason: "it is time" }, ann);
  };

  test("waits for another person, who approves what was planned", async () => {
    const { id, state } = await ask();
    expect(state).toBe("waiting-for-approval");
    await driver().run();
    expect(medium.steered).toEqual([]);
    await expect(desk().decide(id, true, "yes", ann)).rejects.toThrow("another person has to answer");
    await desk().decide(id, true, "yes", bob);
    await driver().run();
    expect(await newest()).toMatchObject({ state: "moving", decidedBy: bob });
  });

  test("is nothing any more when the world has changed since, or nobody answers, or somebody says no", async () => {
    const first = await ask();
    medium.goesTo = ["c"];
    await expect(desk().decide(first.id, true, "yes", bob)).rejects.toThrow("another hash");
    await desk().decide(first.id, false, "no", bob);
    expect(await newest()).toMatchObject({ state: "refused" });
    await ask();
    system.clock.advance(15 * MINUTE + 1);
    await driver().run();
    expect(await newest()).toMatchObject({ state: "lapsed" });
    expect(medium.steered).toEqual([]);
  });

  test.each([
    { when: "the data is elsewhere", owned: "a", world: {}, says: 'a owns the cluster "main"' },
    { when: "nobody owns the data", owned: undefined, world: {}, says: "nobody is known to own" },
    { when: "it cannot be seen", owned: "b", world: { away: true }, says: "cannot be seen" },
    { when: "it is there already", owned: "b", world: { goesTo: ["b"] }, says: "goes to b already" },
  ])("is refused when $when", async ({ owned, world, says }) => {
    owner = owned;
    Object.assign(medium, world);
    const { against, hash } = await desk().plan(target.id, "b");
    expect(against.join("; ")).toContain(says);
    const wish = { target: target.id, to: "b", planHash: hash, reason: "so be it" };
    await expect(desk().request(wish, ann)).rejects.toThrow(says);
  });

  test("has failed when it could not be done for a quarter of an hour", async () => {
    const { id } = await ask();
    await desk().decide(id, true, "yes", bob);
    medium.conflicts = 1_000;
    await driver().run();
    expect(await newest()).toMatchObject({ state: "steering" });
    system.clock.advance(15 * MINUTE + 1);
    await driver().run();
    expect(await newest()).toMatchObject({ state: "failed" });
  });
});
