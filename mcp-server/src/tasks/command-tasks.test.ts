import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { TASKS_EXTENSION } from "../protocol/task.js";
import { type House, openHouse } from "../testing/house.js";

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.close());
beforeEach(() => {
  house.fake.commands.clear();
  house.fake.heard.length = 0;
  house.fake.nodes = [{ nodeId: "n-1", name: "db-1", actions: ["clean-directory"] }];
  house.fake.output = [];
});

type Json = Record<string, unknown>;

/** A bare request of 2026-07-28; `knows` is whether it declares the extension. */
async function ask(
  method: string,
  params: Json,
  knows = true,
  token = "operator-token",
  person = false,
): Promise<Json> {
  const capabilities = {
    ...(knows ? { extensions: { [TASKS_EXTENSION]: {} } } : {}),
    ...(person ? { elicitation: { form: {} } } : {}),
  };
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": capabilities,
  };
  const name = params["name"] ?? params["taskId"];
  const answer = await house.http("/mcp", {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(typeof name === "string" ? { "mcp-name": name } : {}),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: meta } }),
  });
  const body: unknown = await answer.json();
  if (typeof body !== "object" || body === null) throw new Error("no answer");
  const { result, error }: { result?: Json; error?: Json } = body;
  return result ?? { error };
}

const HASH = "5a".repeat(32);

/** Plans a change and applies the plan. */
async function request(knows = true, token = "operator-token"): Promise<Json> {
  const change = { node: "db-1", action: "clean-directory", reason: "the disk fills" };
  await ask("tools/call", { name: "change_plan", arguments: change }, knows, "operator-token");
  const plan = { command_id: "c-1", plan_hash: HASH };
  return ask("tools/call", { name: "change_apply", arguments: plan }, knows, token);
}

describe("a plan that is applied", () => {
  test("is a task for a client that knows tasks, and it follows the command to its end", async () => {
    const task = await request();
    expect(task).toMatchObject({ resultType: "task", taskId: "command-c-1", status: "working", ttlMs: null });
    expect(task).not.toHaveProperty("content");
    expect(await ask("tasks/get", { taskId: "command-c-1" })).toMatchObject({
      resultType: "complete",
      status: "working",
      statusMessage: expect.stringContaining("approval"),
    });
    house.fake.move("c-1", CommandState.RUNNING);
    expect(await ask("tasks/get", { taskId: "command-c-1" })).toMatchObject({ status: "working" });
    house.fake.move("c-1", CommandState.SUCCEEDED);
    expect(await ask("tasks/get", { taskId: "command-c-1" })).toMatchObject({
      status: "completed",
      result: { isError: false, structuredContent: { command: { command_id: "c-1", state: "succeeded" } } },
    });
  });

  test("is answered with its plan for a client that does not", async () => {
    expect(await request(false)).toMatchObject({
      resultType: "complete",
      structuredContent: {
        command: { command_id: "c-1" },
        approval: { path: "/api/mainstay/v1/commands/c-1:approve" },
      },
    });
  });

  test("is an error like any other when it may not be made", async () => {
    const plan = { command_id: "c-9", plan_hash: HASH };
    expect(await ask("tools/call", { name: "change_apply", arguments: plan })).toMatchObject({
      resultType: "complete",
      isError: true,
      content: [{ text: expect.stringContaining("NOT_FOUND") }],
    });
  });
});

describe("a task", () => {
  test.each([
    [CommandState.FAILED, "completed", true],
    [CommandState.REFUSED, "completed", true],
    [CommandState.TIMED_OUT, "completed", true],
    [CommandState.INTERRUPTED, "completed", true],
  ])("whose command ends as %s is %s, and its result an error: %s", async (state, status, isError) => {
    await request();
    house.fake.move("c-1", state);
    expect(await ask("tasks/get", { taskId: "command-c-1" })).toMatchObject({ status, result: { isError } });
  });

  test("is cancelled in the control plane, and stays as it ended", async () => {
    await request();
    expect(await ask("tasks/cancel", { taskId: "command-c-1" })).toMatchObject({ resultType: "complete" });
    expect(house.fake.heardOf("CancelCommand")).toHaveLength(1);
    expect(await ask("tasks/get", { taskId: "command-c-1" })).toMatchObject({ status: "cancelled" });
    expect(await ask("tasks/cancel", { taskId: "command-c-1" })).toMatchObject({ resultType: "complete" });
    expect(await ask("tasks/get", { taskId: "command-c-1" })).toMatchObject({ status: "cancelled" });
  });

  test("outlives this server: another one of the same control plane tells of it", async () => {
    await request();
    const other = await openHouse({}, 2_000);
    // The other house has a control plane of its own; what was asked of the first stands there.
    for (const [id, command] of house.fake.commands) other.fake.commands.set(id, command);
    const first = house;
    house = other;
    try {
      expect(await ask("tasks/get", { taskId: "command-c-1" })).toMatchObject({ status: "working" });
    } finally {
      house = first;
      await other.close();
    }
  });

  test.each(["command-nobody", "command-", "c-1", "x".repeat(300)])(
    "called %s is unknown",
    async (taskId) => {
      for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
        expect(await ask(method, { taskId, inputResponses: {} })).toMatchObject({ error: { code: -32_602 } });
      }
    },
  );

  test("is not told of to a client that declares no tasks", async () => {
    await request();
    expect(await ask("tasks/get", { taskId: "command-c-1" }, false)).toMatchObject({
      error: { code: -32_021 },
    });
  });
});

