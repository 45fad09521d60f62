/** A PostgreSQL primary is lost, and comes back; then it is its turn again, by plan. All processes are real. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Operator } from "../harness/operator.js";
import { LEASE_MS, type Member, PostgresPair } from "../harness/postgres-pair.js";
import { Stack } from "../harness/stack.js";
import { pause, until, untilTrue } from "../harness/until.js";

let stack: Stack;
let operator: Operator;
let pair: PostgresPair;
const PATIENCE_MS = 90_000;

beforeAll(async () => {
  stack = await Stack.start();
  operator = stack.operator();
  pair = await PostgresPair.start(stack);
});
afterAll(() => stack?.stop());

const cluster = async () => (await operator.recovery().listClusters({})).clusters[0];

/** That one is the primary, the other can take over, and nothing is under way. */
const settled = (primary: Member, other: Member) =>
  untilTrue(
    `${primary} to be the primary and ${other} to be relied on`,
    async () => {
      const now = await cluster();
      return now?.primary === primary && now.phase === "" && now.eligible.includes(other);
    },
    PATIENCE_MS,
  );

const rows = async (member: Member) =>
  (await pair.query(member, "select n from t order by n")).map(({ n }) => n);

test("the primary is killed: the replica takes over with all that was acknowledged, the old one comes back, and takes its turn by plan", async () => {
  await operator.recovery().registerCluster({
    cluster: "main",
    members: ["db-1", "db-2"],
    primary: "db-1",
    mode: "synchronous",
    leaseMs: LEASE_MS,
  });
  await settled("db-1", "db-2");
  await pair.query("db-1", "create table t (n int primary key)");
  const acknowledged: number[] = [];
  const write = async (member: Member, n: number) => {
    await pair.query(member, `insert into t values (${n})`);
    acknowledged.push(n);
  };
  for (let n = 0; n < 30; n++) await write("db-1", n);
  await pair.lose("db-1");
  await expect(pair.query("db-1", "select 1")).rejects.toThrow();
  await untilTrue("db-2 to take writes", () => write("db-2", 1_000).then(() => true), PATIENCE_MS);
  expect(await rows("db-2")).toEqual(acknowledged);

  stack.restartAgent("db-1");
  await settled("db-2", "db-1");
  await untilTrue("db-1 to have everything", async () => (await rows("db-1")).length === acknowledged.length);

  const plan = await until(
    "nothing to be against a switchover",
    async () => {
      const one = await operator.recovery().planFailover({ cluster: "main", kind: "switchover", to: "db-1" });
      if (one.against.length > 0) throw new Error(one.against.join("; "));
      return one;
    },
    PATIENCE_MS,
  );
  await operator.recovery().requestFailover({
    cluster: "main",
    kind: "switchover",
    to: "db-1",
    planHash: plan.planHash,
    reason: "its turn again",
  });
  await settled("db-1", "db-2");
  await until("db-1 to take writes", () => write("db-1", 1_001).then(() => true), PATIENCE_MS);
  expect(await rows("db-1")).toEqual(acknowledged);
}, 400_000);

test("without the control plane the primary keeps its lease from its peer, and writes go on", async () => {
  const epoch = (await cluster())?.epoch;
  await stack.controlPlane.killHard();
  // Longer than a lease and its margin: what was granted before has run out.
  await pause(LEASE_MS + 1_500);
  await pair.query("db-1", "insert into t values (2000)");
  await stack.startControlPlane();
  await settled("db-1", "db-2");
  expect((await cluster())?.epoch).toBe(epoch);
}, 200_000);
