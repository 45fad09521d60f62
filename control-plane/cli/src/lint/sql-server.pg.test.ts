import { afterAll, beforeAll, expect, test } from "vitest";
import { openSqlServer, type SqlServer } from "./sql-server.js";

let server: SqlServer;
beforeAll(async () => {
  const opened = await openSqlServer(process.env["TEST_DATABASE_URL"]);
  if (typeof opened === "string") throw new Error(opened);
  server = opened;
});
afterAll(() => server?.close());

test.each([
  ["a column that is not there", "select schemaname,\n  tablename from pg_stat_user_tables", "42703", 22],
  ["a table that is not there", "select 1 from nowhere", "42P01", 15],
  ["no SQL", "selec 1", "42601", 1],
  ["two statements", "select 1; select 2", "42601", undefined],
])("%s is refused", async (_, text, state, position) => {
  expect(await server.understand(text)).toMatchObject({ state, position });
});

test("what it would do is understood, and not done", async () => {
  for (const text of [
    "create table made_by_lint ()",
    "vacuum (verbose, analyze)",
    "alter system set max_connections = 200",
  ])
    expect(await server.understand(text)).toBeUndefined();
  expect(await server.understand("select * from made_by_lint")).toMatchObject({ state: "42P01" });
  expect(await server.understand("select 1")).toBeUndefined();
});

test.each([
  ["max_connections", { restart: true }],
  ["work_mem", { restart: false }],
  ["no_such_setting", undefined],
])("the setting %s is %j", async (name, known) => {
  expect(await server.setting(name)).toEqual(known);
});

test("a server that is not there is told in a sentence", async () => {
  expect(await openSqlServer("postgresql://127.0.0.1:1/none")).toContain("ECONNREFUSED");
});
