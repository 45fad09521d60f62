import { create } from "@bufbuild/protobuf";
import { stepControl } from "@mainstay/proto/failover/control";
import type { LogRecord } from "@mainstay/proto/failover/decision";
import { localPolicy } from "@mainstay/proto/failover/policy";
import { soundRules } from "@mainstay/proto/failover/rules";
import { World } from "@mainstay/proto/failover/simulator/world";
import {
  ExplainDecisionRequestSchema,
  ListDecisionsRequestSchema,
  ListObjectivesRequestSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readEntries } from "../journal/journal.module.js";
import { MINUTE } from "../kernel/time.js";
import { sql } from "../platform/postgres/sql.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import type { Topology } from "../topology/domain/component.js";
import {
  Adoption,
  appendRecords,
  FailoverDesk,
  readClusters,
  recoveryApi,
  registerCluster,
  takeTerm,
} from "./recovery.module.js";
import { readRecords } from "./recovery.store.js";

const policy = localPolicy(["a", "b"], { mode: "asynchronous", rpoBytes: 20 });

/** What a control plane wrote down while its cluster was opened, lost its owner and failed over. */
const log: readonly LogRecord[] = (() => {
  const world = new World({ policy, rules: soundRules, seed: 1, drift: 0, tell: null });
  world.run(6_000);
  const [a] = world.nodes;
  if (a !== undefined) world.crashNode(a);
  world.run(12_000);
  return world.trace;
})();

let fixture: TestDatabase;
beforeAll(async () => {
  fixture = await createTestDatabase();
}, 60_000);
afterAll(() => fixture.close());

const register = (cluster: string): Promise<boolean> =>
  fixture.database.transaction((tx) => registerCluster(tx, cluster, policy, "a", 1_000));
const component = (id: string, rto: number): Topology[number] => ({
  id,
  title: id,
  selector: undefined,
  dependsOn: [],
  criticality: "high",
  objectives: [{ source: "a test", rto, rpo: undefined }],
});
const topology: Topology = [component("kept", MINUTE), component("late", 1), component("calm", MINUTE)];
const context = {} as Parameters<ReturnType<typeof recoveryApi>["listDecisions"]>[1];
const system = fakeSystem();
const api = () =>
  recoveryApi({
    database: fixture.database,
    topology: () => topology,
    clock: system.clock,
    desk: new FailoverDesk({ database: fixture.database, system, wake: () => undefined }),
    restorable: async () => () => undefined,
    adoption: new Adoption({
      database: fixture.database,
      system,
      guard: (_service, call) => call(),
      credentialsOf: () => undefined,
      wake: () => undefined,
    }),
  });

describe("a decision log", () => {
  test("is what a control plane goes on with, wherever it was killed", async () => {
    await register("kept");
    expect(await register("kept")).toBe(false);
    // Killed after each record: the next one takes a term of its own and finds what was written.
    for (const record of log) {
      const { term, state } = await takeTerm(fixture.database, "kept");
      expect(state).toEqual((await readClusters(fixture.database))[0]?.state);
      const outcome = await appendRecords(fixture.database, "kept", term, [record]);
      expect(outcome.kind).toBe("written");
    }
    const { state } = await takeTerm(fixture.database, "kept");
    expect(state).toMatchObject({ primary: "b", decision: null });
    expect(await readRecords(fixture.database, "kept")).toEqual(JSON.parse(JSON.stringify(log)));
    const entries = await readEntries(fixture.database, { subject: "cluster:kept", limit: 1_000 });
    expect(entries.map((entry) => entry.kind)).toEqual(log.map((record) => `recovery.${record.kind}`));
  });

  test("takes nothing from one who was succeeded, and nothing by halves", async () => {
    await register("deposed");
    const first = await takeTerm(fixture.database, "deposed");
    const second = await takeTerm(fixture.database, "deposed");
    const records = log.slice(0, 3);
    expect(await appendRecords(fixture.database, "deposed", first.term, records)).toEqual({
      kind: "deposed",
    });
    expect(await readRecords(fixture.database, "deposed")).toEqual([]);
    const skipped = [...log.slice(0, 2), ...log.slice(3, 4)];
    await expect(appendRecords(fixture.database, "deposed", second.term, skipped)).rejects.toThrow("refused");
    expect(await readRecords(fixture.database, "deposed")).toEqual([]);
    expect((await appendRecords(fixture.database, "deposed", second.term, records)).kind).toBe("written");
  });

  test("has one open decision at most, whoever writes", async () => {
    await register("open");
    const { term } = await takeTerm(fixture.database, "open");
    await appendRecords(fixture.database, "open", term, log.slice(0, 1));
    await expect(
      fixture.database.query(sql`
        insert into recovery_decision (cluster, epoch, kind, started_at) values ('open', 99, 'failover', now())`),
    ).rejects.toThrow();
  });

  test("is refused with a policy that cannot hold", async () => {
    const wrong = { ...policy, marginMs: 0 };
    await expect(
      fixture.database.transaction((tx) => registerCluster(tx, "wrong", wrong, "z", 1)),
    ).rejects.toThrow(/marginMs: 0, expected at least 180.*z is no member/);
  });
});

