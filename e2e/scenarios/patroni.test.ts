/**
 * Debian's Patroni with etcd, adopted as it is: a switchover by plan and another person's yes, over a kill of the control
 * plane; a node is lost and Patroni fails over, which the log tells; released, it is as it was. All processes are real.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Role } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Operator } from "../harness/operator.js";
import { PatroniCluster } from "../harness/patroni.js";
import { Stack } from "../harness/stack.js";
import { until, untilTrue } from "../harness/until.js";

/** A component that has objectives. */
const CLUSTER = "pg-primary";
const PASSWORD = "kept-from-everybody";
const PATIENCE_MS = 120_000;

let directory: string;
let patroni: PatroniCluster | undefined;
let stack: Stack;
let operator: Operator;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "mainstay-patroni-"));
  chmodSync(directory, 0o711);
  const credentials = join(directory, "credentials.yaml");
  writeFileSync(join(directory, "password"), `${PASSWORD}\n`, { mode: 0o600 });
  writeFileSync(
    credentials,
    JSON.stringify({
      clusters: { [CLUSTER]: { username: "mainstay", passwordFile: join(directory, "password") } },
    }),
    { mode: 0o600 },
  );
  [patroni, stack] = await Promise.all([
    PatroniCluster.start({
      directory: join(directory, "cluster"),
      credentials: { username: "mainstay", password: PASSWORD },
    }),
    Stack.start({ args: ["--patroni-credentials", credentials] }),
  ]);
  operator = stack.operator();
});
afterAll(async () => {
  await stack?.stop();
  await patroni?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const real = (): PatroniCluster => {
  if (patroni === undefined) throw new Error("Patroni was not started");
  return patroni;
};

const view = async (of: Operator = operator) => (await of.recovery().listClusters({})).clusters[0];

const adopt = (manual: boolean) =>
  operator.recovery().registerCluster({
    cluster: CLUSTER,
    patroni: real().members.map(({ api }) => api),
    manual,
  });

/** By Patroni's own word. */
const leads = (name: string) =>
  untilTrue(`${name} to lead`, async () => (await real().primary()) === name, PATIENCE_MS);

/** That one leads, the other would be promoted, and nothing is under way. */
const settled = (leader: string, other: string) =>
  untilTrue(
    `${leader} to lead and ${other} to be fit`,
    async () => {
      const now = await view();
      return now?.primary === leader && now.phase === "" && now.eligible.includes(other);
    },
    PATIENCE_MS,
  );

const newestDecision = async () =>
  (await operator.recovery().listDecisions({ cluster: CLUSTER })).decisions[0];

const explain = async (epoch: bigint) => {
  const told = await operator.recovery().explainDecision({ cluster: CLUSTER, epoch });
  return {
    kinds: told.steps.map(({ kind }) => kind),
    says: told.steps.map(({ says }) => says).join("\n"),
    told,
  };
};

test("adopted with every failover needing a person, it is handed over by plan and another's yes, whatever is killed meanwhile", async () => {
  const before = await real().get("/config");
  await adopt(true);
  await settled("pg-1", "pg-2");
  expect((await view())?.keptBy).toMatch(/^Patroni \d/);
  // So that it fails nobody over by itself.
  await untilTrue("Patroni to be in maintenance mode", async () =>
    JSON.stringify(await real().get("/cluster")).includes('"pause":true'),
  );

  const ann = await stack.person("ann", [Role.OPERATOR]);
  const bob = await stack.person("bob", [Role.APPROVER]);
  const wish = { cluster: CLUSTER, kind: "switchover", to: "pg-2" };
  /** Ann asks, Bob says yes; resolves when something was begun. */
  const handOver = async () => {
    const before = (await newestDecision())?.epoch ?? 0n;
    const plan = await until(
      "nothing to be against it",
      async () => {
        const one = await ann.recovery().planFailover(wish);
        if (one.against.length > 0) throw new Error(one.against.join("; "));
        return one;
      },
      PATIENCE_MS,
    );
    expect(plan.needsApproval).toBe(true);
    const asked = await ann
      .recovery()
      .requestFailover({ ...wish, planHash: plan.planHash, reason: "pg-1 gets a new disk" });
    expect(asked.request?.state).toBe("waiting-for-approval");
    const requestId = asked.request?.requestId ?? "";
    const yes = { cluster: CLUSTER, requestId, answer: "approve", reason: "as announced" };
    await expect(ann.recovery().decideFailover(yes)).rejects.toThrow();
    await bob.recovery().decideFailover(yes);
    await untilTrue(
      "a decision to be begun",
      async () => ((await newestDecision())?.epoch ?? 0n) > before,
      PATIENCE_MS,
    );
  };
  const ended = () =>
    until(
      "the switchover to be over",
      async () => {
        const decision = await newestDecision();
        return decision?.outcome === "open" ? undefined : decision;
      },
      PATIENCE_MS,
    );
  await handOver();
  await stack.controlPlane.killHard();
  await stack.startControlPlane();
  let done = await ended();
  // A Patroni that has no time refuses what it could do: then all is as it was, and it is asked anew.
  for (let again = 0; done.outcome === "aborted" && again < 3; again++) {
    await leads("pg-1");
    await handOver();
    done = await ended();
  }
  expect(done).toMatchObject({
    kind: "switchover",
    from: "pg-1",
    candidate: "pg-2",
    approvedBy: "bob",
    outcome: "done",
  });
  await leads("pg-2");
  const { kinds, says, told } = await explain(done.epoch);
  expect(kinds.filter((kind) => kind !== "answered")).toEqual(["intended", "asked", "promoted", "closed"]);
  expect(says).toContain("pg-1 gets a new disk");
  expect(told.faults).toEqual([]);
  // Asked again or not, it was done once.
  expect((await view())?.timeline).toBe(2n);

  await operator.recovery().releaseCluster({ cluster: CLUSTER, reason: "it needs nobody any more" });
  expect(await real().get("/config")).toEqual(before);
  await leads("pg-2");
}, 400_000);

test("a node is lost: Patroni fails over by itself, and the log tells when, on what evidence, and what is missing", async () => {
  await adopt(false);
  await settled("pg-2", "pg-1");
  const { epoch = 0n } = (await newestDecision()) ?? {};
  await real().query("pg-2", "create table t (n int primary key)");
  await real().query("pg-2", "insert into t select generate_series(1, 1000)");
  await real().killNode("pg-2");
  const told = await until(
    "the log to tell of the failover",
    async () => {
      const decision = await newestDecision();
      return decision !== undefined && decision.epoch > epoch && decision.outcome === "done"
        ? decision
        : undefined;
    },
    PATIENCE_MS,
  );
  expect(told).toMatchObject({ kind: "failover", from: "pg-2", candidate: "pg-1", fencedBy: "patroni" });
  // Patroni's lease alone is longer than that; how long it was is measured from the last look that saw it open.
  expect(Number(told.rtoMs)).toBeGreaterThan(5_000);
  expect(told.missingBytes).toBeDefined();
  const { says, told: account } = await explain(told.epoch);
  expect(says).toContain("Patroni's history: timeline 2 ended at");
  expect(account.faults).toEqual([]);

  const objectives = await operator.recovery().listObjectives({});
  const mine = objectives.objectives.find(({ component }) => component === CLUSTER);
  expect(mine).toMatchObject({ measuredEpoch: told.epoch, measuredRtoMs: told.rtoMs });

  await real().startNode("pg-2");
  await settled("pg-1", "pg-2");
  const config = await real().get("/config");
  await operator.recovery().releaseCluster({ cluster: CLUSTER, reason: "the end" });
  expect((await operator.recovery().listClusters({})).clusters).toEqual([]);
  expect(await real().get("/config")).toEqual(config);
  await leads("pg-1");
  await untilTrue("a replica to stream", () => real().redundant(), PATIENCE_MS);

  const journal = await operator.journal().listEntries({ size: 500 });
  const everything = [
    JSON.stringify(journal, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value)),
  ];
  expect([...everything, stack.controlPlane.text()].join()).not.toContain(PASSWORD);
}, 400_000);
