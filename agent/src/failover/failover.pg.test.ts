/** Failover of real PostgreSQL servers. Needs Debian's PostgreSQL, for pg_rewind and pg_basebackup. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { realSystem } from "../system.js";
import { findPostgres, RealCluster } from "./testing/real-cluster.js";

const PATIENCE_MS = 180_000;
/** A host that is busy with other tests must not lose it by being slow. */
const leaseMs = 6_000;
let cluster: RealCluster;

async function start(chosen: Parameters<RealCluster["start"]>[0]): Promise<void> {
  cluster = new RealCluster(findPostgres());
  await cluster.start(chosen);
  await cluster.until(redundant, "db-2 is relied on");
}

const redundant = (): boolean => {
  const kept = cluster.control?.kept;
  return kept?.decision === null && kept.eligible.members.length === 1;
};

// One cluster for the whole life of two nodes, each step where the one before left it: starting costs most of the time.
describe("two nodes, synchronous", () => {
  beforeAll(() => start({ mode: "synchronous", rpoBytes: 0, leaseMs }), PATIENCE_MS);
  afterAll(() => cluster?.stop());

  test("a primary that crashes starts again within its lease, and nobody is promoted", async () => {
    await cluster.query("db-1", "create table t (n int primary key)");
    const epoch = cluster.control?.kept.primaryEpoch;
    const crashed = cluster.postmaster("db-1");
    cluster.crashDatabase("db-1");
    await cluster.until(() => cluster.postmaster("db-1") !== crashed, "another process is there");
    await cluster.until(
      async () => (await cluster.query("db-1", "insert into t values (-1) returning n")).length === 1,
      "db-1 takes writes again",
    );
    expect(cluster.control?.kept.primaryEpoch).toBe(epoch);
  }, 180_000);

  test("a primary is lost: nothing acknowledged is, and it comes back as a replica", async () => {
    await cluster.until(redundant, "db-2 is relied on");
    const acknowledged = [-1];
    for (let n = 0; n < 50; n++) {
      await cluster.query("db-1", `insert into t values (${n})`);
      acknowledged.push(n);
    }
    cluster.loseNode("db-1");
    await cluster.until(() => cluster.role("db-2") === "primary", "db-2 is the primary");
    const rows = await cluster.query("db-2", "select n from t order by n");
    expect(rows.map((row) => row["n"])).toEqual(acknowledged);
    await cluster.query("db-2", "insert into t values (1000)");
    cluster.returnNode("db-1");
    await cluster.until(redundant, "db-1 is relied on");
    expect(cluster.role("db-1")).toBe("replica");
    await cluster.until(
      async () => (await cluster.query("db-1", "select from t where n = 1000")).length === 1,
      "the new row is there",
    );
  }, 180_000);

  test("a planned switchover loses nothing, and the old primary follows with the data it has", async () => {
    const before = cluster.lines.length;
    cluster.tellControl({ kind: "switchover", to: "db-1", by: "test" });
    await cluster.until(() => cluster.role("db-1") === "primary", "db-1 is the primary");
    await cluster.until(redundant, "db-2 is relied on");
    expect(cluster.role("db-2")).toBe("replica");
    expect((await cluster.query("db-1", "select count(*)::int as n from t"))[0]?.["n"]).toBe(52);
    expect(cluster.records.filter(({ kind }) => kind === "aborted")).toEqual([]);
    expect(cluster.lines.slice(before).filter((line) => line.includes("taken anew"))).toEqual([]);
  }, 180_000);

  test("the third crash within a minute is one too many: the other takes over, and nothing is lost", async () => {
    for (let crash = 1; crash <= 3; crash++) {
      // With nobody to take over, the owner would be opened again whatever it did.
      await cluster.until(redundant, "db-2 is relied on");
      const crashed = cluster.postmaster("db-1");
      cluster.crashDatabase("db-1");
      if (crash === 3) break;
      await cluster.until(() => cluster.postmaster("db-1") !== crashed, "another process is there");
      await cluster.until(
        async () =>
          (
            await cluster.query(
              "db-1",
              `insert into t values (${3_000 + crash}) on conflict (n) do update set n = excluded.n returning n`,
            )
          ).length > 0,
        "db-1 takes writes again",
      );
    }
    await cluster.until(() => cluster.role("db-2") === "primary", "db-2 is the primary");
    await cluster.until(redundant, "db-1 is relied on");
    expect((await cluster.query("db-2", "select count(*)::int as n from t"))[0]?.["n"]).toBe(54);
  }, 180_000);

  test("without the control plane the lease goes on; without its peer too a primary ends", async () => {
    cluster.stopControl();
    await realSystem.timers.sleep(leaseMs + cluster.policy.marginMs);
    await cluster.query("db-2", "insert into t values (2000)");
    cluster.cut.add("db-1");
    await cluster.until(() => cluster.role("db-2") === "fenced", "db-2 fences itself");
    await cluster.until(
      () =>
        cluster.query("db-2", "select 1").then(
          () => false,
          () => true,
        ),
      "db-2 answers nobody",
    );
  }, 180_000);
});

describe("two nodes, asynchronous", () => {
  const rpoBytes = 200_000;
  beforeAll(() => start({ mode: "asynchronous", rpoBytes, leaseMs }), PATIENCE_MS);
  afterAll(() => cluster?.stop());

  test("a primary acknowledges the RPO ahead of its replica, and no more", async () => {
    await cluster.query("db-1", "create table t (n int, filler text)");
    await cluster.until(async () => {
      const [row] = await cluster.query(
        "db-1",
        "select bool_and(flush_lsn >= pg_current_wal_insert_lsn()) as whole from pg_stat_replication where application_name = 'db-2'",
      );
      return row?.["whole"] === true;
    }, "db-2 has everything");
    // The replica stops to take anything, without anyone knowing.
    cluster.freeze("db-2");
    const before = await cluster.position("db-1");
    let acknowledgedUpTo = before;
    try {
      for (let n = 0; n < 100; n++) {
        await cluster.query(
          "db-1",
          `insert into t select ${n}, string_agg(md5(random()::text), '') from generate_series(1, 300)`,
          3_000,
        );
        acknowledgedUpTo = await cluster.position("db-1");
      }
      expect.unreachable("everything was acknowledged");
    } catch (error) {
      expect(String(error)).toContain("timeout");
    }
    const ahead = acknowledgedUpTo - before;
    expect(ahead).toBeGreaterThan(rpoBytes / 2);
    // The position is read after the answer; the server itself may have written a little between.
    expect(ahead).toBeLessThanOrEqual(rpoBytes + 8_192);
  }, 180_000);
});
