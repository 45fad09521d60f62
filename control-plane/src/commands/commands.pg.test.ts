import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readEntries, verifyJournal } from "../journal/journal.module.js";
import { nodeId } from "../kernel/ids.js";
import { MINUTE, SECOND } from "../kernel/time.js";
import { silentLogger } from "../platform/logger.js";
import { inProcessLive } from "../platform/redis/live.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { CommandDesk, type TargetNode } from "./command-desk.js";
import { readCommands, readOutput } from "./commands.store.js";
import { type AgentLine, Dispatcher } from "./dispatch.loop.js";
import type { Command, CommandEvent, OrderMode } from "./domain/command.js";
import type { Policy } from "./domain/policy.js";

const NODE: TargetNode = {
  id: nodeId("n1"),
  name: "db-1",
  labels: { role: "db" },
  actions: ["clean-directory"],
  revoked: false,
};
const ANN = { kind: "human", name: "ann" } as const;
const BOB = { kind: "human", name: "bob" } as const;
const HASH = "a".repeat(64);

let fixture: TestDatabase;
const system = fakeSystem();
let policy: Policy = {
  limits: { openPerNode: 9, perNodePerHour: 99 },
  rules: [{ name: "ask", verdict: "ask" }],
};
let desk: CommandDesk;
let dispatcher: Dispatcher;
let session: number | undefined = 1;
const sent: [string, OrderMode | "cancel", number][] = [];

beforeAll(async () => {
  fixture = await createTestDatabase();
  const { database } = fixture;
  const live = inProcessLive();
  const findNode = async (name: string) =>
    name === "db-1" || name === "n1" ? NODE : name === "gone" ? { ...NODE, revoked: true } : undefined;
  desk = new CommandDesk({ database, live, system, findNode, policy: () => policy });
  const take = (command: Command, mode: OrderMode | "cancel"): boolean => {
    if (session === undefined) return false;
    sent.push([command.id, mode, command.generation]);
    return true;
  };
  const line: AgentLine = {
    session: () => session,
    order: take,
    cancel: (command) => take(command, "cancel"),
  };
  dispatcher = new Dispatcher({ database, desk, line, live, clock: system.clock, logger: silentLogger });
}, 60_000);
afterAll(() => fixture.close());

let count = 0;
const request = (more: object = {}) =>
  desk.request({
    requestId: `r${++count}`,
    node: "db-1",
    action: "clean-directory",
    argumentsJson: '{"path":"/tmp"}',
    requestedBy: ANN,
    reason: "full",
    expiresInMs: 10 * MINUTE,
    timeoutMs: MINUTE,
    traceparent: "",
    ...more,
  });
const event = (
  command: Command,
  mode: OrderMode,
  sequence: number,
  what: CommandEvent["what"],
): CommandEvent => ({ commandId: command.id, mode, sequence, at: system.clock.now(), what });
const plan = {
  kind: "finished",
  outcome: "succeeded",
  exitCode: 0,
  summary: "2 files, 1 MiB",
  resultJson: "[]",
  planHash: HASH,
} as const;
const done = { ...plan, summary: "2 files deleted", planHash: "" } as const;
const kinds = async (command: Command) =>
  (await readEntries(fixture.database, { subject: `command:${command.id}`, limit: 99 })).map((e) => e.kind);
const sentFor = (command: Command) =>
  sent.filter(([id]) => id === command.id).map(([, mode, generation]) => [mode, generation]);

