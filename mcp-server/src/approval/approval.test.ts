import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import type { Client } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connectClient } from "../testing/client.js";
import { ERAS, type Era, type House, openHouse, textOf } from "../testing/house.js";

const HASH = "5a".repeat(32);
let house: House;
const clients: Client[] = [];
beforeAll(async () => {
  house = await openHouse();
});
afterAll(async () => {
  for (const client of clients) await client.close();
  await house.close();
});
beforeEach(() => {
  const { fake } = house;
  fake.commands.clear();
  fake.heard.length = 0;
  fake.verdict = "ask";
  fake.elicitation = true;
  fake.approvalsNeeded = 1;
  fake.planSummary = "would delete 12 files, 3.1 GB";
  fake.nodes = [{ nodeId: "n-1", name: "db-1", actions: ["clean-directory"] }];
});

type Action = { action: "accept" | "decline" | "cancel"; content?: Record<string, boolean> };
const YES: Action = { action: "accept", content: { approve: true } };

/** A client with a person at it who says `answer`, and what that person was asked. */
async function withPerson(era: Era, answer: Action, token = "operator-token") {
  const asked: string[] = [];
  const client = await connectClient(house.url, { token, era, elicitation: true });
  clients.push(client);
  client.setRequestHandler("elicitation/create", ({ params }) => {
    asked.push(params.message);
    return answer;
  });
  return { client, asked };
}

const plan = (client: Client) =>
  client.callTool({
    name: "change_plan",
    arguments: { node: "db-1", action: "clean-directory", arguments: { path: "/var/tmp" }, reason: "disk" },
  });
const apply = (client: Client, planHash = HASH) =>
  client.callTool({ name: "change_apply", arguments: { command_id: "c-1", plan_hash: planHash } });
const state = () => [...house.fake.commands.values()][0]?.state;

describe.each(ERAS)("in %s", (era) => {
  test("the person at the client is asked about exactly the plan, and a yes lets it run", async () => {
    const { client, asked } = await withPerson(era, YES);
    await plan(client);
    const result = await apply(client);
    expect(result.isError ?? false, textOf(result)).toBe(false);
    expect(asked).toEqual([
      [
        'Let "clean-directory" run on db-1?',
        "  path: /var/tmp",
        "Reach: 1 node(s), 50 % of the role, 1 component(s) and 1 that depend on them, criticality high.",
        "It CANNOT be undone.",
        "Plan 5a5a5a5a5a5a5a5a of command c-1. If you did not ask for this, decline.",
      ].join("\n"),
    ]);
    expect(result.structuredContent).toMatchObject({ command: { state: "approved" } });
    expect(state()).toBe(CommandState.APPROVED);
  });

  test.each([
    ["declines", { action: "decline" } as const, CommandState.CANCELLED],
    [
      "leaves the box empty",
      { action: "accept", content: { approve: false } } as const,
      CommandState.CANCELLED,
    ],
    ["says nothing of approving", { action: "accept", content: {} } as const, CommandState.CANCELLED],
    ["closes the question", { action: "cancel" } as const, CommandState.AWAITING_APPROVAL],
  ])("nothing runs when the person %s", async (_, answer, left) => {
    const { client, asked } = await withPerson(era, answer);
    await plan(client);
    const result = await apply(client);
    expect(asked).toHaveLength(1);
    expect(house.fake.heardOf("ApproveCommand")).toEqual([]);
    expect(state()).toBe(left);
    expect(textOf(result)).toContain("Nothing was changed");
  });

  test("a client that can ask nobody is told who must approve, and nothing runs", async () => {
    const client = await house.connect("operator-token", era);
    await plan(client);
    const result = await apply(client);
    expect(result.structuredContent).toMatchObject({
      command: { state: "awaiting_approval" },
      approval: {
        cli: `mainstay approve c-1 --plan ${HASH}`,
        path: "/api/mainstay/v1/commands/c-1:approve",
        body: { planHash: HASH },
      },
    });
    expect(house.fake.heardOf("ApproveCommand")).toEqual([]);
  });

  test.each([
    ["policy wants another person", { elicitation: false }],
    ["policy wants two people", { approvalsNeeded: 2 }],
  ])("nobody is asked here when %s", async (_, policy) => {
    Object.assign(house.fake, policy);
    const { client, asked } = await withPerson(era, YES);
    await plan(client);
    const result = await apply(client);
    expect(asked).toEqual([]);
    expect(result.structuredContent).toMatchObject({ command: { state: "awaiting_approval" }, approval: {} });
  });

  test("what policy allows runs without a question, and what it denies does not", async () => {
    const { client, asked } = await withPerson(era, YES);
    house.fake.verdict = "allow";
    await plan(client);
    expect((await apply(client)).structuredContent).toMatchObject({ command: { state: "approved" } });
    house.fake.commands.clear();
    house.fake.verdict = "deny";
    await plan(client);
    expect((await apply(client)).structuredContent).toMatchObject({ command: { state: "refused" } });
    expect(asked).toEqual([]);
  });

  test("another plan's hash is refused before anybody is asked", async () => {
    const { client, asked } = await withPerson(era, YES);
    await plan(client);
    const result = await apply(client, "ab".repeat(32));
    expect(textOf(result)).toContain("FAILED_PRECONDITION: plan_hash is not the plan's");
    expect(asked).toEqual([]);
    expect(state()).toBe(CommandState.PLANNED);
  });
});

