/**
 * A primary and its replica that somebody made by hand come under failover as README says, and leave it again. All
 * processes are real; before and after, nobody looks after PostgreSQL but this file.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { appendFileSync, chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Operator } from "../harness/operator.js";
import { freePorts } from "../harness/ports.js";
import { findPostgres } from "../harness/postgres-pair.js";
import { Stack } from "../harness/stack.js";
import { until, untilTrue } from "../harness/until.js";

type Member = "db-1" | "db-2";
const MEMBERS: readonly Member[] = ["db-1", "db-2"];
const PATIENCE_MS = 90_000;
const PASSWORD = "between the two of them";
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const environment = { PATH: process.env["PATH"], LANG: "C", PGPASSWORD: PASSWORD };

let stack: Stack;
let operator: Operator;
let bin = "";
let directory = "";
const ports = new Map<Member, number>();
const agents = new Map<Member, number>();
const servers = new Map<Member, ChildProcess>();

const data = (member: Member): string => join(directory, member);
const other = (member: Member): Member => (member === "db-1" ? "db-2" : "db-1");

function own(path: string): void {
  if (nobody.uid !== undefined) chownSync(path, nobody.uid, nobody.gid);
}

/** PostgreSQL as whoever made it by hand runs it: with its own configuration, and nobody but this test as its parent. */
async function startByHand(member: Member): Promise<void> {
  const server = spawn(join(bin, "postgres"), ["-D", data(member)], {
    ...nobody,
    stdio: "ignore",
    env: environment,
  });
  servers.set(member, server);
  await until(`${member} to answer`, () => query(member, "select 1"), PATIENCE_MS);
}

async function stopByHand(member: Member): Promise<void> {
  const server = servers.get(member);
  if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
  const ended = new Promise((done) => server.once("exit", done));
  server.kill("SIGINT");
  await ended;
}

