/** A cluster's clients at a real pgbouncer: held, led elsewhere, and let go when nobody wants them held any more. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PoolerReport } from "@mainstay/proto/failover/poolers";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fields } from "../../fields.js";
import { realSystem } from "../../system.js";
import { until } from "../../testing/agent-process.js";
import { freePort } from "../../testing/free-port.js";
import { TestDatabase } from "../../testing/test-database.js";
import { doubtsOf } from "./bouncer.js";
import { Pooler } from "./pooler.js";
import { type PoolerSettings, readPoolers } from "./settings.js";

const database = new TestDatabase();
beforeAll(() => database.create());
afterAll(() => database.drop());

let home = "";
let port = 0;
let bouncer: ChildProcess | undefined;
let pooler: Pooler | undefined;
let reports: PoolerReport[] = [];
let said: string[] = [];
const clients: pg.Client[] = [];
const server = new URL(process.env["TEST_DATABASE_URL"] ?? "");
const socket = server.searchParams.get("host") ?? "";
const entries = (): string => join(home, "entries.ini");

function userOption(): string[] {
  if (process.getuid?.() !== 0) return [];
  const uid = statSync(socket).uid;
  const users = readFileSync("/etc/passwd", "utf8").split("\n");
  const owner = users.map((line) => line.split(":")).find(([, , number]) => Number(number) === uid)?.[0];
  return ["-u", owner ?? "nobody"];
}

/** Both members are the one server, by two names of its socket's directory. */
const settings = (): PoolerSettings => ({
  cluster: "main",
  bouncers: [{ url: `postgres://admin@127.0.0.1:${port}/pgbouncer`, urlFile: undefined, file: entries() }],
  databases: [
    { name: "app", options: `dbname=${database.name} user=${decodeURIComponent(server.username)}` },
  ],
  members: ["a", "b"].map((name) => ({
    name,
    postgres: { host: join(home, name), port: Number(server.port || 5_432) },
  })),
});

function startPooler(): Pooler {
  reports = [];
  pooler = new Pooler({
    settings: settings(),
    system: realSystem,
    log: (_level, message) => said.push(message),
    say: (report) => reports.push(report),
  });
  pooler.start();
  return pooler;
}

const last = (): PoolerReport | undefined => reports.at(-1);
const reported = (what: Partial<PoolerReport>): Promise<void> =>
  until(`it reports ${JSON.stringify(what)}`, async () => {
    const report = last();
    return (
      report !== undefined && Object.entries(what).every(([key, value]) => Object(report)[key] === value)
    );
  });

async function client(name = "app"): Promise<pg.Client> {
  const one = new pg.Client({
    connectionString: `postgres://any@127.0.0.1:${port}/${name}`,
    connectionTimeoutMillis: 20_000,
    query_timeout: 20_000,
  });
  one.on("error", () => undefined);
  await one.connect();
  clients.push(one);
  return one;
}
async function console_(text: string): Promise<readonly Record<string, unknown>[]> {
  const one = new pg.Client({ connectionString: `postgres://admin@127.0.0.1:${port}/pgbouncer` });
  await one.connect();
  try {
    return (await one.query<Record<string, unknown>>(text)).rows;
  } finally {
    await one.end();
  }
}
const app = async () => (await console_("SHOW DATABASES")).find((row) => row["name"] === "app");

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "mainstay-pooler-"));
  chmodSync(home, 0o755);
  for (const name of ["a", "b"]) symlinkSync(socket, join(home, name));
  port = await freePort();
  const ini = join(home, "pgbouncer.ini");
  writeFileSync(
    ini,
    `%include ${entries()}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =\nauth_type = any\nadmin_users = admin\npool_mode = transaction\nserver_login_retry = 1\n`,
  );
  writeFileSync(entries(), "");
  said = [];
  bouncer = spawn("/usr/sbin/pgbouncer", [...userOption(), ini], { stdio: "ignore" });
  await until("pgbouncer answers", () =>
    app().then(
      () => true,
      () => false,
    ),
  );
});
afterEach(async () => {
  await pooler?.stop();
  bouncer?.kill("SIGKILL");
  for (const one of clients.splice(0)) one.end().catch(() => undefined);
  rmSync(home, { recursive: true });
});

const lead = (epoch: number, to: string) => ({ epoch, to, hold: false, lapseMs: 5_000 });
const hold = (epoch: number, lapseMs = 60_000) => ({ epoch, to: "a", hold: true, lapseMs });

