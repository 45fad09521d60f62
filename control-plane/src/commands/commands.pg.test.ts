import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { countNodes } from "../fleet/fleet.module.js";
import { readEntries, verifyJournal } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import { nodeId } from "../kernel/ids.js";
import { MINUTE, SECOND } from "../kernel/time.js";
import { silentLogger } from "../platform/logger.js";
import { inProcessLive } from "../platform/redis/live.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import type { AgentLine } from "./agent-line.js";
import { CommandDesk, type DeskPorts } from "./command-desk.js";
import { readCommands, readOutput } from "./commands.store.js";
import { Dispatcher } from "./dispatch.loop.js";
import type { Command, CommandEvent, OrderMode } from "./domain/command.js";
import type { Policy } from "./domain/policy.js";
import type { TargetNode } from "./judge-command.js";

const NODE: TargetNode = {
  id: nodeId("n1"),
  name: "db-1",
  labels: { role: "db" },
  actions: ["clean-directory"],
  revoked: false,
};
const ANN = { kind: "human", name: "ann" } as const;
const BOB = { kind: "human", name: "bob" } as const;
const CID = { kind: "human", name: "cid" } as const;
const HASH = "a".repeat(64);

const vote = (by: Actor, planHash = HASH) =>
  ({ by, roles: ["approver"], planHash, reason: "read it", elicited: false }) as const;

