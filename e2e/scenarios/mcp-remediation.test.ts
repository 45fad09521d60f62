/** An AI client asks for a remediation: it gets the plan, another approves, the agent acts; one trace runs through it all. */
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { reaches } from "../harness/commands.js";
import type { Operator } from "../harness/operator.js";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
let stack: Stack;
let operator: Operator;
let client: Client;
let directory = "";

beforeAll(async () => {
  stack = await Stack.start({
    policy: "rules: [{ name: AI clients ask, actors: [mcp], actions: ['*'], verdict: ask }]\n",
  });
  operator = stack.operator();
  directory = join(stack.directory, "spool");
  mkdirSync(directory);
  await stack.startAgent("db-1", { actions: { cleanDirectory: { roots: [directory], minAgeSeconds: 60 } } });
  await until("the node", async () => (await operator.fleet().getNode({ nodeId: "db-1" })).node?.actions[0]);
  const token = readFileSync(join(stack.state, "mcp-token"), "utf8").trim();
  client = new Client({ name: "story", version: "1.0.0" });
  const headers = { authorization: `Bearer ${token}`, traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01` };
  await client.connect(
    new StreamableHTTPClientTransport(await stack.startMcpServer(), { requestInit: { headers } }),
  );
});
afterAll(async () => {
  await client?.close();
  await stack?.stop();
});

const Requested = z.object({
  command: z.object({ command_id: z.string() }),
  plan: z.object({ hash: z.string() }),
});

test("a remediation asked for over MCP is a plan until another person approves it; then exactly that is done", async () => {
  const old = join(directory, "old.log");
  writeFileSync(old, "x".repeat(10_000));
  utimesSync(old, 1_700_000_000, 1_700_000_000);
  const answer = await client.callTool({
    name: "change_plan",
    arguments: {
      node: "db-1",
      action: "clean-directory",
      arguments: { path: directory, minAgeSeconds: 3_600 },
      reason: "the spool grows",
    },
  });
  expect(answer.isError ?? false, JSON.stringify(answer)).toBe(false);
  expect(JSON.stringify(answer)).toContain("old.log");
  const { command, plan } = Requested.parse(answer.structuredContent);
  expect(existsSync(old)).toBe(true);
  // This client has nobody who could be asked: what the policy asks for, another person gives.
  const applied = await client.callTool({
    name: "change_apply",
    arguments: { command_id: command.command_id, plan_hash: plan.hash },
  });
  expect(JSON.stringify(applied)).toContain("awaiting_approval");

  const { command: waiting } = await operator.commands().getCommand({ commandId: command.command_id });
  expect(waiting).toMatchObject({
    state: CommandState.AWAITING_APPROVAL,
    requestedBy: { kind: "mcp", name: "local-mcp" },
  });
  await operator.commands().approveCommand({ commandId: command.command_id, planHash: plan.hash });
  await reaches(operator, command.command_id, [CommandState.SUCCEEDED]);
  expect(existsSync(old)).toBe(false);

  const { entries } = await operator.journal().listEntries({ subject: `command:${command.command_id}` });
  expect(entries[0]?.traceparent).toContain(TRACE_ID);
  expect(entries.at(-1)?.traceparent).toContain(TRACE_ID);
  await until("the agent's own account of it", () =>
    stack.agent("db-1").text().includes(TRACE_ID) ? true : undefined,
  );
});
