/** Vault is moved through its API: by stepping down, by a snapshot into another cluster, and not while it is sealed. */
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { VaultContractServer } from "../contract-servers/vault.js";
import type { Operator } from "../harness/operator.js";
import { ended, planned } from "../harness/regions.js";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";

const OPERATOR = 2;
const APPROVER = 3;
const HOUR_S = 3_600;

let directory: string;
let east: VaultContractServer;
let west: VaultContractServer;
let spare: VaultContractServer;
let sealed: VaultContractServer;
let stack: Stack;
let ann: Operator;
let bob: Operator;
let snapshotFile: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "mainstay-vault-"));
  const start = () => new VaultContractServer().start();
  [east, west, spare, sealed] = [await start(), await start(), await start(), await start()];
  east.secrets.set("app", { key: "old" });
  west.standBy(east);
  sealed.healthStatus = 503;
  sealed.secrets.set("app", { key: "there" });
  const tokenFile = join(directory, "token");
  writeFileSync(tokenFile, east.rootToken);
  snapshotFile = join(directory, "snapshot");
  writeFileSync(snapshotFile, east.snapshot());
  const vault = { id: "vault", do: "vault", component: "vault", tokenFile, check: "secret/data/app" };
  const region = (id: string, step: object) => ({
    ...{ id, to: "elsewhere", rto: "5m", steps: [{ ...vault, budget: "2s", ...step }] },
  });
  const regions = [
    region("east", { from: east.address, to: west.address, budget: "30s" }),
    region("lost", { from: west.address, to: spare.address, snapshotFile, budget: "30s" }),
    region("shut", { to: sealed.address }),
  ];
  const file = join(directory, "regions.yaml");
  writeFileSync(file, JSON.stringify({ regions }));
  stack = await Stack.start({ args: ["--regions", file] });
  ann = await stack.person("ann", [OPERATOR]);
  bob = await stack.person("bob", [APPROVER]);
});
afterAll(async () => {
  await stack?.stop();
  await Promise.all([east, west, spare, sealed].map((one) => one?.stop()));
  rmSync(directory, { recursive: true, force: true });
});

const run = (region: string, planHash: string) =>
  ann.region().runRegion({ region, planHash, reason: "as planned" });

test("planned, the active node steps down and the other is active", async () => {
  const plan = await planned(ann, "east", ({ kind, doubts }) => kind === "move" && doubts.length === 0);
  await run("east", plan.planHash);
  const { run: over, records } = await ended(ann, "east");
  expect(over?.phase).toBe("closed");
  expect(records.some(({ says }) => says.includes('"secret/data/app" can be read there'))).toBe(true);
  expect([east.healthStatus, west.healthStatus]).toEqual([429, 200]);
}, 120_000);

test("lost, a snapshot is restored into another cluster; one older than the RPO only when another person accepts it", async () => {
  const old = Date.now() / 1_000 - HOUR_S;
  utimesSync(snapshotFile, old, old);
  await west.stop();
  const plan = await planned(ann, "lost", ({ kind, doubts }) => kind === "loss" && doubts.length > 0);
  expect(plan.doubts[0]).toMatch(/^vault: .* of what was written would be lost; 5m may be$/);
  const { run: begun } = await run("lost", plan.planHash);
  expect(begun?.phase).toBe("awaiting-approval");
  const wish = { region: "lost", epoch: 1n, answer: "approve", reason: "there is no newer one" };
  await expect(ann.region().decideRegion(wish)).rejects.toThrow(/needs role approver or admin/);
  expect(spare.restored).toBe(0);
  await bob.region().decideRegion(wish);
  const { run: over, components } = await ended(ann, "lost");
  expect(over?.phase).toBe("closed");
  expect(spare.restored).toBe(1);
  expect(spare.secrets.get("app")).toEqual({ key: "old" });
  expect(Number(components[0]?.missingMs)).toBeGreaterThanOrEqual((HOUR_S - 60) * 1_000);
  expect(components[0]?.verdict).toBe("missed");
}, 120_000);

test("sealed, it says so and asks over its budget; unsealed by people it goes on", async () => {
  const plan = await planned(ann, "shut", ({ doubts }) => doubts.length > 0);
  expect(plan.doubts[0]).toMatch(/sealed: people have its keys/);
  await run("shut", plan.planHash);
  await bob
    .region()
    .decideRegion({ region: "shut", epoch: 1n, answer: "approve", reason: "it is being unsealed" });
  const asks = await until("it to ask", async () => {
    const { run: now } = await ann.region().explainRegion({ region: "shut" });
    return now?.asks === "" ? undefined : now?.asks;
  });
  expect(asks).toMatch(/^vault has taken .* of 2s$/);
  sealed.healthStatus = 200;
  const { run: over, records } = await ended(ann, "shut");
  expect(over?.phase).toBe("closed");
  const kinds = records.map(({ kind }) => kind);
  expect(kinds.slice(0, 3)).toEqual(["begun", "approved", "acting"]);
  expect(kinds).toContain("over-budget");
  expect(kinds.indexOf("acted")).toBeGreaterThan(kinds.indexOf("asked"));
  expect(kinds.slice(-3)).toEqual(["done", "withdrawn", "closed"]);
  expect(records.filter(({ kind, says }) => kind === "failed" && says.includes("sealed"))).toHaveLength(1);
}, 120_000);