let fixture: TestDatabase;
const system = fakeSystem();
let policy: Policy = {
  limits: { openPerNode: 9, perNodePerHour: 99 },
  rules: [{ name: "ask", verdict: "ask" }],
};
let ports: () => DeskPorts;
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
  ports = () => ({
    database,
    live,
    system,
    findNode,
    policy: () => policy,
    topology: () => [],
    countNodes,
    safety: undefined,
  });
  desk = new CommandDesk(ports());
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
  attempt = 1,
): CommandEvent => ({ commandId: command.id, attempt, mode, sequence, at: system.clock.now(), what });
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
    await expect(desk.approve(command.id, vote(ANN))).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await expect(desk.approve(command.id, vote(BOB, "b".repeat(64)))).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
    });
    await desk.approve(command.id, vote(BOB));
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

  test("that is stored as sent, and whose order nobody put on the stream, goes after three seconds, and once", async () => {
    policy = { ...policy, rules: [{ name: "all", verdict: "allow" }] };
    session = 5;
    const command = await request();
    await dispatcher.run();
    await desk.take(NODE.id, event(command, "preview", 1, plan));
    // As it is when the commit's answer is lost: stored, and told to nobody.
    await desk.markSent((await desk.read(command.id)) as Command, session);
    expect(await desk.read(command.id)).toMatchObject({ state: "sent", sentSession: 5 });
    system.clock.advance(3 * SECOND - 1);
    await dispatcher.run();
    expect(sentFor(command)).toEqual([["preview", 1]]);
    system.clock.advance(1);
    await dispatcher.run();
    system.clock.advance(10 * SECOND);
    await dispatcher.run();
    expect(sentFor(command)).toEqual([
      ["preview", 1],
      ["run", 2],
    ]);
    await desk.take(NODE.id, event(command, "run", 1, { kind: "started" }), event(command, "run", 2, done));
    expect((await desk.read(command.id))?.state).toBe("succeeded");
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

  test("that the world has outrun is planned and approved again, and the agent is given another id", async () => {
    policy = { ...policy, rules: [{ name: "two", verdict: "ask", approvals: 2 }] };
    const seen = (pid: number) => ({ ...plan, resultJson: JSON.stringify({ observed: { pid } }) });
    const command = await request();
    await desk.take(NODE.id, event(command, "preview", 3, seen(1)));
    expect(await desk.approve(command.id, vote(BOB))).toMatchObject({
      state: "awaiting-approval",
      because: "bob approved the plan; 1 of 2 approvals",
    });
    await expect(desk.approve(command.id, vote(BOB))).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await desk.approve(command.id, vote(CID));
    await dispatcher.run();
    await desk.take(
      NODE.id,
      event(command, "run", 1, { kind: "refused", because: "drifted", detail: "pid: 1 -> 2" }),
    );
    expect(await desk.read(command.id)).toMatchObject({
      state: "planning",
      attempt: 2,
      approvals: [],
      approvedBy: undefined,
    });
    await dispatcher.run();
    await desk.take(NODE.id, event(command, "preview", 9, seen(7)));
    await desk.take(NODE.id, event(command, "preview", 1, seen(2), 2));
    expect(await desk.read(command.id)).toMatchObject({
      state: "awaiting-approval",
      plan: { drift: ["pid: 1 -> 2"] },
      approvals: [],
    });
    expect(sentFor(command).map(([mode]) => mode)).toEqual(["run", "preview"]);
    expect((await kinds(command)).slice(1)).toEqual([
      "command.awaiting-approval",
      "command.approval",
      "command.approved",
      "command.sent",
      "command.drifted",
      "command.awaiting-approval",
    ]);
  });

  test("that is held runs only when it is applied, and a freeze that begins meanwhile stops it", async () => {
    policy = { ...policy, rules: [{ name: "all", verdict: "allow" }] };
    const held = await request({ hold: true });
    await desk.take(NODE.id, event(held, "preview", 1, plan));
    await dispatcher.run();
    expect(await desk.read(held.id)).toMatchObject({ state: "planned", plan: { verdict: "allow" } });
    await expect(desk.apply(held.id, ANN, "b".repeat(64))).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
    });
    expect((await desk.apply(held.id, ANN, HASH)).state).toBe("approved");
    const now = system.clock.now();
    policy = { ...policy, freezes: [{ name: "f", reason: "an audit", from: now, until: now + MINUTE }] };
    await dispatcher.run();
    expect(await desk.read(held.id)).toMatchObject({
      state: "refused",
      because: expect.stringContaining('it was not sent: freeze "f"'),
    });
    expect(sentFor(held)).toEqual([]);
  });

  test("goes in the transaction that lets it go, where its agent's stream is: stored as sent, then sent", async () => {
    policy = { limits: policy.limits, rules: [{ name: "all", verdict: "allow" }] };
    const went: [string, OrderMode, string | undefined][] = [];
    const straight = new CommandDesk({ ...ports(), live: inProcessLive() });
    const watched: Promise<unknown>[] = [];
    straight.sendThrough({
      session: () => 7,
      send: (command, mode) => {
        went.push([command.id, mode, command.state]);
        watched.push(straight.read(command.id));
      },
    });
    const ask = (requestId: string) =>
      straight.request({
        requestId,
        node: "db-1",
        action: "clean-directory",
        argumentsJson: "{}",
        requestedBy: ANN,
        reason: "full",
        expiresInMs: 10 * MINUTE,
        timeoutMs: MINUTE,
        traceparent: "",
      });
    const [a, b] = await Promise.all([ask("straight-1"), ask("straight-2")]);
    await Promise.all([a, b].map((one) => straight.take(NODE.id, event(one, "preview", 1, plan))));
    expect(went).toEqual([
      [a.id, "preview", "planning"],
      [b.id, "preview", "planning"],
      [a.id, "run", "sent"],
      [b.id, "run", "sent"],
    ]);
    // What was sent stood there already.
    expect(await Promise.all(watched)).toMatchObject([
      { sentSession: 7 },
      { sentSession: 7 },
      { state: "sent", sentSession: 7 },
      { state: "sent", sentSession: 7 },
    ]);
    expect(await kinds(a)).toEqual(["command.requested", "command.approved", "command.sent"]);
    await straight.take(
      NODE.id,
      event(a, "run", 1, { kind: "accepted" }),
      event(a, "run", 2, { kind: "started" }),
      event(a, "run", 3, done),
    );
    expect((await straight.read(a.id))?.state).toBe("succeeded");
    // The limit of a node counts what is let go in the same transaction.
    policy = { ...policy, limits: { openPerNode: 2, perNodePerHour: 99 } };
    const [c, d] = await Promise.all([ask("straight-3"), ask("straight-4")]);
    await Promise.all([c, d].map((one) => straight.take(NODE.id, event(one, "preview", 1, plan))));
    const states = await Promise.all([c, d].map(async ({ id }) => (await straight.read(id))?.state));
    expect(states).toEqual(["sent", "awaiting-approval"]);
    policy = { ...policy, limits: { openPerNode: 20, perNodePerHour: 99 } };
  });

  test("is undone once by its stored inverse, also in a freeze; what failed or is irreversible is not", async () => {
    const finish = async (inverse: unknown, outcome: "succeeded" | "failed" = "succeeded") => {
      policy = { limits: policy.limits, rules: [{ name: "all", verdict: "allow" }] };
      const command = await request();
      await desk.take(
        NODE.id,
        event(command, "preview", 1, { ...plan, resultJson: JSON.stringify({ inverse }) }),
      );
      await dispatcher.run();
      await desk.take(NODE.id, event(command, "run", 1, { ...done, outcome }));
      return command;
    };
    const undo = (command: Command, requestId = `u${++count}`) =>
      desk.undo(command.id, {
        requestId,
        requestedBy: ANN,
        roles: ["operator"],
        reason: "",
        hold: false,
        expiresInMs: MINUTE,
        timeoutMs: MINUTE,
        traceparent: "",
      });
    const inverse = { action: "clean-directory", arguments: { path: "/back" } };
    const command = await finish(inverse);
    const now = system.clock.now();
    policy = { ...policy, freezes: [{ name: "f", reason: "an audit", from: now, until: now + MINUTE }] };
    const undone = await undo(command, "same");
    expect(undone).toMatchObject({
      undoes: command.id,
      argumentsJson: '{"path":"/back"}',
      reason: `undo ${command.id}`,
    });
    expect((await undo(command, "same")).id).toBe(undone.id);
    await expect(undo(command)).rejects.toThrow(`${undone.id} undoes it already and is planning`);
    await desk.take(
      NODE.id,
      event(undone, "preview", 1, { ...plan, resultJson: JSON.stringify({ inverse }) }),
    );
    await dispatcher.run();
    await desk.take(NODE.id, event(undone, "run", 1, done));
    expect((await desk.read(undone.id))?.state).toBe("succeeded");
    expect((await desk.read(command.id))?.undoneBy).toBe(undone.id);
    await expect(undo(command)).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
    await expect(undo(await finish("irreversible"))).rejects.toThrow(/irreversible/);
    await expect(undo(await finish("nothing-to-undo"))).rejects.toThrow(/nothing-to-undo/);
    await expect(undo(await finish(inverse, "failed"))).rejects.toThrow(/only what has succeeded/);
  });
});
