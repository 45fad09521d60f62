/**
 * Thousands of orders while everything that carries them is killed and cut, again and again: agents, both replicas, links,
 * PostgreSQL's sessions, PostgreSQL itself, Redis. None is lost, none is carried out twice, none is stuck.
 * MAINSTAY_ORDERS sets how many.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Role } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { VaultContractServer } from "../contract-servers/vault.js";
import { reaches, request } from "../harness/commands.js";
import { Operator } from "../harness/operator.js";
import { type PostgresServer, startPostgres } from "../harness/postgres.js";
import { type RedisServer, startRedis } from "../harness/redis.js";
import { Stack } from "../harness/stack.js";
import { Switchboard } from "../harness/switchboard.js";
import { pause, until, untilTrue } from "../harness/until.js";

const ORDERS = Number(process.env["MAINSTAY_ORDERS"] ?? 2_000);
/** An agent remembers 2,500 orders and refuses more until the oldest have been over for a day. */
const NODES = Array.from({ length: Math.max(3, Math.ceil(ORDERS / 2_200)) }, (_, index) => `lb-${index + 1}`);
/** Orders that are open on a node at the same time. */
const OPEN_MAX = 16;
/** So many have to end between one fault and the next: a machine that is busy gets the time that it needs. */
const BETWEEN = Math.max(20, Math.floor(ORDERS / 10));
/** When nothing has ended for so long, something is stuck. */
const STUCK_MS = 120_000;
const OPEN = "('planning', 'planned', 'awaiting-approval', 'approved', 'sent', 'running')";
const POLICY = `
limits: { openPerNode: 100, perNodePerHour: 10000 }
rules: [{ name: everything, verdict: allow }]
`;
/** What people and rules may do in an hour is not what this is about. */
const SAFETY = `
budget: { actionsPerHour: 1000000, failureRatio: 1, failuresMin: 1000000 }
inFlight: []
`;

let postgres: PostgresServer;
let redis: RedisServer;
let vault: VaultContractServer;
let database: pg.Pool;
let directory: string;
const stacks: Stack[] = [];
const operators: Operator[] = [];
const boards = new Map<string, Switchboard>();

beforeAll(async () => {
  postgres = await startPostgres();
  redis = await startRedis();
  vault = await new VaultContractServer().start();
  database = new pg.Pool({ connectionString: postgres.url, max: 2, application_name: "the test" });
  // Its own sessions are ended with the others'.
  database.on("error", () => undefined);
  const env = {
    ...{ VAULT_ADDR: vault.address, VAULT_ROLE_ID: vault.roleId, VAULT_SECRET_ID: vault.secretId },
    REDIS_URL: redis.url,
  };
  directory = mkdtempSync(join(tmpdir(), "mainstay-storm-"));
  const safety = join(directory, "safety.yaml");
  writeFileSync(safety, SAFETY);
  for (let i = 0; i < 2; i++)
    stacks.push(
      await Stack.start({ env, databaseUrl: postgres.url, policy: POLICY, args: ["--safety", safety] }),
    );
  operators.push(...stacks.map((stack) => stack.operator()));
  const [one] = stacks;
  if (one === undefined) throw new Error("no replica was started");
  for (const node of NODES) {
    const socket = join(one.directory, `${node}.sock`);
    boards.set(node, await Switchboard.open(socket));
    await one.startAgent(node, {
      controlPlane: {
        agents: stacks.map(({ ports }) => `127.0.0.1:${ports.link}`),
        enroll: `127.0.0.1:${one.ports.grpc}`,
      },
      actions: {
        setBackendState: { proxies: [{ name: "lb", socket, backends: ["web"], minReady: 0 }] },
      },
    });
  }
  await until("the nodes", async () => {
    const { nodes } = await (operators[0] as Operator).fleet().listNodes({});
    return nodes.filter(({ actions }) => actions.length > 0).length === NODES.length ? true : undefined;
  });
});
afterAll(async () => {
  await database?.end();
  for (const stack of [...stacks].reverse()) await stack.stop();
  for (const board of boards.values()) await board.close();
  await vault?.stop();
  await redis?.stop();
  await postgres?.stop();
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});

/** How many of the orders are open on each node; undefined while the database is away. */
async function openOn(): Promise<ReadonlyMap<string, number> | undefined> {
  try {
    const { rows } = await database.query<{ node_name: string; open: string }>(
      `select node_name, count(*) as open from command where state in ${OPEN} group by node_name`,
    );
    return new Map(rows.map(({ node_name, open }) => [node_name, Number(open)]));
  } catch {
    return undefined;
  }
}

/** Requests an order until somebody has it; asking twice is asking once. */
async function order(number: number, node: string): Promise<void> {
  boards.get(node)?.add(`s-${number}`);
  for (let asked = 0; ; asked++) {
    try {
      await operators[(number + asked) % operators.length]?.commands().requestCommand({
        requestId: `order-${number}`,
        nodeId: node,
        action: "set-backend-state",
        argumentsJson: JSON.stringify({
          ...{ proxy: "lb", backend: "web", server: `s-${number}`, state: "maint", waitSeconds: 0 },
        }),
        expiresInSeconds: 24 * 3_600,
        waitMs: 1,
      });
      return;
    } catch (error) {
      if (asked > 300) throw error;
      await pause(200);
    }
  }
}

