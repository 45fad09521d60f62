import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { actionContext } from "../../testing/action-context.js";
import { planned } from "../../testing/planned.js";
import { TestDatabase } from "../../testing/test-database.js";
import { allow } from "../allow.js";
import type { ArgumentsOf } from "../command.js";
import { terminateQuery } from "./terminate-query.js";

const database = new TestDatabase();
beforeAll(() => database.create());
afterAll(() => database.drop());
afterEach(() => database.endSessions());

const here = () => actionContext({ terminateQuery: { databases: database.declared, minSeconds: 1 } });
type Arguments = ArgumentsOf<"terminate-query">;
const args = (more: Partial<Arguments> = {}): Arguments => ({
  action: "terminate-query",
  database: "main",
  minSeconds: 1,
  how: "cancel",
  pid: undefined,
  limit: 10,
  ...more,
});

/** A query that runs; what became of it: the server's code, or "done". */
async function slow(application: string, role: string | undefined, sql = "select pg_sleep(8), 'hunter2'") {
  const client = await database.session(application, role);
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  const end = client.query(sql).then(
    () => "done",
    (error: unknown) => String(Object(error).code ?? Object(error).message),
  );
  return { client, pid: rows[0]?.pid ?? 0, end };
}
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("ending queries", () => {
  test("the plan names the query and its session, and lets it run", async () => {
    const long = await slow("long", database.role, "select pg_sleep(2.5)");
    await pause(1300);
    const plan = await planned(terminateQuery, args(), here().context);
    expect(plan["queries"]).toMatchObject([{ pid: long.pid }]);
    expect(await long.end).toBe("done");
  });

  test("cancels the long ones of the plan; superusers, agents and young queries are none of them", async () => {
    const long = await slow("long", database.role);
    const admin = await slow("admin", undefined, "select pg_sleep(3)");
    const agent = await slow("mainstay-agent", database.role, "select pg_sleep(3)");
    await pause(1300);
    const young = await slow("young", database.role, "select pg_sleep(2)");
    const plan = await planned(terminateQuery, args(), here().context);
    expect(plan["queries"]).toMatchObject([{ pid: long.pid, application: "long" }]);
    expect(plan.inverse).toBe("irreversible");
    expect(JSON.stringify(plan)).not.toContain("hunter2");

    const done = await terminateQuery.run(args(), plan, here().context);
    expect(done, done.summary).toMatchObject({
      succeeded: true,
      result: { ended: 1, skipped: 0, stillRunning: [], notReached: 0 },
    });
    expect(await long.end).toBe("57014");
    // Its session lives: only the query was ended.
    expect((await long.client.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
    expect(await Promise.all([admin.end, agent.end, young.end])).toEqual(["done", "done", "done"]);
    expect(await terminateQuery.afterInterruption(args(), plan, here().context)).toBe(
      "1 of 1 query of the plan have ended",
    );
  });

  test("ends the session when asked to, and only the one named", async () => {
    const one = await slow("one", database.role);
    const other = await slow("other", database.role, "select pg_sleep(2.5)");
    await pause(1200);
    const order = args({ how: "terminate", pid: one.pid });
    const plan = await planned(terminateQuery, order, here().context);
    const done = await terminateQuery.run(order, plan, here().context);
    expect(done.succeeded, done.summary).toBe(true);
    expect(await one.end).toBe("57P01");
    expect(await other.end).toBe("done");
  });

  test("leaves a session alone that has gone on to another query since", async () => {
    const first = await slow("moved-on", database.role, "select pg_sleep(1.5)");
    await pause(1200);
    const plan = await planned(terminateQuery, args(), here().context);
    expect(plan["queries"]).toHaveLength(1);
    await first.end;
    const second = first.client.query("select pg_sleep(1.5)");
    const done = await terminateQuery.run(args(), plan, here().context);
    expect(done).toMatchObject({ succeeded: false, result: { ended: 0, skipped: 1 } });
    await second;
  });

  test.each([
    [{ database: "main" }, "allow"],
    [{ database: "other" }, "deny"],
    [{ database: "main", minSeconds: 0 }, "deny"],
    [{ database: "main", limit: 21 }, "deny"],
    [{ database: "main", how: "kill" }, "deny"],
    [{ database: "main", pid: "1; select 1" }, "deny"],
    [{ database: "main", pid: 1 }, "deny"],
  ])("the policy's word on %j is %s", (asked, verdict) => {
    expect(allow(here().context.policy, "terminate-query", JSON.stringify(asked)).kind).toBe(verdict);
    const nothing = actionContext({}).context.policy;
    expect(allow(nothing, "terminate-query", JSON.stringify(asked)).kind).toBe("deny");
  });
});
