/** Failover of real PostgreSQL servers. Needs Debian's PostgreSQL, for pg_rewind and pg_basebackup. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { realSystem } from "../system.js";
import { findPostgres, RealCluster } from "./testing/real-cluster.js";

const bin = findPostgres() ?? "/usr/lib/postgresql/15/bin";
let cluster: RealCluster;

beforeEach(() => {
  cluster = new RealCluster(bin);
});
afterEach(() => cluster.stop());

const redundant = (): boolean => {
  const kept = cluster.control?.kept;
  return kept?.decision === null && kept.eligible.members.length === 1;
};

describe("two nodes", () => {
  test("a synchronous primary is lost: nothing acknowledged is, and it comes back as a replica", async () => {
    await cluster.start({ mode: "synchronous", rpoBytes: 0 });
    await cluster.until(redundant, "db-2 is relied on", 15_000);
    await cluster.query("db-1", "create table t (n int primary key)");
    const acknowledged: number[] = [];
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

  test("a planned switchover loses nothing and leaves both in their new places", async () => {
    await cluster.start({ mode: "synchronous", rpoBytes: 0 });
    await cluster.until(redundant, "db-2 is relied on");
    await cluster.query("db-1", "create table t as select generate_series(1, 1000) as n");
    cluster.tellControl({ kind: "switchover", to: "db-2", by: "test" });
    await cluster.until(() => cluster.role("db-2") === "primary", "db-2 is the primary");
    await cluster.until(redundant, "db-1 is relied on");
    expect(cluster.role("db-1")).toBe("replica");
    expect((await cluster.query("db-2", "select count(*)::int as n from t"))[0]?.["n"]).toBe(1000);
    expect(cluster.records.filter(({ kind }) => kind === "aborted")).toEqual([]);
    // It was stopped in order: what it has is what the other has, and it followed as it was.
    expect(
      cluster.lines.filter((line) => line.includes("taken anew from") && line.includes(" db-1 ")),
    ).toEqual([]);
  }, 180_000);

  test("a primary that crashes starts again within its lease, and nobody is promoted", async () => {
    await cluster.start({ mode: "synchronous", rpoBytes: 0 });
    await cluster.until(redundant, "db-2 is relied on");
    await cluster.query("db-1", "create table t (n int)");
    const epoch = cluster.control?.kept.primaryEpoch;
    cluster.crashDatabase("db-1");
    await cluster.until(() => cluster.role("db-1") !== "primary", "the crash is seen");
    await cluster.until(
      async () => (await cluster.query("db-1", "insert into t values (1) returning n")).length === 1,
      "db-1 takes writes again",
    );
    expect(cluster.control?.kept.primaryEpoch).toBe(epoch);
  }, 180_000);

  test("without the control plane the lease goes on; without its peer too a primary ends", async () => {
    await cluster.start({ mode: "synchronous", rpoBytes: 0 });
    await cluster.until(redundant, "db-2 is relied on");
    await cluster.query("db-1", "create table t (n int)");
    cluster.stopControl();
    const { leaseMs, marginMs } = cluster.policy;
    await realSystem.timers.sleep(leaseMs + marginMs);
    await cluster.query("db-1", "insert into t values (1)");
    cluster.cut.add("db-2");
    await cluster.until(() => cluster.role("db-1") === "fenced", "db-1 fences itself");
    await cluster.until(async () => {
      const refused = await cluster.query("db-1", "select 1").then(
        () => false,
        () => true,
      );
      return refused;
    }, "db-1 answers nobody");
  }, 180_000);

  test("an asynchronous primary acknowledges the RPO ahead of its replica, and no more", async () => {
    const rpoBytes = 200_000;
    await cluster.start({ mode: "asynchronous", rpoBytes });
    await cluster.until(redundant, "db-2 is relied on");
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
    let acknowledged = 0;
    try {
      for (let n = 0; n < 100; n++) {
        await cluster.query(
          "db-1",
          `insert into t select ${n}, string_agg(md5(random()::text), '') from generate_series(1, 300)`,
          1_500,
        );
        acknowledged += 1;
      }
    } catch {
      // It waits.
    }
    const held = await cluster.position("db-1");
    expect(acknowledged).toBeGreaterThan(3);
    expect(acknowledged).toBeLessThan(90);
    expect(held - before).toBeGreaterThan(rpoBytes / 2);
  }, 180_000);
});