/** Keeps each node busy until all have been asked for. */
async function orderAll(isOver: () => boolean): Promise<void> {
  let next = 0;
  while (next < ORDERS && !isOver()) {
    const open = await openOn();
    if (open === undefined) {
      await pause(200);
      continue;
    }
    const wave: Promise<void>[] = [];
    for (const node of NODES)
      for (let room = OPEN_MAX - (open.get(node) ?? 0); room > 0 && next < ORDERS; room--)
        wave.push(order(next++, node));
    await Promise.all(wave);
    await pause(100);
  }
}

/** What may go wrong, in turn; each is mended before the next. */
const faults: Readonly<Record<string, (round: number) => Promise<void>>> = {
  "an agent is killed": async (round) => {
    const node = NODES[round % NODES.length] ?? "";
    await stacks[0]?.agent(node).killHard();
    stacks[0]?.restartAgent(node);
  },
  "PostgreSQL's sessions are ended": async () => {
    for (let time = 0; time < 5; time++) {
      await database
        .query(
          "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
        )
        .catch(() => undefined);
      await pause(200);
    }
  },
  "a replica is killed": async (round) => {
    const stack = stacks[round % 2];
    await stack?.controlPlane.killHard();
    await pause(500);
    await stack?.startControlPlane();
  },
  "the links are cut": async () => {
    for (const { link } of stacks) link.cut();
    await pause(1_500);
    for (const { link } of stacks) link.mend();
  },
  "PostgreSQL crashes": () => postgres.restart(),
};

async function ended(): Promise<number | undefined> {
  try {
    const { rows } = await database.query<{ ended: string }>(
      `select count(*) as ended from command where state not in ${OPEN}`,
    );
    return Number(rows[0]?.ended);
  } catch {
    return undefined;
  }
}

/** Waits until some more have ended. */
async function progress(isOver: () => boolean): Promise<void> {
  const before = await until("the database", ended, STUCK_MS);
  await until(
    "orders to end",
    async () => (isOver() || ((await ended()) ?? 0) >= before + BETWEEN ? true : undefined),
    STUCK_MS,
  ).catch(async (cause: unknown) => {
    const { rows } = await database.query(
      `select node_name, state, because, sent_session, count(*) from command where state in ${OPEN} group by 1, 2, 3, 4`,
    );
    throw new Error(`stuck at ${before}: ${JSON.stringify(rows)}`, { cause });
  });
}

/** One fault after another until all is done; answers how often each happened. */
async function disturb(isOver: () => boolean): Promise<Record<string, number>> {
  const happened: Record<string, number> = {};
  for (let round = 0; !isOver(); round++) {
    await progress(isOver);
    const [name = "", fault] = Object.entries(faults)[round % Object.keys(faults).length] ?? [];
    if (isOver()) break;
    process.stdout.write(`${(await ended()) ?? "?"} of ${ORDERS} orders have ended; now ${name}\n`);
    await fault?.(Math.floor(round / Object.keys(faults).length));
    happened[name] = (happened[name] ?? 0) + 1;
    for (const stack of stacks) if (stack.controlPlane.hasEnded) await stack.startControlPlane();
    // Once, and for good: what it carries is only faster.
    if (round === 3) await redis.program.killHard();
  }
  return happened;
}

test(
  `${ORDERS} orders under kills and cuts: none is lost, none done twice, none stuck`,
  async () => {
    const began = performance.now();
    let isOver = false;
    const disturbing = disturb(() => isOver);
    const ordering = orderAll(() => isOver).finally(() => {
      isOver = true;
    });
    const happened = await disturbing.finally(() => {
      isOver = true;
    });
    await ordering;
    await until(
      "all to have ended",
      async () => {
        const open = await openOn();
        const left = [...(open?.values() ?? [1])].reduce((sum, count) => sum + count, 0);
        if (left === 0) return true;
        throw new Error(`${left} are open still`);
      },
      120_000,
    );
    const { rows } = await database.query<{
      request_key: string;
      state: string;
      because: string;
      arguments: string;
      node_name: string;
    }>("select request_key, state, because, arguments, node_name from command");
    expect(rows).toHaveLength(ORDERS);
    const ends: Record<string, number> = {};
    const wrong: string[] = [];
    for (const row of rows) {
      const server = String(JSON.parse(row.arguments).server);
      const done = boards.get(row.node_name)?.set.get(server) ?? 0;
      ends[row.state] = (ends[row.state] ?? 0) + 1;
      const fits =
        row.state === "succeeded" ? done === 1 : row.state === "interrupted" ? done <= 1 : done === 0;
      if (!fits || row.state === "expired")
        wrong.push(`${server} ${row.state}, done ${done}: ${row.because}`);
    }
    expect(wrong).toEqual([]);
    expect(ends["succeeded"]).toBeGreaterThan(ORDERS * 0.9);
    expect(Object.keys(happened)).toEqual(Object.keys(faults));
    await untilTrue("a replica to answer", async () => {
      const verified = await Promise.any(operators.map((operator) => operator.journal().verifyJournal({})));
      return verified.intact;
    });
    const seconds = (performance.now() - began) / 1_000;
    process.stdout.write(
      `${ORDERS} orders in ${seconds.toFixed(0)} s: ${JSON.stringify(ends)}; ${JSON.stringify(happened)}\n`,
    );
  },
  300_000 + ORDERS * 150,
);