async function query(member: Member, text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new pg.Client({
    host: "127.0.0.1",
    port: ports.get(member) ?? 0,
    user: "postgres",
    password: PASSWORD,
    database: "postgres",
    connectionTimeoutMillis: 1_000,
    query_timeout: 5_000,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return (await client.query<Readonly<Record<string, unknown>>>(text)).rows;
  } finally {
    client.end().catch(() => undefined);
  }
}

const count = async (member: Member): Promise<unknown> =>
  (await query(member, "select count(*)::int as n from t"))[0]?.["n"];
const streams = async (from: Member): Promise<boolean> =>
  (await query(from, "select 1 from pg_stat_replication where state = 'streaming'")).length === 1;

const settingsOf = (member: Member) => ({
  cluster: "main",
  dataDirectory: data(member),
  binDirectory: bin,
  host: "127.0.0.1",
  port: ports.get(member),
  passwordFile: join(directory, "password"),
  listen: `127.0.0.1:${agents.get(member)}`,
  peers: [
    {
      name: other(member),
      agent: `127.0.0.1:${agents.get(other(member))}`,
      postgres: `127.0.0.1:${ports.get(other(member))}`,
    },
  ],
  firstPrimary: "db-1",
  leaseMs: 6_000,
});

/** What the agent says of a member's database before it takes it over. */
function check(member: Member): { readonly status: number | null; readonly says: string } {
  const file = join(directory, `${member}.yaml`);
  const settings = {
    nodeName: member,
    stateDir: stack.agentState(member),
    postgres: settingsOf(member),
    joinToken: "x",
  };
  writeFileSync(file, JSON.stringify(settings));
  const program = resolve(import.meta.dirname, "../../agent/dist/agent.mjs");
  const end = spawnSync(process.execPath, [program, "--config", file, "--check"], { encoding: "utf8" });
  return { status: end.status, says: end.stdout };
}

beforeAll(async () => {
  bin = findPostgres();
  stack = await Stack.start();
  operator = stack.operator();
  directory = join(stack.directory, "by-hand");
  for (const folder of [directory, data("db-1")]) {
    mkdirSync(folder, { mode: 0o700 });
    own(folder);
  }
  writeFileSync(join(directory, "password"), PASSWORD, { mode: 0o600 });
  own(join(directory, "password"));
  const free = await freePorts(4);
  MEMBERS.forEach((member, index) => {
    ports.set(member, free[index] ?? 0);
    agents.set(member, free[index + 2] ?? 0);
  });
  const options = { ...nobody, stdio: "ignore", env: environment } as const;
  const initdb = ["-D", data("db-1"), "-U", "postgres", "-N", "-A", "scram-sha-256"];
  execFileSync(join(bin, "initdb"), [...initdb, `--pwfile=${join(directory, "password")}`], options);
  const configuration = (member: Member): string =>
    `port = ${ports.get(member)}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n`;
  appendFileSync(join(data("db-1"), "postgresql.conf"), configuration("db-1"));
  // Of their own: nobody may replicate but one who is named.
  const access =
    "host all all 127.0.0.1/32 scram-sha-256\nhost replication postgres 127.0.0.1/32 scram-sha-256\n";
  writeFileSync(join(data("db-1"), "pg_hba.conf"), access);
  await startByHand("db-1");
  await query("db-1", "create table t (n int primary key)");
  await query("db-1", "insert into t select generate_series(1, 1000)");
  const source = `host=127.0.0.1 port=${ports.get("db-1")} user=postgres password='${PASSWORD}'`;
  execFileSync(join(bin, "pg_basebackup"), ["-D", data("db-2"), "-d", source, "-R", "-c", "fast"], options);
  appendFileSync(join(data("db-2"), "postgresql.conf"), configuration("db-2"));
  await startByHand("db-2");
  await untilTrue("the replica to stream", () => streams("db-1"));
}, 120_000);
afterAll(async () => {
  for (const member of MEMBERS) servers.get(member)?.kill("SIGKILL");
  await stack?.stop();
});

test("what is missing is said before anything is touched, and found mended", async () => {
  const access = readFileSync(join(data("db-1"), "pg_hba.conf"), "utf8");
  writeFileSync(join(data("db-1"), "pg_hba.conf"), access.replace(/^host replication.*\n/m, ""));
  await query("db-1", "select pg_reload_conf()");
  const refused = await until("the check to find it", () => {
    const end = check("db-2");
    return end.status === 1 ? end : undefined;
  });
  expect(refused.says).toMatch(
    /^WRONG {2}replication from db-1: found no pg_hba.conf entry for replication connection .*; expected a line of pg_hba.conf there: host replication postgres/m,
  );
  writeFileSync(join(data("db-1"), "pg_hba.conf"), access);
  await query("db-1", "select pg_reload_conf()");
  const let_in = await until("the check to be content", () => {
    const end = check("db-2");
    return end.status === 0 ? end : undefined;
  });
  expect(let_in.says).not.toContain("WRONG");
  const primary = check("db-1");
  expect(primary).toMatchObject({ status: 0 });
  expect(primary.says).toMatch(/^ok {5}role: a primary$/m);
  expect(primary.says).not.toContain(PASSWORD);
}, 60_000);

const settled = (primary: Member) =>
  untilTrue(
    `${primary} to be the primary and the other to be relied on`,
    async () => {
      const [now] = (await operator.recovery().listClusters({})).clusters;
      return now?.primary === primary && now.phase === "" && now.eligible.includes(other(primary));
    },
    PATIENCE_MS,
  );

test("they come under failover with their data, as a replica that streams and not one that is copied anew", async () => {
  await stopByHand("db-1");
  await stopByHand("db-2");
  for (const member of MEMBERS) await stack.startAgent(member, { postgres: settingsOf(member) });
  await operator.recovery().registerCluster({
    cluster: "main",
    members: [...MEMBERS],
    primary: "db-1",
    mode: "synchronous",
    leaseMs: 6_000,
  });
  await settled("db-1");
  expect(await count("db-1")).toBe(1_000);
  await until("db-1 to take writes", () => query("db-1", "insert into t values (1001)"), PATIENCE_MS);
  expect(await count("db-2")).toBe(1_001);
  const copied = stack
    .agent("db-2")
    .log()
    .some(({ sentence }) => sentence === "the data was taken anew");
  expect(copied).toBe(false);
}, 200_000);

test("they change places under failover, and leave it with whoever is the primary then", async () => {
  const plan = await until(
    "nothing to be against a switchover",
    async () => {
      const one = await operator.recovery().planFailover({ cluster: "main", kind: "switchover", to: "db-2" });
      if (one.against.length > 0) throw new Error(one.against.join("; "));
      return one;
    },
    PATIENCE_MS,
  );
  const wish = { cluster: "main", kind: "switchover", to: "db-2", planHash: plan.planHash, reason: "a test" };
  await operator.recovery().requestFailover(wish);
  await settled("db-2");
  await until("db-2 to take writes", () => query("db-2", "insert into t values (1002)"), PATIENCE_MS);

  await operator.recovery().releaseCluster({ cluster: "main", reason: "back to doing it by hand" });
  for (const member of MEMBERS) {
    await stack.agent(member).stop();
    await stack.startAgent(member, {}, false);
  }
  await expect(query("db-2", "select 1")).rejects.toThrow();
  rmSync(join(data("db-2"), "standby.signal"));
  await startByHand("db-2");
  expect((await query("db-2", "select pg_is_in_recovery() as standby"))[0]?.["standby"]).toBe(false);
  expect(await count("db-2")).toBe(1_002);
  await query("db-2", "insert into t values (1003)");
  // Its replica is a copy still: it only has to be told again whose.
  const source = `host=127.0.0.1 port=${ports.get("db-2")} user=postgres password=''${PASSWORD}''`;
  appendFileSync(join(data("db-1"), "postgresql.auto.conf"), `primary_conninfo = '${source}'\n`);
  await startByHand("db-1");
  await untilTrue("the replica to stream", () => streams("db-2"), PATIENCE_MS);
  await untilTrue("the replica to have everything", async () => (await count("db-1")) === 1_003);
  for (const setting of ["synchronous_standby_names", "restore_command"]) {
    expect(await query("db-2", `show ${setting}`)).toEqual([{ [setting]: "" }]);
  }
}, 200_000);