describe("a command", () => {
  test("is planned, approved by another, sent, run and ended, each step in the journal", async () => {
    const command = await request();
    await dispatcher.run();
    await desk.take(NODE.id, event(command, "preview", 1, { kind: "accepted" }));
    await desk.take(NODE.id, event(command, "preview", 2, plan));
    expect(await desk.read(command.id)).toMatchObject({
      state: "awaiting-approval",
      plan: { hash: HASH, summary: "2 files, 1 MiB", verdict: "ask" },
    });
    await expect(desk.approve(command.id, ANN, HASH)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await expect(desk.approve(command.id, BOB, "b".repeat(64))).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
    });
    await desk.approve(command.id, BOB, HASH);
    await dispatcher.run();
    expect(sentFor(command)).toEqual([
      ["preview", 1],
      ["run", 2],
    ]);
    await desk.take(NODE.id, event(command, "run", 1, { kind: "started" }));
    const data = new TextEncoder().encode("deleted a\n");
    await desk.take(
      NODE.id,
      event(command, "run", 2, { kind: "output", stream: "stdout", offset: 0, skippedBytes: 0, data }),
    );
    await desk.take(NODE.id, event(command, "run", 3, done));
    expect(await desk.read(command.id)).toMatchObject({
      state: "succeeded",
      summary: "2 files deleted",
      approvedBy: BOB,
    });
    expect(
      (await readOutput(fixture.database, command.id, "run")).map(({ data: bytes }) =>
        new TextDecoder().decode(bytes),
      ),
    ).toEqual(["deleted a\n"]);
    expect(await kinds(command)).toEqual([
      "command.requested",
      "command.awaiting-approval",
      "command.approved",
      "command.sent",
      "command.running",
      "command.succeeded",
    ]);
    expect((await verifyJournal(fixture.database)).kind).toBe("intact");
  });

  test("asked for twice, also at the same time, is one command", async () => {
    const [a, b] = await Promise.all([request({ requestId: "twice" }), request({ requestId: "twice" })]);
    expect(a?.id).toBe(b?.id);
    expect((await request({ requestId: "twice" })).id).toBe(a?.id);
    await expect(request({ requestId: "twice", argumentsJson: '{"path":"/"}' })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    });
  });

  test("events that come again change nothing and are not journalled again", async () => {
    const command = await request();
    for (let i = 0; i < 3; i++) await desk.take(NODE.id, event(command, "preview", 1, plan));
    expect(await kinds(command)).toEqual(["command.requested", "command.awaiting-approval"]);
  });

  test("another node's word about it counts for nothing", async () => {
    const command = await request();
    await desk.take(nodeId("n2"), event(command, "preview", 1, plan));
    expect((await desk.read(command.id))?.state).toBe("planning");
  });

  test("of a lost stream is sent again over the next, until the agent has begun", async () => {
    policy = { ...policy, rules: [{ name: "all", verdict: "allow" }] };
    const command = await request();
    await dispatcher.run();
    await dispatcher.run();
    await desk.take(NODE.id, event(command, "preview", 1, plan));
    await dispatcher.run();
    session = 2;
    await dispatcher.run();
    await dispatcher.run();
    expect(sentFor(command)).toEqual([
      ["preview", 1],
      ["run", 2],
      ["run", 2],
    ]);
    await desk.take(NODE.id, event(command, "run", 1, { kind: "started" }));
    session = 3;
    await dispatcher.run();
    expect(sentFor(command)).toHaveLength(3);
    await desk.cancel(command.id, ANN, "enough");
    await dispatcher.run();
    await dispatcher.run();
    expect(sentFor(command).at(-1)?.[0]).toBe("cancel");
    expect(sentFor(command)).toHaveLength(4);
    await desk.take(NODE.id, event(command, "run", 2, { ...done, outcome: "cancelled" }));
    expect((await desk.read(command.id))?.state).toBe("cancelled");
  });

  test("for an agent that stays away expires, and is not sent when it comes back", async () => {
    session = undefined;
    const command = await request();
    system.clock.advance(10 * MINUTE + SECOND);
    session = 4;
    await dispatcher.run();
    expect((await desk.read(command.id))?.state).toBe("expired");
    expect(sentFor(command)).toEqual([]);
  });

  test.each([
    ["an unknown node", { node: "db-9" }, "NOT_FOUND"],
    ["a revoked node", { node: "gone" }, "FAILED_PRECONDITION"],
    ["an action the agent does not offer", { action: "format-disk" }, "FAILED_PRECONDITION"],
  ])("for %s is refused", async (_, more, code) => {
    await expect(request(more)).rejects.toMatchObject({ code });
  });

  test("is listed newest first, page by page", async () => {
    const all = await readCommands(fixture.database, { limit: 100 });
    const first = await readCommands(fixture.database, { limit: 2 });
    const last = first.at(-1) as Command;
    const rest = await readCommands(fixture.database, {
      limit: 100,
      before: { requestedAt: last.requestedAt, id: last.id },
    });
    expect([...first, ...rest].map((c) => c.id)).toEqual(all.map((c) => c.id));
  });
});
