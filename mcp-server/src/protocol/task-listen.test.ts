import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { type House, openHouse } from "../testing/house.js";
import { TASKS_EXTENSION } from "./task.js";

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.close());
beforeEach(async () => {
  house.fake.commands.clear();
  house.fake.elicitation = true;
  house.fake.nodes = [{ nodeId: "n-1", name: "db-1", actions: ["clean-directory"] }];
  const client = await house.connect();
  for (const request_id of ["one", "two"]) {
    await client.callTool({
      name: "change_plan",
      arguments: { node: "db-1", action: "clean-directory", reason: "disk", request_id },
    });
  }
});

const messageSchema = z.looseObject({
  method: z.string().optional(),
  params: z.looseObject({}).optional(),
  result: z.looseObject({}).optional(),
  error: z.looseObject({ code: z.number() }).optional(),
});

/** A stream that listens, message by message. */
async function listen(
  notifications: object,
  capabilities: object = { extensions: { [TASKS_EXTENSION]: {} } },
) {
  const gone = new AbortController();
  const answer = await house.http("/mcp", {
    method: "POST",
    signal: gone.signal,
    headers: {
      authorization: "Bearer operator-token",
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "subscriptions/listen",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: "sub-1",
      method: "subscriptions/listen",
      params: {
        notifications,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientCapabilities": capabilities,
        },
      },
    }),
  });
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  const next = async (): Promise<z.infer<typeof messageSchema> | undefined> => {
    for (;;) {
      const event = /(?:^|\n)data: (.*)\n\n/.exec(rest) ?? /^(\{.*\})$/.exec(rest);
      if (event !== null) {
        rest = rest.slice(event.index + event[0].length);
        return messageSchema.parse(JSON.parse(event[1] ?? ""));
      }
      const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
      if (done || value === undefined) return undefined;
      rest += value;
    }
  };
  return { answer, next, close: () => gone.abort() };
}

const SUBSCRIPTION = { "io.modelcontextprotocol/subscriptionId": "sub-1" };

test("each turn of a task is told to whoever listens for it, and the stream ends with the last one", async () => {
  const stream = await listen({ taskIds: ["command-c-1", "command-nobody", "no-task"] });
  expect(stream.answer.headers.get("content-type")).toBe("text/event-stream");
  expect(await stream.next()).toMatchObject({
    method: "notifications/subscriptions/acknowledged",
    params: { notifications: { taskIds: ["command-c-1"] }, _meta: SUBSCRIPTION },
  });
  expect(await stream.next()).toMatchObject({
    method: "notifications/tasks",
    params: { taskId: "command-c-1", status: "working", _meta: SUBSCRIPTION },
  });
  house.fake.move("c-2", CommandState.RUNNING);
  house.fake.move("c-1", CommandState.RUNNING);
  expect(await stream.next()).toMatchObject({
    params: { taskId: "command-c-1", statusMessage: "Runs on the node." },
  });
  house.fake.move("c-1", CommandState.SUCCEEDED);
  expect(await stream.next()).toMatchObject({
    params: { status: "completed", result: { isError: false } },
  });
  expect(await stream.next()).toMatchObject({ result: { resultType: "complete", _meta: SUBSCRIPTION } });
  expect(await stream.next()).toBeUndefined();
});

test("what its client's person is asked for is told, and resources beside it", async () => {
  const stream = await listen(
    { taskIds: ["command-c-1"], resourceSubscriptions: ["mainstay://node/n-1"] },
    { extensions: { [TASKS_EXTENSION]: {} }, elicitation: { form: {} } },
  );
  expect(await stream.next()).toMatchObject({
    params: { notifications: { resourceSubscriptions: ["mainstay://node/n-1"] } },
  });
  await stream.next();
  house.fake.move("c-1", CommandState.AWAITING_APPROVAL);
  expect(await stream.next()).toMatchObject({
    params: { status: "input_required", inputRequests: expect.anything() },
  });
  house.fake.note("node.lost", "node:n-1");
  expect(await stream.next()).toMatchObject({
    method: "notifications/resources/updated",
    params: { uri: "mainstay://node/n-1", _meta: SUBSCRIPTION },
  });
  stream.close();
});

describe("a stream is refused", () => {
  test("to a client that declares no tasks", async () => {
    const stream = await listen({ taskIds: ["command-c-1"] }, {});
    expect(await stream.next()).toMatchObject({ error: { code: -32_021 } });
  });

  test.each([
    ["too many tasks", { taskIds: Array.from({ length: 101 }, (_, i) => `command-${i}`) }],
    ["no tasks", { taskIds: [] }],
    ["ids that are none", { taskIds: [7] }],
    ["an endless id", { taskIds: ["x".repeat(300)] }],
  ])("for %s", async (_, notifications) => {
    const stream = await listen(notifications);
    expect(await stream.next()).toMatchObject({ error: { code: -32_602 } });
  });
});

test("a client that goes is let go", async () => {
  const before = house.fake.watchers.size;
  const stream = await listen({ taskIds: ["command-c-1"] });
  await stream.next();
  stream.close();
  const begun = performance.now();
  while (house.fake.watchers.size > before && performance.now() - begun < 5_000) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(house.fake.watchers.size).toBe(before);
});
