/** The person at an MCP client is asked before a change runs: in both eras, over a real house; the flow stands in the README as it is here. */
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { reaches } from "../harness/commands.js";
import type { Operator } from "../harness/operator.js";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";

const POLICY = `
rules:
  - name: the person at the client may decide on cleaning
    actors: [mcp]
    actions: [clean-directory]
    verdict: ask
    elicitation: true
    onePersonIsEnough: true
  - name: everything else needs somebody else
    actors: [mcp]
    actions: ["*"]
    verdict: ask
`;
let stack: Stack;
let operator: Operator;
let url: URL;
let token = "";
let directory = "";
const clients: Client[] = [];

beforeAll(async () => {
  stack = await Stack.start({ policy: POLICY });
  operator = stack.operator();
  directory = join(stack.directory, "spool");
  mkdirSync(directory);
  await stack.startAgent("db-1", { actions: { cleanDirectory: { roots: [directory], minAgeSeconds: 60 } } });
  await until("the node", async () => (await operator.fleet().getNode({ nodeId: "db-1" })).node?.actions[0]);
  token = readFileSync(join(stack.state, "mcp-token"), "utf8").trim();
  url = await stack.startMcpServer();
});
afterAll(async () => {
  for (const client of clients) await client.close();
  await stack?.stop();
});

type Answer = { action: "accept" | "decline"; content?: Record<string, boolean> };

/** A client at which a person sits who gives `answer`; and what that person was shown. */
async function clientOf(era: string, answer: Answer) {
  const shown: string[] = [];
  const client = new Client(
    { name: "story", version: "1.0.0" },
    {
      capabilities: { elicitation: { form: {} } },
      ...(era === "2026-07-28" ? { versionNegotiation: { mode: { pin: era } } } : {}),
    },
  );
  client.setRequestHandler("elicitation/create", ({ params }) => {
    shown.push(params.message);
    return answer;
  });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit }));
  clients.push(client);
  return { client, shown };
}

const Planned = z.object({
  command: z.object({ command_id: z.string(), state: z.string() }),
  plan: z.object({ hash: z.string() }),
});

function oldFile(): string {
  const old = join(directory, "old.log");
  writeFileSync(old, "x".repeat(10_000));
  utimesSync(old, 1_700_000_000, 1_700_000_000);
  return old;
}

async function planned(client: Client) {
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
  return Planned.parse(answer.structuredContent);
}

describe.each(["2025-11-25", "2026-07-28"])("a client of %s", (era) => {
  test("plans, asks its person, and what they approved runs and nothing else", async () => {
    const old = oldFile();
    const { client, shown } = await clientOf(era, { action: "accept", content: { approve: true } });
    const { command, plan } = await planned(client);
    expect(command.state).toBe("planned");
    expect(existsSync(old)).toBe(true);
    const args = { command_id: command.command_id, plan_hash: plan.hash };
    const applied = await client.callTool({ name: "change_apply", arguments: args });
    expect(applied.isError ?? false, JSON.stringify(applied)).toBe(false);
    expect(shown).toHaveLength(1);
    expect(shown[0]).toContain('Let "clean-directory" run on db-1?');
    expect(shown[0]).toContain(`path: ${directory}`);
    await reaches(operator, command.command_id, [CommandState.SUCCEEDED]);
    expect(existsSync(old)).toBe(false);
    const { command: done } = await operator.commands().getCommand({ commandId: command.command_id });
    expect(done?.approvals).toMatchObject([{ actor: { kind: "mcp", name: "local-mcp" }, elicited: true }]);
  });

  test("whose person declines changes nothing, and the command is over", async () => {
    const old = oldFile();
    const { client } = await clientOf(era, { action: "decline" });
    const { command, plan } = await planned(client);
    const args = { command_id: command.command_id, plan_hash: plan.hash };
    const applied = await client.callTool({ name: "change_apply", arguments: args });
    expect(JSON.stringify(applied)).toContain("declined");
    expect(existsSync(old)).toBe(true);
    const { command: over } = await operator.commands().getCommand({ commandId: command.command_id });
    expect(over?.state).toBe(CommandState.CANCELLED);
  });
});

/** What passes between model, server and person, with what differs from run to run put into words. */
class Recording {
  readonly #lines: string[] = [];
  readonly #names = new Map<string, string>([[directory, "/srv/spool"]]);

  name(found: string, as: string): void {
    this.#names.set(found, as);
  }

  line(mark: string, text: string): void {
    let plain = text;
    for (const [found, as] of this.#names) plain = plain.replaceAll(found, as);
    this.#lines.push(...plain.split("\n").map((part) => `${mark} ${part}`.trimEnd()));
  }

  get text(): string {
    return this.#lines.join("\n");
  }
}

test("the README's recording is what happens", async () => {
  oldFile();
  const recording = new Recording();
  const { client } = await clientOf("2026-07-28", { action: "accept", content: { approve: true } });
  client.setRequestHandler("elicitation/create", ({ params }) => {
    recording.line("  person <", params.message);
    recording.line("  person >", "approve: yes");
    return { action: "accept", content: { approve: true } };
  });
  const call = async (name: string, args: Record<string, unknown>) => {
    recording.line("model  >", `${name} ${JSON.stringify(args)}`);
    const answer = await client.callTool({ name, arguments: args });
    const [first] = z.array(z.looseObject({ text: z.string() })).parse(answer.content);
    const planned = Planned.safeParse(answer.structuredContent).data;
    if (planned !== undefined) {
      recording.name(planned.command.command_id, "ID");
      recording.name(planned.plan.hash, "HASH");
      recording.name(planned.plan.hash.slice(0, 16), "HASH");
    }
    recording.line("server <", first?.text.split("\n")[0] ?? "");
    return planned;
  };
  const plan = await call("change_plan", {
    node: "db-1",
    action: "clean-directory",
    arguments: { path: directory, minAgeSeconds: 3_600 },
    reason: "the spool grows",
  });
  const id = plan?.command.command_id ?? "";
  await call("change_apply", { command_id: id, plan_hash: plan?.plan.hash });
  await reaches(operator, id, [CommandState.SUCCEEDED]);
  await call("command_get", { command_id: id });
  const readme = readFileSync(resolve(import.meta.dirname, "../../README.md"), "utf8");
  expect(readme).toContain(recording.text);
});

test("the README's stdio client starts the server and sees its tools", async () => {
  const readme = readFileSync(resolve(import.meta.dirname, "../../README.md"), "utf8");
  const block = /```json\n(\{[^`]*"--stdio"[^`]*)```/.exec(readme)?.[1] ?? "";
  const { mcpServers } = z
    .object({
      mcpServers: z.object({
        mainstay: z.object({
          command: z.string(),
          args: z.array(z.string()),
          env: z.record(z.string(), z.string()),
        }),
      }),
    })
    .parse(JSON.parse(block));
  const { command, args, env } = mcpServers.mainstay;
  const client = new Client({ name: "story", version: "1.0.0" });
  clients.push(client);
  await client.connect(
    new StdioClientTransport({
      command,
      args: args.map((arg) => arg.replace("/opt/mainstay", resolve(import.meta.dirname, "../.."))),
      env: {
        ...Object.fromEntries(
          Object.entries(env).map(([name, value]) => [name, value.replace("/var/lib/mainstay", stack.state)]),
        ),
        MAINSTAY_CONTROL_PLANE: `127.0.0.1:${stack.ports.grpc}`,
        PATH: process.env["PATH"] ?? "",
      },
    }),
  );
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toContain("change_plan");
});