describe("what is told of it", () => {
  test("a decision, step by step, and that its log holds", async () => {
    const { decisions } = await api().listDecisions(
      create(ListDecisionsRequestSchema, { cluster: "kept", limit: 0 }),
      context,
    );
    expect(decisions).toMatchObject([
      { epoch: 3n, kind: "failover", from: "a", candidate: "b", outcome: "done", fencedBy: "lease-expired" },
      { epoch: 2n, kind: "reopen", from: "a", candidate: "a", outcome: "done", fencedBy: "ack" },
    ]);
    const told = await api().explainDecision(
      create(ExplainDecisionRequestSchema, { cluster: "kept", epoch: 3n }),
      context,
    );
    expect(told.faults).toEqual([]);
    expect(told.steps?.map((step) => step.kind)).toEqual([
      "intended",
      "promising",
      "chosen",
      "fenced",
      "promoting",
      "promoted",
      "verified",
      "routed",
      "closed",
    ]);
    expect(told.steps?.[0]?.says).toContain("failover of a intended: a is silent for 2 of 2 observers");
  });

  test("a changed log does not hold", async () => {
    await register("changed");
    const { term } = await takeTerm(fixture.database, "changed");
    await appendRecords(fixture.database, "changed", term, log);
    await fixture.database.query(sql`
      update recovery_record set record = jsonb_set(record, '{evidence}', '[]') where cluster = 'changed'
        and kind = 'fenced' and epoch = 3`);
    const told = await api().explainDecision(
      create(ExplainDecisionRequestSchema, { cluster: "changed", epoch: 3n }),
      context,
    );
    expect(told.faults?.[0]).toContain("waited out with 1 of 2 promises");
  });

  test("each objective beside what was measured", async () => {
    await register("late");
    const { term } = await takeTerm(fixture.database, "late");
    await appendRecords(fixture.database, "late", term, log);
    const { objectives } = await api().listObjectives(create(ListObjectivesRequestSchema, {}), context);
    expect(objectives).toMatchObject([
      { component: "kept", verdict: "met", measuredEpoch: 3n },
      { component: "late", verdict: "missed", measuredEpoch: 3n },
      { component: "calm", verdict: "not-measured" },
    ]);
  });

  test("that there is no such decision", async () => {
    await expect(
      api().explainDecision(create(ExplainDecisionRequestSchema, { cluster: "nowhere", epoch: 1n }), context),
    ).rejects.toThrow('decision 1 of cluster "nowhere": there is none');
  });
});

test("the reducer goes on from what is stored as from what it had", async () => {
  const { state } = await takeTerm(fixture.database, "kept");
  const control = {
    kept: state,
    bootedAt: 0,
    grantUntil: 0,
    seen: {},
    promises: {},
    stoppedAt: null,
    retryAt: 0,
    paged: null,
    poolers: {},
  };
  const step = stepControl(policy, control, { kind: "tick" }, 10_000);
  expect(step.records).toEqual([]);
  expect(step.because).toBe("the control plane is the only witness");
});