type Json = Record<string, unknown>;

/** A bare `tools/call` of 2026-07-28 from a client with a person at it. */
async function bare(args: Json, more: Json = {}, token = "operator-token"): Promise<Json> {
  const answer = await house.http("/mcp", {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "change_apply",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: {
        name: "change_apply",
        arguments: args,
        ...more,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientCapabilities": { elicitation: { form: {} } },
        },
      },
    }),
  });
  const { result, error }: { result?: Json; error?: Json } = JSON.parse(await answer.text());
  return result ?? { error };
}

describe("a state that a client brings back", () => {
  const args = { command_id: "c-1", plan_hash: HASH };
  const yes = { inputResponses: { approve: YES } };
  async function asked(): Promise<string> {
    await plan(await house.connect("operator-token"));
    const result = await bare(args);
    expect(result).toMatchObject({
      resultType: "input_required",
      inputRequests: { approve: { method: "elicitation/create" } },
    });
    return String(result["requestState"]);
  }

  test("tells its holder nothing, counts once, on whichever replica", async () => {
    const requestState = await asked();
    expect(Buffer.from(requestState, "base64url").toString("latin1")).not.toMatch(/otto|c-1|5a5a/);
    expect(await bare(args, { ...yes, requestState })).toMatchObject({
      structuredContent: { command: { state: "approved" } },
    });
    house.fake.move("c-1", CommandState.AWAITING_APPROVAL);
    const again = await bare(args, { ...yes, requestState });
    expect(again).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining("counts once") }],
    });
    expect(state()).toBe(CommandState.AWAITING_APPROVAL);
  });

  test("is not needed to be forged well: a yes without it, or with another, approves nothing", async () => {
    const requestState = await asked();
    const flipped = Buffer.from(requestState, "base64url");
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    for (const other of [
      {},
      { requestState: "" },
      { requestState: "eyJ9" },
      { requestState: flipped.toString("base64url") },
      { requestState: `${requestState}=` },
      { requestState: "A".repeat(5_000) },
    ]) {
      const result = await bare(args, { ...yes, ...other });
      expect(JSON.stringify(result)).not.toContain('"approved"');
    }
    expect(house.fake.heardOf("ApproveCommand")).toEqual([]);
    expect(state()).toBe(CommandState.AWAITING_APPROVAL);
  });

  test("is good only for whom was asked", async () => {
    const requestState = await asked();
    house.fake.tokens.set("other-token", { name: "olga", roles: [2] });
    const result = await bare(args, { ...yes, requestState }, "other-token");
    expect(JSON.stringify(result)).toContain("another caller was asked");
    expect(house.fake.heardOf("ApproveCommand")).toEqual([]);
  });
});