describe("the clients of a cluster", () => {
  test("are led to its owner, from a file that was empty on", async () => {
    startPooler().received(lead(3, "a"));
    await reported({ epoch: 3, to: "a", holds: false });
    expect((await (await client()).query("select 1 as one")).rows).toEqual([{ one: 1 }]);
    expect(readFileSync(entries(), "utf8")).toContain(`app = host=${join(home, "a")} port=`);
  });

  test("wait while the owner changes, are led to the new one, and none of them is told of it", async () => {
    const one = startPooler();
    one.received(lead(3, "a"));
    await reported({ to: "a" });
    const running = await client();
    await running.query("begin");
    const busy = await client();
    one.received(hold(4));
    await until("it is being paused", async () => Number((await app())?.["paused"]) === 1);
    let answered = false;
    const waiting = busy.query("select 1").then(() => {
      answered = true;
    });
    await reported({ epoch: 4, holds: true, held: false });
    await running.query("commit");
    await reported({ epoch: 4, holds: true, held: true, to: "a" });
    expect(answered).toBe(false);
    one.received(lead(4, "b"));
    await waiting;
    await reported({ epoch: 4, holds: false, held: false, to: "b" });
    await running.query("select 1");
    expect(await app()).toMatchObject({ host: join(home, "b"), paused: 0 });
    // A late word of the same epoch is not obeyed.
    one.received(hold(4));
    one.received(lead(3, "a"));
    await busy.query("select 1");
    await reported({ epoch: 4, to: "b", holds: false });
  }, 60_000);

  test("go on where they were when they could not all be held, and a transaction that runs meanwhile is not cut", async () => {
    const one = startPooler();
    one.received(lead(3, "a"));
    await reported({ to: "a" });
    const running = await client();
    await running.query("begin");
    one.received(hold(4));
    await reported({ epoch: 4, holds: true, held: false });
    one.received(lead(4, "a"));
    await reported({ epoch: 4, holds: false, to: "a" });
    await (await client()).query("select 1");
    await running.query("commit");
  }, 60_000);

  test("go on by themselves when nobody says any more that they are held", async () => {
    const one = startPooler();
    one.received(lead(3, "a"));
    await reported({ to: "a" });
    one.received(hold(4, 1_500));
    await reported({ held: true });
    await (await client()).query("select 1");
    await reported({ epoch: 4, holds: false, to: "a" });
    expect(said).toContain("nobody wants the clients held any more: they go on");
  }, 60_000);

  test("are let go by the next life of an agent that died while it held them, and only theirs are", async () => {
    const one = startPooler();
    one.received(lead(3, "a"));
    await reported({ to: "a" });
    one.received(hold(4));
    await reported({ held: true });
    await one.stop();
    const next = startPooler();
    await reported({ epoch: 4, holds: true, held: true });
    next.received(lead(4, "b"));
    await reported({ epoch: 4, holds: false, to: "b" });
    await (await client()).query("select 1");
    // A person's pause is a person's.
    await console_("PAUSE app");
    next.received(lead(5, "a"));
    await reported({ epoch: 5, to: "a", holds: false });
    expect(Number((await app())?.["paused"])).toBe(1);
    expect(last()?.because).toContain("paused, but not by the agent");
    await console_("RESUME app");
  }, 60_000);

  test("are led to no stranger, and a pgbouncer that is not there is told of", async () => {
    const one = startPooler();
    one.received(lead(3, "mallory"));
    await reported({ to: null });
    await until(
      "it says why",
      async () => last()?.because.includes("mallory is not in poolers.members") === true,
    );
    one.received(lead(4, "a"));
    await reported({ to: "a" });
    bouncer?.kill("SIGKILL");
    await until("it says that it is gone", async () => last()?.to === null);
  }, 60_000);
});

test.each([
  {
    settings: {
      server_login_retry: "15",
      query_wait_timeout: "120",
      pool_mode: "transaction",
      tcp_user_timeout: "0",
    },
    doubts: 2,
  },
  { settings: { server_login_retry: "1", query_wait_timeout: "5", pool_mode: "session" }, doubts: 2 },
  { settings: { server_login_retry: "1", query_wait_timeout: "0", pool_mode: "statement" }, doubts: 0 },
])("of a pgbouncer's settings $settings are doubtful: $doubts", ({ settings: some, doubts }) => {
  expect(doubtsOf(new Map(Object.entries(some))).length).toBe(doubts);
});

test("what is wrong with poolers in agent.yaml is told, all of it, and no credential", () => {
  const fields = new Fields(
    {
      poolers: [
        {
          cluster: "Main",
          bouncers: [{ url: "postgres://admin:secret@here/pgbouncer", urlFile: "/etc/x", file: "relative" }],
          databases: [{ name: "app; drop", options: "dbname=app host=elsewhere" }],
          members: [],
        },
      ],
    },
    "",
    [],
  );
  readPoolers(fields, () => undefined);
  expect(fields.faults.map(({ path }) => path)).toEqual([
    "poolers[0].bouncers[0].file",
    "poolers[0].bouncers[0].url",
    "poolers[0].bouncers[0].file",
    "poolers[0].databases[0].name",
    "poolers[0].databases[0].name",
    "poolers[0].databases[0].options",
    "poolers[0].members",
    "poolers[0].cluster",
    "poolers[0].cluster",
  ]);
  expect(JSON.stringify(fields.faults.map(({ value }) => value))).not.toContain("secret");
});
