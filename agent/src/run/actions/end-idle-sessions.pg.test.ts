import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { actionContext } from "../../testing/action-context.js";
import type { ArgumentsOf } from "../command.js";
import type { Plan } from "../plans.js";
import { endIdleSessions } from "./end-idle-sessions.js";

const server = process.env["TEST_DATABASE_URL"] ?? "";
const database = `mainstay_agent_${randomBytes(4).toString("hex")}`;
const home = mkdtempSync(join(tmpdir(), "mainstay-sessions-"));
const urlFile = join(home, "url");
const clients: pg.Client[] = [];

async function asAdmin(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

const role = `${database}_app`;

function urlOf(name: string, user?: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  if (user !== undefined) url.username = user;
  return url.href;
}

/** A session of a client; ended by the server it tells by `ended`. */
async function session(
  application: string,
  user: string | undefined = role,
): Promise<{ client: pg.Client; pid: number; ended: () => boolean }> {
  const client = new pg.Client({ connectionString: urlOf(database, user), application_name: application });
  let ended = false;
  client.on("error", () => {
    ended = true;
  });
  await client.connect();
  clients.push(client);
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return { client, pid: rows[0]?.pid ?? 0, ended: () => ended };
}

beforeAll(async () => {
  await asAdmin(`create database ${database}`);
  await asAdmin(`create role ${role} login`);
  writeFileSync(urlFile, `${urlOf(database)}\n`);
});
afterAll(async () => {
  await asAdmin(`drop database ${database} with (force)`);
  await asAdmin(`drop role ${role}`);
  rmSync(home, { recursive: true });
});
beforeEach(() => {
  clients.length = 0;
});
afterEach(async () => {
  for (const client of clients) await client.end().catch(() => undefined);
});

type Arguments = ArgumentsOf<"end-idle-sessions">;
const args = (more: Partial<Arguments> = {}): Arguments => ({
  action: "end-idle-sessions",
  database: "main",
  idleSeconds: 1,
  states: "all",
  limit: 10,
  ...more,
});
const here = () =>
  actionContext({ endIdleSessions: { databases: [{ name: "main", urlFile }], minIdleSeconds: 1 } });
const idleLongEnough = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1300));

async function planned(more: Partial<Arguments> = {}): Promise<Plan> {
  const answer = await endIdleSessions.preview(args(more), here().context);
  if (answer.kind === "impossible") throw new Error(answer.because);
  return answer.plan;
}
const applications = (plan: Plan): string[] =>
  (Array.isArray(plan["sessions"]) ? plan["sessions"] : []).map(
    (one: { application: string }) => one.application,
  );

describe("ending idle sessions", () => {
  test("ends those of the plan and no other: not the busy one, not the young one, not the one used since", async () => {
    const idle = await session("idle");
    const inTransaction = await session("in-transaction");
    await inTransaction.client.query("begin");
    const used = await session("used-since");
    const busy = await session("busy");
    await idleLongEnough();
    const working = busy.client.query("select pg_sleep(2.5)");
    await new Promise((resolve) => setTimeout(resolve, 100));
    const young = await session("young");
    const plan = await planned();
    expect(applications(plan)).toEqual(["idle", "in-transaction", "used-since"]);
    expect(plan["sessions"]).toMatchObject([
      { pid: idle.pid, state: "idle" },
      { state: "idle in transaction" },
      {},
    ]);

    await used.client.query("select 1");
    const test = here();
    const done = await endIdleSessions.run(args(), plan, test.context);
    expect(done, done.summary).toMatchObject({
      succeeded: true,
      result: { ended: 2, remaining: 0, skippedCount: 1, skipped: [{ pid: used.pid }] },
    });
    await working;
    expect([idle, inTransaction, used, busy, young].map(({ ended }) => ended())).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(test.said.join("\n")).toContain(`ended ${idle.pid}`);
    expect(await endIdleSessions.afterInterruption(args(), plan, test.context)).toBe(
      "2 of 3 sessions of the plan are gone",
    );
  });

  test("by default those inside a transaction; a pool's members, superusers and agents live, and as many end as were shown", async () => {
    const pooled = await session("pooled");
    const admin = await session("admin", new URL(server).username);
    const agent = await session("mainstay-agent");
    const forgotten = await session("forgotten");
    for (const { client } of [admin, agent, forgotten]) await client.query("begin");
    await idleLongEnough();
    const order = args({ states: "in-transaction" });
    const plan = await planned(order);
    expect(applications(plan)).toEqual(["forgotten"]);
    expect(plan.inverse).toBe("irreversible");
    const done = await endIdleSessions.run(order, plan, here().context);
    expect(done).toMatchObject({ succeeded: true, result: { ended: 1, skippedCount: 0 } });
    expect([pooled, admin, agent, forgotten].map(({ ended }) => ended())).toEqual([
      false,
      false,
      false,
      true,
    ]);
    const withAgents = applications(await planned({ states: "all" }));
    expect(withAgents).toEqual(["pooled"]);
  });

  test("a pid of the plan that is another session now is left alone", async () => {
    const other = await session("other");
    await idleLongEnough();
    const plan = await planned();
    const sessions = [{ ...Object(plan["sessions"])[0], backendStart: "2001-01-01T00:00:00.000000Z" }];
    const done = await endIdleSessions.run(args(), { ...plan, sessions }, here().context);
    expect(done).toMatchObject({ succeeded: false, result: { ended: 0, skippedCount: 1 } });
    expect(other.ended()).toBe(false);
  });

  test("lists no more than asked for, the longest idle first", async () => {
    for (const name of ["first", "second", "third"]) await session(name);
    await idleLongEnough();
    expect(applications(await planned({ limit: 2 }))).toEqual(["first", "second"]);
  });

  test("nothing idle is a plan of nothing, and doing nothing is a success", async () => {
    await session("young");
    const plan = await planned({ idleSeconds: 600 });
    expect(applications(plan)).toEqual([]);
    expect(await endIdleSessions.run(args(), plan, here().context)).toMatchObject({
      succeeded: true,
      result: { ended: 0 },
    });
  });

  test("a database that cannot be reached is said, without its password", async () => {
    const url = "postgres://user:s3cret@127.0.0.1:1/none";
    const { context } = actionContext({ endIdleSessions: { databases: [{ name: "main", url }] } });
    const answer = await endIdleSessions.preview(args(), context);
    expect(answer).toMatchObject({ kind: "impossible", because: expect.stringContaining("main: ") });
    expect(JSON.stringify(answer)).not.toContain("s3cret");
  });
});
