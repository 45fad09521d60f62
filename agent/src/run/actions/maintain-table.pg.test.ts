import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { actionContext } from "../../testing/action-context.js";
import { planned } from "../../testing/planned.js";
import { TestDatabase } from "../../testing/test-database.js";
import { allow } from "../allow.js";
import type { ArgumentsOf } from "../command.js";
import { maintainTable } from "./maintain-table.js";

const database = new TestDatabase();
const table = 'odd "name';
const quoted = '"odd ""name"';

beforeAll(async () => {
  await database.create();
  await database.query(`create table ${quoted} (id int primary key, word text);
    insert into ${quoted} select i, md5(i::text) from generate_series(1, 20000) i;
    create index by_word on ${quoted} (word)`);
});
afterAll(() => database.drop());
afterEach(() => database.endSessions());

const here = (more: object = {}) =>
  actionContext({ maintainTable: { databases: database.declared, lockTimeoutMs: 1000, ...more } });
type Arguments = ArgumentsOf<"maintain-table">;
const args = (operation: Arguments["operation"], more: Partial<Arguments> = {}): Arguments => ({
  action: "maintain-table",
  database: "main",
  operation,
  schema: "public",
  table,
  lockTimeoutMs: 200,
  ...more,
});

describe("maintaining a table", () => {
  test("the plan says how the table stands, and changes nothing of it", async () => {
    const standing = (): Promise<object[]> =>
      database.query(
        `select last_vacuum, last_analyze, pg_relation_filenode('by_word') as node from pg_stat_user_tables where relname = '${table}'`,
      );
    const before = await standing();
    for (const operation of ["vacuum", "analyze", "reindex-concurrently"] as const)
      expect(await planned(maintainTable, args(operation), here().context)).toMatchObject({
        arguments: { operation, table },
      });
    expect(await standing()).toEqual(before);
  });

  test("vacuums and analyses, and the server says so", async () => {
    await database.query(`update ${quoted} set word = word || 'x'`);
    for (const operation of ["vacuum", "analyze"] as const) {
      const { context } = here();
      const plan = await planned(maintainTable, args(operation), context);
      expect(plan).toMatchObject({ inverse: "nothing-to-undo", before: { indexes: [{ valid: true }, {}] } });
      const done = await maintainTable.run(args(operation), plan, context);
      expect(done.succeeded, done.summary).toBe(true);
      expect(await maintainTable.afterInterruption(args(operation), plan, context)).toContain(
        "vacuumed or analysed since",
      );
    }
    const [found] = await database.query<{ dead: number }>(
      `select n_dead_tup::int as dead from pg_stat_user_tables where relname = '${table}'`,
    );
    expect(found?.dead).toBe(0);
  });

  test("rebuilds indexes while others write, and none of them waits for a second", async () => {
    const writer = await database.session("writer");
    let longest = 0;
    let writes = 0;
    let stop = false;
    const writing = (async () => {
      while (!stop) {
        const began = performance.now();
        await writer.query(
          `update ${quoted} set word = md5(random()::text) where id = ${1 + (writes++ % 20000)}`,
        );
        longest = Math.max(longest, performance.now() - began);
      }
    })();
    const { context } = here();
    const order = args("reindex-concurrently");
    const plan = await planned(maintainTable, order, context);
    const done = await maintainTable.run(order, plan, context);
    stop = true;
    await writing;
    expect(done.succeeded, done.summary).toBe(true);
    expect(writes).toBeGreaterThan(10);
    expect(longest).toBeLessThan(1000);
  });

  test("gives up on a lock it does not get, and leaves no half-built index behind", async () => {
    const holder = await database.session("holder");
    await holder.query("begin");
    await holder.query(`lock table ${quoted} in access exclusive mode`);
    const { context } = here();
    const order = args("vacuum", { lockTimeoutMs: 50 });
    // The look itself needs no lock that the holder has, or it would hang here.
    const plan = await planned(maintainTable, order, context).catch((error: unknown) => error);
    await holder.query("rollback");
    const fresh = plan instanceof Error ? await planned(maintainTable, order, context) : plan;
    await holder.query("begin");
    await holder.query(`lock table ${quoted} in share update exclusive mode`);
    const done = await maintainTable.run(order, Object(fresh), context);
    await holder.query("rollback");
    expect(done).toMatchObject({ succeeded: false, result: { tries: 5 } });
    expect(done.summary).toContain("lock timeout");

    const old = await database.session("old-snapshot");
    await old.query("begin isolation level repeatable read");
    await old.query(`update ${quoted} set word = 'held' where id = 1`);
    const rebuild = args("reindex-concurrently", { lockTimeoutMs: 50 });
    const rebuilt = await maintainTable.run(rebuild, await planned(maintainTable, rebuild, context), context);
    await old.query("rollback");
    expect(rebuilt.succeeded).toBe(false);
    const left = await database.query("select 1 from pg_index where not indisvalid");
    expect(left.length).toBeLessThanOrEqual(2);
    // With the writer gone, what could not be dropped then is dropped by the next rebuild.
    const again = await maintainTable.run(rebuild, await planned(maintainTable, rebuild, context), context);
    expect(again.succeeded, again.summary).toBe(true);
    expect(
      await database.query(
        "select 1 from pg_index where not indisvalid and indrelid::regclass::text like '%odd%'",
      ),
    ).toEqual([]);
  });

  test("does nothing to a table that is another one now, or is none", async () => {
    await database.query("create table swapped (id int)");
    const order = args("analyze", { table: "swapped" });
    const plan = await planned(maintainTable, order, here().context);
    await database.query("drop table swapped; create table swapped (id int)");
    expect(await maintainTable.run(order, plan, here().context)).toMatchObject({
      succeeded: false,
      summary: expect.stringContaining("nothing was done"),
    });
    expect(await maintainTable.preview(args("vacuum", { table: "x; drop table y" }), here().context)).toEqual(
      {
        kind: "impossible",
        because: "main has no table public.x; drop table y",
      },
    );
  });

  test("stops on the server too when it is stopped", async () => {
    const holder = await database.session("holder");
    const test = here({ lockTimeoutMs: 30_000 });
    const order = args("vacuum", { lockTimeoutMs: 30_000 });
    const plan = await planned(maintainTable, order, test.context);
    await holder.query("begin");
    await holder.query(`lock table ${quoted} in share update exclusive mode`);
    const running = maintainTable.run(order, plan, test.context);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const began = performance.now();
    test.stop.abort();
    const done = await running;
    await holder.query("rollback");
    expect(performance.now() - began).toBeLessThan(2000);
    expect(done.succeeded).toBe(false);
  });

  test.each([
    [{ database: "main", operation: "vacuum", table: "t" }, "allow"],
    [{ database: "main", operation: "analyze", table: "t", lockTimeoutMs: 10 }, "allow"],
    [{ database: "main", operation: "reindex-concurrently", table: "t" }, "deny"],
    [{ database: "main", operation: "vacuum full", table: "t" }, "deny"],
    [{ database: "main", operation: "vacuum", table: "t", lockTimeoutMs: 60_000 }, "deny"],
    [{ database: "main", operation: "vacuum" }, "deny"],
  ])("the policy's word on %j is %s", (asked, verdict) => {
    const { policy } = here({ operations: ["vacuum", "analyze"] }).context;
    expect(allow(policy, "maintain-table", JSON.stringify(asked)).kind).toBe(verdict);
    expect(allow(actionContext({}).context.policy, "maintain-table", JSON.stringify(asked)).kind).toBe(
      "deny",
    );
  });
});
