/** Clients write through a real pgbouncer while their database's owner changes. All processes are real. */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Operator } from "../harness/operator.js";
import { Pgbouncer, Writers } from "../harness/pgbouncer.js";
import { LEASE_MS, type Member, PostgresPair } from "../harness/postgres-pair.js";
import { Stack } from "../harness/stack.js";
import { until, untilTrue } from "../harness/until.js";

let stack: Stack;
let operator: Operator;
let pair: PostgresPair;
let bouncer: Pgbouncer;
let writers: Writers;
const PATIENCE_MS = 90_000;
const CLIENTS = 6;
/** Who owns it, and who can take over: after the switchover back, or without it. */
const DONE = ["db-1", "db-2"] as const;
const ABORTED = ["db-2", "db-1"] as const;

beforeAll(async () => {
  stack = await Stack.start();
  operator = stack.operator();
  pair = await PostgresPair.start(stack);
  bouncer = await Pgbouncer.start(`${stack.directory}/pool`);
  stack.atEnd(() => bouncer.stop());
  const members = (["db-1", "db-2"] as const).map((name) => ({ name, postgres: pair.address(name) }));
  await stack.startAgent("pool-1", { poolers: [bouncer.poolers(members)] });
  await operator.recovery().registerCluster({
    cluster: "main",
    members: ["db-1", "db-2"],
    primary: "db-1",
    mode: "synchronous",
    leaseMs: LEASE_MS,
    failoversPerHourMax: 10,
    poolers: ["pool-1"],
  });
  await settled("db-1", "db-2");
  await pair.query("db-1", "create table t (n int primary key)");
  writers = new Writers(bouncer, CLIENTS);
  await writers.goOn();
}, 240_000);
afterAll(async () => {
  await writers?.stop();
  await stack?.stop();
});

const cluster = async () => (await operator.recovery().listClusters({})).clusters[0];

/** That one is the primary and has the clients, the other can take over, and nothing is under way. */
const settled = (primary: Member, other: Member) =>
  untilTrue(
    `${primary} to be the primary, ${other} to be relied on and the clients to be led there`,
    async () => {
      const now = await cluster();
      const pool = now?.poolers[0];
      const led = pool?.to === primary && !pool.holds;
      return now?.primary === primary && now.phase === "" && now.eligible.includes(other) && led;
    },
    PATIENCE_MS,
  );

async function switchOver(to: Member): Promise<bigint> {
  const plan = await until(
    "nothing to be against a switchover",
    async () => {
      const one = await operator.recovery().planFailover({ cluster: "main", kind: "switchover", to });
      if (one.against.length > 0) throw new Error(one.against.join("; "));
      return one;
    },
    PATIENCE_MS,
  );
  const asked = await operator.recovery().requestFailover({
    cluster: "main",
    kind: "switchover",
    to,
    planHash: plan.planHash,
    reason: "its turn",
  });
  return until(
    "the switchover to begin",
    async () => {
      const { requests } = await operator.recovery().listRequests({ cluster: "main" });
      const epoch = requests.find((one) => one.requestId === asked.request?.requestId)?.epoch;
      return epoch === 0n ? undefined : epoch;
    },
    PATIENCE_MS,
  );
}

/** How a decision ended, and its story. */
const ended = (epoch: bigint) =>
  until(
    `decision ${epoch} to end`,
    async () => {
      const told = await operator.recovery().explainDecision({ cluster: "main", epoch });
      return told.decision?.outcome === "open" ? undefined : told;
    },
    PATIENCE_MS,
  );

/** Switches over, again when a busy host kept it from being as `wanted`; whatever became of it, no client may have seen it. */
async function switchOverUntil(
  to: Member,
  wanted: (told: Awaited<ReturnType<typeof ended>>) => boolean,
): Promise<Awaited<ReturnType<typeof ended>>> {
  for (let attempt = 1; ; attempt++) {
    const told = await ended(await switchOver(to));
    if (wanted(told) || attempt === 4) return told;
    expect(writers.errors).toEqual([]);
  }
}

