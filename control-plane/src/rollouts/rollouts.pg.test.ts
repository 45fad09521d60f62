/** A rollout on PostgreSQL, with agents that answer by hand and drivers that die between deciding and doing. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { CommandDesk, readCommands } from "../commands/commands.module.js";
import type { Command, CommandEvent, OrderMode } from "../commands/domain/command.js";
import { DENY_ALL, type Policy } from "../commands/domain/policy.js";
import { countNodes } from "../fleet/fleet.module.js";
import { readEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import { nodeId } from "../kernel/ids.js";
import { HOUR, SECOND } from "../kernel/time.js";
import { silentLogger } from "../platform/logger.js";
import { inProcessLive } from "../platform/redis/live.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { RolloutDesk, RolloutDriver } from "./rollouts.module.js";
import { readMoving, readTargets } from "./rollouts.store.js";
import { madeRollout } from "./testing/made-rollout.js";

const NAMES = ["a", "b", "c"];
const ANN: Actor = { kind: "human", name: "ann" };
const BOB: Actor = { kind: "human", name: "bob" };
const POLICY: Policy = { ...DENY_ALL, rules: [{ name: "ask", verdict: "ask" }] };

let fixture: TestDatabase;
let desk: CommandDesk;
let rollouts: RolloutDesk;
let driver: RolloutDriver;
const system = fakeSystem();
let held: string | undefined;

beforeAll(async () => {
  fixture = await createTestDatabase();
  const { database } = fixture;
  const live = inProcessLive();
  const shared = { database, live, system, policy: () => POLICY, topology: () => [], countNodes };
  desk = new CommandDesk({
    ...shared,
    findNode: async (name) =>
      NAMES.includes(name)
        ? { id: nodeId(name), name, labels: { role: "web" }, actions: ["restart-service"], revoked: false }
        : undefined,
    safety: undefined,
  });
  rollouts = new RolloutDesk({
    ...shared,
    safety: {
      judgeWorld: async () =>
        held === undefined
          ? { kind: "clear" }
          : { kind: "hold", verdict: "deny", passing: true, because: held },
    },
  });
  driver = new RolloutDriver({
    database,
    system,
    logger: silentLogger,
    live,
    desk: rollouts,
    commands: desk,
    query: () => Promise.reject(new Error("nobody asks")),
    criticalSince: async () => [],
  });
}, 60_000);
afterAll(() => fixture.close());

const commands = async (): Promise<readonly Command[]> =>
  [...(await readCommands(fixture.database, { limit: 99 }))].sort((x, y) =>
    x.nodeName < y.nodeName ? -1 : 1,
  );

async function tells(
  { id: commandId, nodeId: node }: Command,
  mode: OrderMode,
  what: Partial<Extract<CommandEvent["what"], { kind: "finished" }>>,
): Promise<void> {
  const finished = {
    kind: "finished",
    outcome: "succeeded",
    exitCode: 0,
    summary: "",
    resultJson: '{"inverse":"nothing-to-undo"}',
    planHash: "",
    ...what,
  } as const;
  await desk.take(node, { commandId, attempt: 1, mode, sequence: 1, at: system.clock.now(), what: finished });
}

async function beat(id: string): Promise<void> {
  system.clock.advance(SECOND);
  await driver.move(id);
}

const states = async (id: string): Promise<readonly string[]> =>
  (await readTargets(fixture.database, id)).map(({ nodeName, wave, state }) => `${nodeName}${wave} ${state}`);

test("is planned, approved once, and goes on in waves, whoever dies in between", async () => {
  const request = {
    requestId: "r1",
    spec: madeRollout().spec,
    targets: [...NAMES, "gone"].map((name) => ({
      nodeId: nodeId(name),
      nodeName: name,
      labels: { role: "web" },
    })),
    requestedBy: ANN,
    roles: ["operator"] as const,
    expiresInMs: HOUR,
    traceparent: "",
  };
  const { id } = await rollouts.plan(request);
  expect((await rollouts.plan(request)).id).toBe(id);
  // Two drivers at once, of which one has not heard of the other: each target is asked once.
  await Promise.all([driver.move(id), driver.move(id)]);
  expect(await commands()).toHaveLength(3);
  expect((await commands()).every(({ hold }) => hold)).toBe(true);
  for (const [index, command] of (await commands()).entries())
    await tells(command, "preview", { planHash: `${index}`.repeat(64) });
  await beat(id);
  expect(await states(id)).toEqual(["gone0 left-out", "a1 planned", "b2 planned", "c2 planned"]);
  const planned = await rollouts.read(id);
  const planHash = planned?.planHash ?? "";
  expect(planned).toMatchObject({ state: "planned", approvals: 1, waves: 2 });

  await rollouts.apply(id, ANN, planHash);
  const vote = { by: ANN, roles: ["approver"] as const, planHash, reason: "" };
  await expect(rollouts.approve(id, vote)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  await expect(rollouts.approve("none", vote)).rejects.toMatchObject({ code: "NOT_FOUND" });
  await rollouts.approve(id, { ...vote, by: BOB });

  held = "a storm";
  await beat(id);
  expect(await rollouts.read(id)).toMatchObject({ state: "running", heldBecause: "a storm" });
  expect((await commands()).map(({ state }) => state)).toEqual(["planned", "planned", "planned"]);
  held = undefined;

  // Decided and stored, and then the driver dies before it does what follows.
  await rollouts.step(id, { kind: "healthy", because: "" });
  expect(await states(id)).toContain("a1 starting");
  expect((await commands()).map(({ state }) => state)).toEqual(["planned", "planned", "planned"]);
  await beat(id);
  const [first] = await commands();
  expect(first).toMatchObject({ state: "approved", approvals: [{ actor: BOB }] });
  if (first === undefined) throw new Error("no command");
  await desk.markSent(first, 1);
  await tells(first, "run", {});
  await beat(id);
  expect(await rollouts.read(id)).toMatchObject({ wave: 1, state: "running" });
  system.clock.advance(10 * SECOND);
  await beat(id);
  expect(await rollouts.read(id)).toMatchObject({ wave: 2, state: "running" });
  await beat(id);
  const [, second, third] = await commands();
  if (second === undefined || third === undefined) throw new Error("no commands");
  expect([second.state, third.state]).toEqual(["approved", "approved"]);
  await desk.markSent(second, 1);
  await tells(second, "run", { outcome: "failed", summary: "it did not come back" });
  await desk.markSent(third, 1);
  await beat(id);
  expect(await rollouts.read(id)).toMatchObject({
    state: "stopped",
    because: "1 of 3 targets failed, and it stops at 1",
  });
  // What had begun goes to its end, and then nothing moves any more.
  expect(await readMoving(fixture.database)).toEqual([id]);
  await tells(third, "run", {});
  await beat(id);
  await beat(id);
  expect(await readMoving(fixture.database)).toEqual([]);
  expect(await states(id)).toEqual(["gone0 left-out", "a1 succeeded", "b2 failed", "c2 succeeded"]);

  await rollouts.resume(id, BOB, "that one is known");
  expect(await readMoving(fixture.database)).toEqual([id]);
  await beat(id);
  system.clock.advance(10 * SECOND);
  await beat(id);
  expect(await rollouts.read(id)).toMatchObject({ state: "succeeded" });
  const entries = await readEntries(fixture.database, { subject: `rollout:${id}`, limit: 99 });
  expect(entries.map(({ kind, actor }) => `${kind} ${actor.name}`)).toEqual([
    "rollout.requested ann",
    "rollout.planned control-plane",
    "rollout.awaiting-approval ann",
    "rollout.running bob",
    "rollout.wave bob",
    "rollout.wave control-plane",
    "rollout.stopped control-plane",
    "rollout.running bob",
    "rollout.succeeded control-plane",
  ]);
});

test("is aborted: what has not begun will not, and its commands are cancelled", async () => {
  const { id } = await rollouts.plan({
    requestId: "r2",
    spec: { ...madeRollout().spec, argumentsJson: '{"process":"x"}' },
    targets: [{ nodeId: nodeId("a"), nodeName: "a", labels: {} }],
    requestedBy: ANN,
    roles: ["operator"],
    expiresInMs: HOUR,
    traceparent: "",
  });
  await beat(id);
  await rollouts.abort(id, BOB, "not now");
  await beat(id);
  await beat(id);
  expect(await states(id)).toEqual(["a0 cancelled"]);
  const [target] = await readTargets(fixture.database, id);
  expect((await commands()).find((command) => command.id === target?.commandId)).toMatchObject({
    state: "cancelled",
  });
  expect(await readMoving(fixture.database)).toEqual([]);
  await expect(rollouts.resume(id, BOB, "")).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
});
