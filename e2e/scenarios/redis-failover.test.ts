/** A Redis is lost: its replica takes over and the old one follows it; one that is alone comes back with what it saved. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Operator } from "../harness/operator.js";
import { RedisMember } from "../harness/redis-pair.js";
import { ended, planned } from "../harness/regions.js";
import { Stack } from "../harness/stack.js";
import { Typist } from "../harness/typist.js";
import { pause, untilTrue } from "../harness/until.js";

let directory: string;
let east: RedisMember;
let west: RedisMember;
let alone: RedisMember;
let stack: Stack;
let operator: Operator;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "mainstay-redis-"));
  const make = (name: string) => RedisMember.make(join(directory, name));
  [east, west, alone] = [await make("east"), await make("west"), await make("alone")];
  await east.start();
  await west.start(east);
  const cache = { id: "cache", do: "redis", component: "redis", budget: "20s" };
  const restart = { node: "cache-1", action: "restart-service", arguments: { process: "redis" } };
  const regions = [
    { id: "east", to: "west", rto: "1m", steps: [{ ...cache, from: east.place, to: west.place }] },
    { id: "west", to: "east", rto: "1m", steps: [{ ...cache, from: west.place, to: east.place }] },
    { id: "solo", to: "again", rto: "1m", steps: [{ ...cache, to: alone.place, restart }] },
  ];
  const file = join(directory, "regions.yaml");
  writeFileSync(file, JSON.stringify({ regions }));
  await alone.start();
  stack = await Stack.start({ args: ["--regions", file] });
  operator = stack.operator();
  const [, ...args] = alone.command;
  const start = ["/usr/bin/redis-server", ...args, "--daemonize", "yes", "--pidfile", join(directory, "pid")];
  await stack.startAgent("cache-1", {
    actions: {
      restartService: { processes: [{ name: "redis", pidFile: join(directory, "pid"), start }] },
    },
  });
  await untilTrue("the agent to offer it", async () => {
    const { node } = await operator.fleet().getNode({ nodeId: "cache-1" });
    return node?.actions.includes("restart-service") === true;
  });
});
afterAll(async () => {
  await stack?.stop();
  await alone?.ask((client) => client.shutdown("NOSAVE")).catch(() => undefined);
  await Promise.all([east, west, alone].map((member) => member?.stop()));
  rmSync(directory, { recursive: true, force: true });
});

const run = async (region: string, planHash: string) =>
  (await operator.region().runRegion({ region, planHash, reason: "it is lost" })).run;

test("the master is killed: its replica takes writes with what it had, its age is told, and the old one follows when it is back", async () => {
  for (let n = 0; n < 100; n++) await east.ask((client) => client.set(`key-${n}`, n));
  await planned(operator, "east", ({ kind, steps }) => kind === "move" && steps[0]?.to === "ready");
  await east.killHard();
  const plan = await planned(operator, "east", ({ kind }) => kind === "loss");
  expect(plan.doubts).toEqual([]);
  expect(plan.steps[0]?.missingMs).toBeDefined();
  await run("east", plan.planHash);
  const { run: over, records, components } = await ended(operator, "east");
  expect(over?.phase).toBe("closed");
  expect(records.map(({ kind }) => kind)).toEqual(["begun", "acting", "acted", "done", "closed"]);
  expect(await west.role()).toBe("master");
  expect(await west.ask((client) => client.dbsize())).toBe(100);
  await west.ask((client) => client.set("after", "1"));
  const [redis] = components;
  expect(redis).toMatchObject({ component: "redis", verdict: "met", rpoObjectiveMs: 3_600_000n });
  expect(Number(redis?.missingMs)).toBeLessThan(60_000);
  expect(Number(redis?.rtoMs)).toBeGreaterThan(0);

  await east.start();
  await untilTrue("the old master to follow", async () => (await east.role()) === "slave", 60_000);
  await untilTrue(
    "it to have what was written since",
    async () => (await east.ask((client) => client.get("after"))) === "1",
  );
  expect(await west.role()).toBe("master");
  await untilTrue("it to stand in the journal", async () => {
    const { entries } = await operator.journal().listEntries({ kind: "region.rejoined" });
    return entries.length === 1;
  });
}, 180_000);

test("what was moved is handed back by plan: the master waits until its replica has everything", async () => {
  const plan = await planned(
    operator,
    "west",
    ({ kind, steps }) => kind === "move" && steps[0]?.to === "ready",
  );
  expect(plan.doubts).toEqual([]);
  await run("west", plan.planHash);
  const { run: over } = await ended(operator, "west");
  expect(over?.phase).toBe("closed");
  expect([await east.role(), await west.role()]).toEqual(["master", "slave"]);
  expect(await east.ask((client) => client.dbsize())).toBe(101);
}, 120_000);

test("the only one is killed: it is started again with what it saved, and how much is missing is told", async () => {
  await alone.ask((client) => client.set("saved", "1"));
  await alone.ask((client) => client.save());
  await pause(1_500);
  await alone.ask((client) => client.set("not-saved", "1"));
  await planned(operator, "solo", ({ steps }) => Number(steps[0]?.missingMs ?? -1) > 0);
  await alone.killHard();
  const plan = await planned(operator, "solo", ({ kind }) => kind === "loss");
  expect(plan.steps[0]?.to).toBe("ready");
  const typist = new Typist(join(stack.directory, "home"), operator.token, stack.ports.grpc);
  const seen = await typist.types("dr", "plan", "solo");
  expect(seen.out).toMatch(/solo is lost; run 1 would move it to again/);
  expect(seen.out).toContain(`--plan ${plan.planHash}`);
  // The command line only looks until it is armed.
  expect(await typist.types("arm", "10m")).toMatchObject({ code: 0 });
  const begun = await typist.types("dr", "run", "solo", "--plan", plan.planHash, "--reason", "it is lost");
  expect(begun, begun.err).toMatchObject({ code: 0 });
  const { run: over, components } = await ended(operator, "solo");
  expect(over?.phase).toBe("closed");
  expect(await alone.ask((client) => client.keys("*"))).toEqual(["saved"]);
  expect(Number(components[0]?.missingMs)).toBeGreaterThan(0);
  expect(components[0]?.verdict).toBe("met");
  const told = await typist.types("dr", "explain", "solo");
  expect(told.out).toMatch(/run 1 of solo is closed/);
  expect(told.out).toMatch(/redis +\S+ +5m +\S+ +1h +met/);
}, 120_000);
