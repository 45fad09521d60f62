/**
 * The same programs with services of their own: two replicas on one PostgreSQL, with Redis between them and the keys in
 * Vault. A command asked for on one reaches the agent on the other; Redis may go at any time.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type VaultAccess, VaultContractServer } from "../contract-servers/vault.js";
import { reaches, request } from "../harness/commands.js";
import type { Operator } from "../harness/operator.js";
import { type RedisServer, startRedis } from "../harness/redis.js";
import { Stack } from "../harness/stack.js";
import { until, untilTrue } from "../harness/until.js";

const TRANSIT_KEY = "mainstay-orders";

let redis: RedisServer;
let vault: VaultAccess;
let contract: VaultContractServer | undefined;
let one: Stack;
let two: Stack;
let operator: Operator;

beforeAll(async () => {
  redis = await startRedis();
  const { VAULT_TEST_ADDR, VAULT_TEST_ROLE_ID, VAULT_TEST_SECRET_ID } = process.env;
  if (VAULT_TEST_ADDR === undefined) {
    contract = await new VaultContractServer().start();
    vault = contract;
  } else {
    vault = {
      address: VAULT_TEST_ADDR,
      roleId: VAULT_TEST_ROLE_ID ?? "",
      secretId: VAULT_TEST_SECRET_ID ?? "",
    };
  }
  const env = {
    REDIS_URL: redis.url,
    VAULT_ADDR: vault.address,
    VAULT_ROLE_ID: vault.roleId,
    VAULT_SECRET_ID: vault.secretId,
    VAULT_TRANSIT_KEY: TRANSIT_KEY,
  };
  one = await Stack.start({ env });
  two = await Stack.start({ env, databaseUrl: one.databaseUrl });
  operator = two.operator();
  await one.startAgent("web-1", { actions: { collectDiagnostics: { enabled: true } } });
  await until(
    "the node, seen from the other replica",
    async () => (await operator.fleet().getNode({ nodeId: "web-1" })).node?.actions[0],
  );
});
afterAll(async () => {
  await two?.stop();
  await one?.stop();
  await redis?.stop();
  await contract?.stop();
});

const diagnose = () => request(operator, "web-1", "collect-diagnostics", {});

describe("two replicas with real services", () => {
  test("a command asked for on one reaches the agent on the other", async () => {
    const { commandId } = await diagnose();
    const ended = await reaches(operator, commandId, [CommandState.SUCCEEDED]);
    expect(ended.summary).not.toBe("");
    expect((await operator.commands().getCommand({ commandId })).output.length).toBeGreaterThan(0);
  });

  test("have Vault sign, also after its key was rotated: with the version that the agent was offered", async () => {
    if (contract === undefined) return;
    const before = contract.signatures;
    contract.rotate(TRANSIT_KEY);
    const { commandId } = await diagnose();
    await reaches(operator, commandId, [CommandState.SUCCEEDED]);
    // For its plan, and to run it.
    expect(contract.signatures).toBeGreaterThanOrEqual(before + 2);
  });

  test("keep no key on disk: Vault has them", () => {
    const files = readdirSync(one.state).filter((name) => name.endsWith(".key"));
    expect(files).toEqual([]);
    if (contract !== undefined) expect([...contract.secrets.keys()].sort()).toEqual(["mainstay/ca"]);
    expect(readFileSync(join(one.state, "ca.pem"), "utf8")).toBe(
      readFileSync(join(two.state, "ca.pem"), "utf8"),
    );
  });

  test("use Redis, and say so truly", async () => {
    // Two of each replica, for commands and for what is told, once they have found their way.
    const client = new Redis(redis.url);
    try {
      await until("both replicas at Redis", async () => {
        const clients = Number(/connected_clients:(\d+)/.exec(await client.info("clients"))?.[1]);
        if (clients < 5) throw new Error(`${clients} clients with this one`);
        return clients;
      });
    } finally {
      client.disconnect();
    }
    const metrics = await until("the metric", async () => {
      const { text } = await operator.rest("/metrics");
      const line = /^mcp_redis_connections_active .*$/m.exec(text)?.[0];
      if (line !== "mcp_redis_connections_active 2") throw new Error(line ?? text.slice(0, 500));
      return text;
    });
    expect(metrics).toMatch(/^mcp_database_connections_max \d+$/m);
  });

  test("the rules are judged on one of them only", () => {
    const judges = [one, two].filter((stack) =>
      stack.controlPlane.log().some(({ sentence }) => sentence === "rules are judged here"),
    );
    expect(judges).toHaveLength(1);
  });

  test("with Redis killed, a command still arrives, and health says what is missing", async () => {
    await redis.program.killHard();
    const { commandId } = await diagnose();
    await reaches(operator, commandId, [CommandState.SUCCEEDED]);
    await untilTrue("readiness to name Redis", async () => {
      const { status, text } = await operator.rest("/health/ready");
      return status === 200 && /redis/i.test(text);
    });
  });
});
