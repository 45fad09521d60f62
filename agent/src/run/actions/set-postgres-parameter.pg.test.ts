import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { actionContext } from "../../testing/action-context.js";
import { planned } from "../../testing/planned.js";
import { TestDatabase } from "../../testing/test-database.js";
import { doneAndUndone } from "../../testing/undo.js";
import { allow } from "../allow.js";
import type { ActionArguments, ArgumentsOf } from "../command.js";
import { setPostgresParameter } from "./set-postgres-parameter.js";

const database = new TestDatabase();
// Settings that matter to no other test on this server.
const parameters = [
  "log_parameter_max_length",
  "max_prepared_transactions",
  "gin_fuzzy_search_limit",
  "xmloption",
];
beforeAll(() => database.create());
afterEach(async () => {
  for (const parameter of parameters) await database.query(`alter system reset ${parameter}`);
  await database.query("select pg_reload_conf()");
});
afterAll(() => database.drop());

const here = () =>
  actionContext({ setPostgresParameter: { databases: database.declared, parameters } }).context;
const args = (parameter: string, value: string | undefined): ArgumentsOf<"set-postgres-parameter"> => ({
  action: "set-postgres-parameter",
  database: "main",
  parameter,
  value,
});
const show = async (parameter: string): Promise<string | undefined> =>
  (await database.query<{ now: string }>(`select current_setting('${parameter}') as now`))[0]?.now;

describe("changing a setting of PostgreSQL", () => {
  test("sets it, new sessions have it, and the inverse brings back what was there", async () => {
    const order = args("log_parameter_max_length", "64");
    const plan = await planned(setPostgresParameter, order, here());
    expect(await show("log_parameter_max_length")).toBe("-1");
    expect(plan).toMatchObject({
      needsRestart: false,
      before: { shown: "-1", fileValue: null },
      inverse: { arguments: { database: "main", parameter: "log_parameter_max_length", reset: true } },
    });
    const done = await setPostgresParameter.run(order, plan, here());
    expect(done, done.summary).toMatchObject({ succeeded: true, result: { needsRestart: false } });
    expect(await show("log_parameter_max_length")).toBe("64B");
    expect(await setPostgresParameter.afterInterruption(order, plan, here())).toContain(
      "changed since the plan",
    );

    const second = await planned(setPostgresParameter, args("log_parameter_max_length", "128"), here());
    expect(second.inverse).toMatchObject({ arguments: { value: "64" } });
    const stale = await setPostgresParameter.run(order, plan, here());
    expect(stale.summary).toContain("nothing was done");

    const back = allow(
      here().policy,
      "set-postgres-parameter",
      JSON.stringify(Object(plan.inverse).arguments),
    );
    if (back.kind === "deny") throw new Error(back.detail);
    const undo = back.arguments as Extract<ActionArguments, { action: "set-postgres-parameter" }>;
    const undone = await setPostgresParameter.run(
      undo,
      await planned(setPostgresParameter, undo, here()),
      here(),
    );
    expect(undone.succeeded, undone.summary).toBe(true);
    expect(await show("log_parameter_max_length")).toBe("-1");
  });

  test("setting it and back is the same state", async () => {
    const order = { database: "main", parameter: "log_parameter_max_length", value: "96" };
    const states = await doneAndUndone("set-postgres-parameter", order, here());
    expect(states.after).toBe(states.before);
    expect(states.between).not.toBe(states.before);
  });

  test("says that a restart is needed before it is done, and that it still waits for one after", async () => {
    const order = args("max_prepared_transactions", "7");
    const plan = await planned(setPostgresParameter, order, here());
    expect(plan).toMatchObject({ needsRestart: true, standbysFirst: false });
    const done = await setPostgresParameter.run(order, plan, here());
    expect(done).toMatchObject({ succeeded: true, result: { needsRestart: true } });
    expect(done.summary).toContain("waits for a restart, until then it stays 0");
    expect(await show("max_prepared_transactions")).toBe("0");
  });

  test("puts the old value back when the new one does not count", async () => {
    await database.query(`alter database ${database.name} set gin_fuzzy_search_limit = 5`);
    const order = args("gin_fuzzy_search_limit", "9");
    const done = await setPostgresParameter.run(
      order,
      await planned(setPostgresParameter, order, here()),
      here(),
    );
    expect(done.succeeded).toBe(false);
    expect(done.summary).toContain("it is 5 all the same, for database sets it; the old value is back");
    expect(
      await database.query("select 1 from pg_file_settings where name = 'gin_fuzzy_search_limit'"),
    ).toEqual([]);
  });

  test.each([
    ["max_prepared_transactions", "-1", "expected a number from 0 to"],
    ["max_prepared_transactions", "7 apples", "has no unit"],
    ["xmloption", "everything", "expected one of content, document"],
    ["gin_fuzzy_search_limit", undefined, "nothing to reset"],
  ])("cannot plan %s = %s", async (parameter, value, because) => {
    expect(await setPostgresParameter.preview(args(parameter, value), here())).toMatchObject({
      kind: "impossible",
      because: expect.stringContaining(because),
    });
  });

  test("a value is only ever a value", async () => {
    const order = args("xmloption", "document");
    const hostile = { ...order, value: "document'; drop table x; --" };
    const plan = await planned(setPostgresParameter, order, here());
    const done = await setPostgresParameter.run(hostile, plan, here());
    expect(done.succeeded).toBe(false);
    expect(await show("xmloption")).toBe("content");
  });

  test.each([
    [{ database: "main", parameter: "xmloption", value: "content" }, "allow"],
    [{ database: "main", parameter: "xmloption", reset: true }, "allow"],
    [{ database: "main", parameter: "xmloption" }, "deny"],
    [{ database: "main", parameter: "xmloption", value: "content", reset: true }, "deny"],
    [{ database: "main", parameter: "work_mem", value: "1GB" }, "deny"],
    [{ database: "main", parameter: "archive_command", value: "x" }, "deny"],
    [{ database: "other", parameter: "xmloption", value: "content" }, "deny"],
  ])("the policy's word on %j is %s", (asked, verdict) => {
    expect(allow(here().policy, "set-postgres-parameter", JSON.stringify(asked)).kind).toBe(verdict);
    expect(
      allow(actionContext({}).context.policy, "set-postgres-parameter", JSON.stringify(asked)).kind,
    ).toBe("deny");
  });

  test("no policy may name a setting that runs a program", () => {
    const read = () => actionContext({ setPostgresParameter: { parameters: ["archive_command"] } });
    expect(read).toThrow("a setting that neither runs a program");
  });
});
