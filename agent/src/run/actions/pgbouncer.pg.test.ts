import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { actionContext } from "../../testing/action-context.js";
import { until } from "../../testing/agent-process.js";
import { freePort } from "../../testing/free-port.js";
import { planned } from "../../testing/planned.js";
import { TestDatabase } from "../../testing/test-database.js";
import { doneAndUndone } from "../../testing/undo.js";
import { allow } from "../allow.js";
import { readBouncerFile } from "./pgbouncer-console.js";
import { pgbouncerPause, pgbouncerResume } from "./pgbouncer-pause.js";
import { pgbouncerReload } from "./pgbouncer-reload.js";

const database = new TestDatabase();
beforeAll(() => database.create());
afterAll(() => database.drop());

let home = "";
let port = 0;
let bouncer: ChildProcess | undefined;
const clients: pg.Client[] = [];
const file = (): string => join(home, "pgbouncer.ini");

/** PgBouncer refuses to run as root, and has to reach the server's socket. */
function userOption(): string[] {
  if (process.getuid?.() !== 0) return [];
  const socket = new URL(process.env["TEST_DATABASE_URL"] ?? "").searchParams.get("host");
  const uid = socket === null ? -1 : statSync(socket).uid;
  const users = readFileSync("/etc/passwd", "utf8").split("\n");
  const owner = users.map((line) => line.split(":")).find(([, , number]) => Number(number) === uid)?.[0];
  return ["-u", owner ?? "nobody"];
}

function configure(databases: readonly string[], poolSize = 5): void {
  const server = new URL(process.env["TEST_DATABASE_URL"] ?? "");
  const target = [
    `host=${server.searchParams.get("host") ?? server.hostname}`,
    `port=${server.port || 5432}`,
    `dbname=${database.name}`,
    `user=${decodeURIComponent(server.username)}`,
    ...(server.password === "" ? [] : [`password=${decodeURIComponent(server.password)}`]),
  ].join(" ");
  const lines = databases.map((name) => `${name} = ${target}`);
  writeFileSync(
    file(),
    `[databases]\n${lines.join("\n")}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =\nauth_type = trust\nauth_file = ${home}/users\nadmin_users = admin\npool_mode = transaction\ndefault_pool_size = ${poolSize}\n`,
  );
  writeFileSync(join(home, "users"), '"any" ""\n"admin" ""\n');
}

async function client(name = "app"): Promise<pg.Client> {
  const one = new pg.Client({
    connectionString: `postgres://any@127.0.0.1:${port}/${name}`,
    connectionTimeoutMillis: 5_000,
    query_timeout: 20_000,
  });
  one.on("error", () => undefined);
  await one.connect();
  clients.push(one);
  return one;
}

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "mainstay-pgbouncer-"));
  chmodSync(home, 0o755);
  port = await freePort();
  configure(["app"]);
  bouncer = spawn("/usr/sbin/pgbouncer", [...userOption(), file()], { stdio: "ignore" });
  await until("PgBouncer answers", () =>
    client().then(
      () => true,
      () => false,
    ),
  );
});
afterEach(async () => {
  bouncer?.kill("SIGKILL");
  // Not waited for: an end that nobody answers any more does not come.
  for (const one of clients.splice(0)) one.end().catch(() => undefined);
  rmSync(home, { recursive: true });
});

const here = () =>
  actionContext({
    pgbouncer: {
      bouncers: [
        {
          name: "pool",
          url: `postgres://admin@127.0.0.1:${port}/pgbouncer`,
          databases: ["app"],
          configFile: file(),
        },
      ],
    },
  });
const pause = (waitSeconds = 10) =>
  ({ action: "pgbouncer-pause", bouncer: "pool", database: "app", waitSeconds }) as const;
const resume = { action: "pgbouncer-resume", bouncer: "pool", database: "app" } as const;
const reload = { action: "pgbouncer-reload", bouncer: "pool" } as const;

