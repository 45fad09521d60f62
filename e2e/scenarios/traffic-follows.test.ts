/** A PostgreSQL primary is lost: HAProxy and DNS follow its successor, after the data and never before. All are real. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Bind } from "../harness/bind.js";
import { Haproxy } from "../harness/haproxy.js";
import type { Operator } from "../harness/operator.js";
import { LEASE_MS, type Member, PostgresPair } from "../harness/postgres-pair.js";
import { Stack } from "../harness/stack.js";
import { until, untilTrue } from "../harness/until.js";

const PATIENCE_MS = 90_000;
const [A, B] = ["192.0.2.1", "192.0.2.2"];

let directory: string;
let stack: Stack;
let operator: Operator;
let pair: PostgresPair;
let bind: Bind;
let haproxy: Haproxy;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "mainstay-follows-"));
  const file = join(directory, "traffic.yaml");
  writeFileSync(file, "targets: []\n");
  stack = await Stack.start({ args: ["--traffic", file] });
  operator = stack.operator();
  pair = await PostgresPair.start(stack);
  const port = (member: Member) => Number(pair.address(member).split(":")[1]);
  haproxy = await Haproxy.start(join(directory, "haproxy"), [port("db-1"), port("db-2")]);
  await haproxy.ask("set server web/b state maint");
  bind = await Bind.start(join(directory, "bind"), [`db 2 IN A ${A}`]);
  const shared = { cluster: "main", approval: false };
  const dns = {
    ...{ ...shared, id: "name", kind: "dns", servers: [`127.0.0.1:${bind.primary}`], zone: bind.zone },
    ...{ name: `db.${bind.zone}`, ttl: "2s", key: { name: bind.keyName, secretFile: bind.secretFile } },
    destinations: { "db-1": A, "db-2": B },
  };
  const proxy = {
    ...{ ...shared, id: "proxy", kind: "haproxy", sockets: [haproxy.admin], backend: "web" },
    destinations: { "db-1": "a", "db-2": "b" },
  };
  // DNS stands first, and is steered last all the same.
  writeFileSync(file, JSON.stringify({ targets: [dns, proxy] }));
});
afterAll(async () => {
  await stack?.stop();
  haproxy?.stop();
  await bind?.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Through HAProxy, on a connection of its own. */
async function write(n: number): Promise<void> {
  const client = new pg.Client({
    ...{ host: "127.0.0.1", port: haproxy.port, user: "postgres", database: "postgres" },
    ...{ connectionTimeoutMillis: 1_000, query_timeout: 2_000 },
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query(`insert into t values (${n})`);
  } finally {
    client.end().catch(() => undefined);
  }
}

test("HAProxy and then DNS go to whoever was promoted, in the epoch of that decision; a person cannot send them elsewhere", async () => {
  await operator.recovery().registerCluster({
    cluster: "main",
    members: ["db-1", "db-2"],
    primary: "db-1",
    mode: "synchronous",
    leaseMs: LEASE_MS,
  });
  const cluster = async () => (await operator.recovery().listClusters({})).clusters[0];
  await untilTrue(
    "db-2 to be relied on",
    async () => (await cluster())?.eligible.includes("db-2") === true,
    PATIENCE_MS,
  );
  await until("both targets", async () => {
    const { targets } = await operator.traffic().listTargets({});
    return targets.length === 2 && targets.every(({ goesTo }) => goesTo.join() === "db-1") ? true : undefined;
  });
  await pair.query("db-1", "create table t (n int primary key)");
  await write(1);

  const early = await operator.traffic().planSteer({ target: "proxy", to: "db-2" });
  expect(early.against.join()).toContain('db-1 owns the cluster "main"');

  await pair.lose("db-1");
  await untilTrue("writes to go through HAProxy again", () => write(2).then(() => true), PATIENCE_MS);
  expect(await pair.query("db-2", "select n from t order by n")).toEqual([{ n: 1 }, { n: 2 }]);
  const moved = await until(
    "both to have moved",
    async () => {
      const listed = await operator.traffic().listSteers({});
      const steers = listed.steers.filter(({ to }) => to === "db-2");
      if (steers.length < 2 || steers.some(({ state }) => state !== "moved"))
        throw new Error(
          steers.map(({ target, state, because }) => `${target}: ${state} ${because}`).join("; "),
        );
      return steers;
    },
    PATIENCE_MS,
  );
  expect(await bind.resolver("primary").resolve4(`db.${bind.zone}`)).toEqual([B]);
  const { decisions } = await operator.recovery().listDecisions({ cluster: "main", limit: 500 });
  const failover = decisions.find(({ kind }) => kind === "failover");
  const epoch = failover?.epoch ?? 0n;
  expect(moved.map(({ origin, originEpoch }) => [origin, originEpoch])).toEqual([
    ["cluster:main", epoch],
    ["cluster:main", epoch],
  ]);
  const at = (id: string) => {
    const steeredAt = moved.find(({ target }) => target === id)?.steeredAt;
    return steeredAt === undefined ? Number.NaN : timestampMs(steeredAt);
  };
  expect(at("proxy")).toBeLessThanOrEqual(at("name"));
  const { steps } = await operator.recovery().explainDecision({ cluster: "main", epoch });
  const verified = steps.find(({ kind }) => kind === "verified")?.at;
  expect(verified).toBeDefined();
  expect(at("proxy")).toBeGreaterThanOrEqual(verified === undefined ? Number.NaN : timestampMs(verified) - 1);
}, 300_000);