async function expectNothingLost(member: Member): Promise<void> {
  const acknowledged = [...writers.acknowledged];
  const there = new Set((await pair.query(member, "select n from t")).map(({ n }) => n));
  expect(acknowledged.filter((n) => !there.has(n))).toEqual([]);
}

test("a planned switchover under writing clients: none of them sees an error, and nothing is lost", async () => {
  const told = await switchOverUntil("db-2", ({ decision }) => decision?.outcome === "done");
  expect(told.decision?.outcome).toBe("done");
  expect(told.faults).toEqual([]);
  const steps = told.steps.map(({ kind }) => kind);
  expect(steps.slice(0, 4)).toEqual(["intended", "holding", "stepping-down", "promising"]);
  expect(steps).toContain("routed");
  await settled("db-2", "db-1");
  await writers.goOn();
  expect(writers.errors).toEqual([]);
  await expectNothingLost("db-2");
}, 200_000);

test("a transaction that does not end keeps the owner where it is; it and all clients go on", async () => {
  const long = await bouncer.client();
  await long.query("begin");
  await long.query("insert into t values (-1)");
  const told = await ended(await switchOver("db-1"));
  expect(told.decision?.outcome).toBe("aborted");
  expect(told.steps.at(-1)?.says).toContain("the clients of pool-1 could not be held");
  await settled("db-2", "db-1");
  await long.query("commit");
  await long.end();
  await writers.goOn();
  expect(writers.errors).toEqual([]);
  expect((await pair.query("db-2", "select n from t where n = -1")).length).toBe(1);
}, 200_000);

/** PostgreSQL's process of that kind under a postmaster. */
function childOf(postmaster: number, title: string): number {
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const parent = /^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))?.[1];
      const line = readFileSync(`/proc/${name}/cmdline`, "utf8");
      if (Number(parent) === postmaster && line.includes(title)) return Number(name);
    } catch (error) {
      // It ended while it was looked at.
      if (!(error instanceof Error && "code" in error)) throw error;
    }
  }
  throw new Error(`no ${title} under ${postmaster}`);
}

/** It may have been ended by then. */
function wake(pid: number): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

test("an owner that does not stop goes on as the owner, and its clients with it", async () => {
  // Its last checkpoint never ends, and without it it does not end either.
  const checkpointer = childOf(pair.postmaster("db-2"), "checkpointer");
  process.kill(checkpointer, "SIGSTOP");
  const didNotStop = "db-2 did not stop";
  const told = await switchOverUntil(
    "db-1",
    ({ steps }) => steps.at(-1)?.says.includes(didNotStop) === true,
  ).finally(() => wake(checkpointer));
  expect(told.decision?.outcome).toBe("aborted");
  expect(told.steps.at(-1)?.says).toContain(didNotStop);
  await settled("db-2", "db-1");
  await writers.goOn();
  expect(writers.errors).toEqual([]);
  await expectNothingLost("db-2");
}, 200_000);

test("the control plane is killed while clients are held: it goes on, or they do, and nobody sees an error", async () => {
  const long = await bouncer.client();
  await long.query("begin");
  await long.query("insert into t values (-2)");
  const epoch = await switchOver("db-1");
  await stack.controlPlane.killHard();
  await long.query("commit");
  await long.end();
  await stack.startControlPlane();
  const told = await ended(epoch);
  const [owner, other] = told.decision?.outcome === "done" ? DONE : ABORTED;
  await settled(owner, other);
  await writers.goOn();
  expect(writers.errors).toEqual([]);
  await expectNothingLost(owner);
  expect((await pair.query(owner, "select n from t where n = -2")).length).toBe(1);
}, 200_000);

test("the owner is lost: its clients are led to the new one, and go on", async () => {
  const owner = (await cluster())?.primary === "db-1" ? "db-1" : "db-2";
  const other = owner === "db-1" ? "db-2" : "db-1";
  await pair.lose(owner);
  await untilTrue(
    "the other to be the primary",
    async () => (await cluster())?.primary === other,
    PATIENCE_MS,
  );
  await writers.goOn();
  await expectNothingLost(other);
  stack.restartAgent(owner);
  await settled(other, owner);
}, 200_000);