describe("a task whose plan the person at the client may approve", () => {
  const KEY = `approve-${HASH.slice(0, 16)}`;
  const yes = { action: "accept", content: { approve: true } };
  const taskId = "command-c-1";
  const get = () => ask("tasks/get", { taskId }, true, "operator-token", true);
  const answer = (inputResponses: Json) =>
    ask("tasks/update", { taskId, inputResponses }, true, "operator-token", true);

  test("asks them, and goes on when they approve", async () => {
    await request();
    expect(await get()).toMatchObject({
      status: "input_required",
      inputRequests: {
        [KEY]: {
          method: "elicitation/create",
          params: { message: expect.stringContaining('Let "clean-directory" run on db-1?') },
        },
      },
    });
    expect(await answer({ [KEY]: yes })).toMatchObject({ resultType: "complete" });
    const task = await get();
    expect(task).toMatchObject({ status: "working" });
    expect(task).not.toHaveProperty("inputRequests");
    expect(await answer({ [KEY]: yes })).toMatchObject({ resultType: "complete" });
    expect(house.fake.heardOf("ApproveCommand")).toHaveLength(1);
  });

  test.each([
    ["declined", { [KEY]: { action: "decline" } }, "cancelled"],
    ["of another plan", { "approve-1111111111111111": yes }, "input_required"],
    ["nothing", {}, "input_required"],
    ["closed", { [KEY]: { action: "cancel" } }, "input_required"],
    [
      "of another kind",
      { [KEY]: { role: "assistant", content: { type: "text", text: "yes" } } },
      "input_required",
    ],
  ])("does not when the answer is %s", async (_, inputResponses, status) => {
    await request();
    await answer(inputResponses);
    expect(await get()).toMatchObject({ status });
    expect(house.fake.heardOf("ApproveCommand")).toEqual([]);
  });

  test("does not ask where policy wants another, nor a client that can ask nobody", async () => {
    await request();
    expect(await ask("tasks/get", { taskId })).toMatchObject({ status: "working" });
    expect(await ask("tasks/update", { taskId, inputResponses: { [KEY]: yes } })).toMatchObject({
      resultType: "complete",
    });
    const command = [...house.fake.commands.values()][0];
    if (command?.plan !== undefined) command.plan.elicitation = false;
    expect(await get()).toMatchObject({ status: "working" });
    await answer({ [KEY]: yes });
    expect(house.fake.heardOf("ApproveCommand")).toEqual([]);
  });
});

test("a client without tasks waits by command_get, and is told of each state on the way", async () => {
  await request(false);
  const client = await house.connect();
  const told: (string | undefined)[] = [];
  const waiting = client.callTool(
    { name: "command_get", arguments: { command_id: "c-1", wait_ms: 20_000 } },
    { onprogress: ({ message }) => told.push(message) },
  );
  await new Promise((resolve) => setTimeout(resolve, 200));
  house.fake.move("c-1", CommandState.RUNNING);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  house.fake.move("c-1", CommandState.SUCCEEDED);
  expect((await waiting).structuredContent).toMatchObject({ command: { state: "succeeded" } });
  expect(told).toEqual(["Command c-1 is awaiting_approval.", "Command c-1 is running."]);
});

test("who waits for a command that goes on is answered when the time is over", async () => {
  await request(false);
  const client = await house.connect();
  const begun = performance.now();
  const { structuredContent } = await client.callTool({
    name: "command_get",
    arguments: { command_id: "c-1", wait_ms: 600 },
  });
  expect(structuredContent).toMatchObject({ command: { state: "awaiting_approval" } });
  expect(performance.now() - begun).toBeGreaterThan(590);
});