describe("pausing a database", () => {
  test("what runs may end, what comes waits and does not fail, and the inverse lets it go on", async () => {
    const { context } = here();
    const running = await client();
    await running.query("BEGIN");
    const plan = await planned(pgbouncerPause, pause(), context);
    expect(plan).toMatchObject({
      before: { paused: false },
      inverse: { action: "pgbouncer-resume", arguments: { bouncer: "pool", database: "app" } },
    });
    const waiting = await client();
    let answered = false;
    const pausing = pgbouncerPause.run(pause(), plan, context);
    await until("it is being paused", async () => {
      const looked = await pgbouncerPause.afterInterruption(pause(), plan, context);
      return looked.startsWith("app is paused");
    });
    const late = waiting.query("SELECT 1").then(() => {
      answered = true;
    });
    await running.query("COMMIT");
    const done = await pausing;
    expect(done, done.summary).toMatchObject({ succeeded: true, result: { after: { paused: true } } });
    expect(answered).toBe(false);
    const undone = await pgbouncerResume.run(
      resume,
      await planned(pgbouncerResume, resume, context),
      context,
    );
    expect(undone, undone.summary).toMatchObject({ succeeded: true, result: { after: { paused: false } } });
    await late;
    expect(answered).toBe(true);
  });

  test("a transaction that does not end is not waited for for ever, and nobody stays paused", async () => {
    const { context } = here();
    const running = await client();
    await running.query("BEGIN");
    const done = await pgbouncerPause.run(
      pause(1),
      await planned(pgbouncerPause, pause(1), context),
      context,
    );
    expect(done).toMatchObject({ succeeded: false, summary: expect.stringContaining("its clients go on") });
    expect((await (await client()).query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });

  test("pausing and resuming is the same state as before", async () => {
    const states = await doneAndUndone(
      "pgbouncer-pause",
      { bouncer: "pool", database: "app" },
      here().context,
    );
    expect(states.after).toBe(states.before);
    expect(states.between).not.toBe(states.before);
  });

  test("the plan of a pause names its inverse and holds nobody back", async () => {
    const { context } = here();
    const plan = await planned(pgbouncerPause, pause(), context);
    expect(plan.inverse).toMatchObject({ action: "pgbouncer-resume" });
    expect(await pgbouncerPause.afterInterruption(pause(), plan, context)).toContain("not paused");
    expect((await (await client()).query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });

  test("the plan of a resumption names its inverse and lets nobody go on", async () => {
    const { context } = here();
    await pgbouncerPause.run(pause(), await planned(pgbouncerPause, pause(), context), context);
    const plan = await planned(pgbouncerResume, resume, context);
    expect(plan).toMatchObject({ before: { paused: true }, inverse: { action: "pgbouncer-pause" } });
    expect(await pgbouncerResume.afterInterruption(resume, plan, context)).toBe("app is paused at pool");
  });

  test("a resumption is one when PgBouncer says so, asked anew, and its clients are served", async () => {
    const { context } = here();
    await pgbouncerPause.run(pause(), await planned(pgbouncerPause, pause(), context), context);
    const plan = await planned(pgbouncerResume, resume, context);
    const done = await pgbouncerResume.run(resume, plan, context);
    expect(done).toMatchObject({ succeeded: true, result: { after: { name: "app", paused: false } } });
    expect((await (await client()).query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    bouncer?.kill("SIGKILL");
    expect(await pgbouncerResume.run(resume, plan, context)).toMatchObject({ succeeded: false });
  });

  test("what is so already, and what is not there, cannot be planned", async () => {
    const { context } = here();
    expect(await pgbouncerResume.preview(resume, context)).toMatchObject({ because: "app is not paused" });
    expect(await pgbouncerPause.preview({ ...pause(), database: "other" }, context)).toMatchObject({
      because: "pool has no database other",
    });
    bouncer?.kill("SIGKILL");
    expect(await pgbouncerPause.preview(pause(), context)).toMatchObject({ kind: "impossible" });
  });
});

describe("reloading", () => {
  test("the plan of a reload names what the file has that is new, and loads nothing", async () => {
    const { context } = here();
    configure(["app", "reports"], 9);
    const answer = await pgbouncerReload.preview(reload, context);
    expect(answer).toMatchObject({
      kind: "planned",
      summary: expect.stringContaining("new databases: reports"),
    });
    const plan = await planned(pgbouncerReload, reload, context);
    expect(plan).toMatchObject({ before: { databases: ["app"] }, expected: ["app", "reports"] });
    expect(await pgbouncerReload.afterInterruption(reload, plan, context)).toContain("the databases app;");
  });

  test("a new database and a new setting are found afterwards, and what changed is said", async () => {
    const { context } = here();
    configure(["app", "reports"], 9);
    const plan = await planned(pgbouncerReload, reload, context);
    expect(plan).toMatchObject({ inverse: "nothing-to-undo", before: { databases: ["app"] } });
    const done = await pgbouncerReload.run(reload, plan, context);
    expect(done, done.summary).toMatchObject({
      succeeded: true,
      result: { databases: ["app", "reports"], changed: ["default_pool_size 5 → 9"] },
    });
    expect((await (await client("reports")).query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    expect(await pgbouncerReload.afterInterruption(reload, plan, context)).toContain("app, reports");
  });

  test("a file that PgBouncer cannot read is no reload, though it says RELOAD", async () => {
    const { context } = here();
    writeFileSync(file(), "[databases]\nnew = host=\n[pgbouncer]\nthis is no setting\n");
    const done = await pgbouncerReload.run(reload, await planned(pgbouncerReload, reload, context), context);
    expect(done).toMatchObject({ succeeded: false, summary: expect.stringContaining("does not have new") });
    expect((await (await client()).query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });

  test("a file that changed since the plan is not loaded", async () => {
    const { context } = here();
    const plan = await planned(pgbouncerReload, reload, context);
    configure(["app", "other"]);
    const done = await pgbouncerReload.run(reload, plan, context);
    expect(done.summary).toContain("nothing was done");
  });

  test("names of databases are read as the file has them", async () => {
    writeFileSync(
      file(),
      '; x = 1\n[databases]\na = host=x\n"b c" = \n"d" = host=y\n* = host=z\n[users]\ne = \n',
    );
    expect((await readBouncerFile(file())).databases).toEqual(["a", "d"]);
  });
});

test.each([
  ["pgbouncer-pause", { bouncer: "pool", database: "app" }, "allow"],
  ["pgbouncer-pause", { bouncer: "pool", database: "app", waitSeconds: 500 }, "deny"],
  ["pgbouncer-pause", { bouncer: "pool", database: "app; SHUTDOWN" }, "deny"],
  ["pgbouncer-resume", { bouncer: "pool", database: "other" }, "deny"],
  ["pgbouncer-reload", { bouncer: "other" }, "deny"],
  ["pgbouncer-reload", { bouncer: "pool" }, "allow"],
])("the policy's word on %s %j is %s", (action, asked, verdict) => {
  expect(allow(here().context.policy, action, JSON.stringify(asked)).kind).toBe(verdict);
  expect(allow(actionContext({}).context.policy, action, JSON.stringify(asked)).kind).toBe("deny");
});
