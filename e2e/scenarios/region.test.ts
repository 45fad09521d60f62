/** A whole region is lost, and moved by its plan: data first, tried from outside, then its name. The control plane dies on the way. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { EAST_ADDRESS, RegionHouse, WEST_ADDRESS } from "../harness/region-house.js";
import { ended, planned } from "../harness/regions.js";
import { until } from "../harness/until.js";

let house: RegionHouse;

beforeAll(async () => {
  house = await RegionHouse.start();
}, 180_000);
afterAll(() => house?.stop());

test("the region is lost: each part is moved once, in order, traffic last, over a kill -9; nothing acknowledged is missing", async () => {
  const { operator, pair } = house;
  // A replica that follows is relied on a little later; until then nothing tells how much would be lost.
  const dry = await planned(
    operator,
    "east",
    ({ kind, steps, doubts }) => kind === "move" && steps[1]?.to === "ready" && doubts.length === 0,
  );
  expect(dry.steps.map(({ step }) => step).slice(-3)).toEqual(["outside", "dns", "told"]);
  expect(dry.totalBudgetMs).toBeGreaterThan(0n);
  expect(await house.addresses()).toEqual([EAST_ADDRESS]);

  const acknowledged: string[] = [];
  for (let n = 0; n < 20; n++) {
    await pair.query("db-1", `insert into orders values ('before-${n}')`);
    await house.east.redis.ask((client) => client.set(`order:before-${n}`, "1"));
    acknowledged.push(`before-${n}`);
  }
  await house.loseEast();
  const plan = await planned(operator, "east", ({ kind }) => kind === "loss");
  await operator.region().runRegion({ region: "east", planHash: plan.planHash, reason: "the east is gone" });
  await until("something to be under way", async () => {
    const { records } = await operator.region().explainRegion({ region: "east" });
    return records.some(({ kind }) => kind === "acting") ? true : undefined;
  });
  await house.stack.controlPlane.killHard();
  await house.stack.startControlPlane();
  const { run, records, components, steps } = await ended(operator, "east", 120_000);
  const story = records.map(({ kind, says }) => `${kind}: ${says}`).join("\n");
  expect(run?.phase, story).toBe("closed");
  expect(steps.map(({ state }) => state)).toEqual(steps.map(() => "done"));

  const began = (step: string): number =>
    records.findIndex(({ kind, says }) => kind === "acting" && says.startsWith(`${step} is begun`));
  const verified = (step: string): number =>
    records.findIndex(({ kind, says }) => kind === "done" && says.startsWith(`${step} is verified`));
  for (const { step } of steps)
    expect(records.filter((one) => one.says.startsWith(`${step} is begun`))).toHaveLength(1);
  for (const step of ["fence", "database", "vault", "cache", "api", "outside"])
    expect(began("dns"), `traffic after ${step}\n${story}`).toBeGreaterThan(verified(step));
  expect(began("database")).toBeGreaterThan(verified("fence"));
  expect(began("outside")).toBeGreaterThan(verified("api"));

  expect(await house.addresses()).toEqual([WEST_ADDRESS]);
  const rows = await pair.query("db-2", "select marker from orders where marker like 'before-%'");
  expect(rows.map(({ marker }) => marker).sort()).toEqual([...acknowledged].sort());
  expect(await house.west.redis.role()).toBe("master");
  expect(await house.west.redis.ask((client) => client.exists("order:before-19"))).toBe(1);
  const measured = Object.fromEntries(
    components.map(({ component, rtoMs, verdict }) => [component, { rtoMs, verdict }]),
  );
  expect(Object.keys(measured)).toEqual(["pg-primary", "vault", "redis", "mcp-api"]);
  for (const { rtoMs, verdict } of Object.values(measured)) {
    expect(rtoMs).toBeGreaterThan(0n);
    expect(verdict, story).toBe("met");
  }
  const pg = components.find(({ component }) => component === "pg-primary");
  expect(pg?.missingMs).toBe(0n);
}, 300_000);