test("a command that runs is cancelled at either replica, and is over soon after", async () => {
  const node = NODES[0] ?? "";
  const took: number[] = [];
  for (let number = 0; number < 8; number++) {
    boards.get(node)?.add(`busy-${number}`);
    const [here, there] = number % 2 === 0 ? operators : [...operators].reverse();
    if (here === undefined || there === undefined) throw new Error("there are two replicas");
    const { commandId } = await request(here, node, "set-backend-state", {
      ...{ proxy: "lb", backend: "web", server: `busy-${number}`, state: "drain", waitSeconds: 600 },
    });
    await reaches(here, commandId, [CommandState.RUNNING]);
    const began = performance.now();
    await there.commands().cancelCommand({ commandId, reason: "enough" });
    await reaches(here, commandId, [CommandState.CANCELLED]);
    took.push(performance.now() - began);
  }
  took.sort((a, b) => a - b);
  process.stdout.write(
    `cancelled after ${took[4]?.toFixed(0)} ms (median), ${took.at(-1)?.toFixed(0)} ms (most)\n`,
  );
}, 120_000);

test("a brake that is tripped at one replica holds at the other", async () => {
  const [one, two] = operators;
  const began = performance.now();
  await one?.safety().tripBrake({ reason: "something is odd" });
  await untilTrue(
    "the other to know",
    async () => (await two?.safety().getSafety({}))?.brake?.tripped === true,
  );
  process.stdout.write(
    `a brake is known at the other replica after ${(performance.now() - began).toFixed(0)} ms\n`,
  );
  await two?.safety().resetBrake({ reason: "it was nothing" });
  await untilTrue("both to know", async () => (await one?.safety().getSafety({}))?.brake?.tripped === false);
});

/** What a freeze may take until the last automatic order, on whichever replica. */
const FREEZE_MS = 2_000;

test("a brake ends what is automatic on every replica within two seconds, and people go on", async () => {
  const [one] = operators;
  if (one === undefined) throw new Error("there are two replicas");
  const { token } = await one.access().createToken({ name: "automat", roles: [Role.OPERATOR], kind: "mcp" });
  const automats = stacks.map(({ ports }) => new Operator(token, ports.grpc, ports.rest));
  let isOver = false;
  let asked = 0;
  const acting = automats.map(async (automat) => {
    while (!isOver) {
      const number = asked++;
      const node = NODES[number % NODES.length] ?? "";
      boards.get(node)?.add(`auto-${number}`);
      const args = { proxy: "lb", backend: "web", server: `auto-${number}`, state: "maint", waitSeconds: 0 };
      await request(automat, node, "set-backend-state", args, `auto-${number}`).catch(() => pause(50));
    }
  });
  /** When an automatic order last went, in ms since 1970, and how many did. */
  const sent = async (): Promise<{ readonly count: number; readonly last: number }> => {
    const { rows } = await database.query<{ count: string; last: Date | null }>(
      `select count(*), max(j.at) as last from journal_entry j join command c on j.subject = 'command:' || c.command_id
       where j.kind = 'command.sent' and c.requested_kind = 'mcp'`,
    );
    return { count: Number(rows[0]?.count), last: rows[0]?.last?.getTime() ?? 0 };
  };
  try {
    await untilTrue("automatic orders to go", async () => (await sent()).count >= 20, 60_000);
    const { brake } = await one.safety().tripBrake({ reason: "stop all of it" });
    const trippedAt = brake?.at === undefined ? 0 : timestampMs(brake.at);
    const before = asked;
    await untilTrue("more to be asked for meanwhile", () => asked >= before + 20, 60_000);
    await pause(FREEZE_MS);
    const { count, last } = await sent();
    expect(last - trippedAt).toBeLessThanOrEqual(FREEZE_MS);
    process.stdout.write(
      `the last of ${count} automatic orders went ${last - trippedAt} ms after the brake\n`,
    );
    boards.get(NODES[0] ?? "")?.add("by-hand");
    const args = { proxy: "lb", backend: "web", server: "by-hand", state: "maint", waitSeconds: 0 };
    const { commandId } = await request(one, NODES[0] ?? "", "set-backend-state", args);
    await reaches(one, commandId, [CommandState.SUCCEEDED]);
    expect(await sent()).toEqual({ count, last });
  } finally {
    isOver = true;
    await Promise.all(acting);
    for (const automat of automats) automat.close();
    await one.safety().resetBrake({ reason: "it was a test" });
  }
}, 180_000);
