/** A command is run once, whoever dies: control plane, agent or link; and it is told what became of it. */
import { join } from "node:path";
import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { journalOf, reaches, request } from "../harness/commands.js";
import type { Operator } from "../harness/operator.js";
import { longestSilence } from "../harness/readings.js";
import { SlowService } from "../harness/slow-service.js";
import { Stack } from "../harness/stack.js";
import { pause, until } from "../harness/until.js";

const STOP_MS = 3_000;
let stack: Stack;
let operator: Operator;
let service: SlowService;

beforeAll(async () => {
  stack = await Stack.start();
  operator = stack.operator();
  service = new SlowService(join(stack.directory, "service"), STOP_MS);
  stack.atEnd(() => service.stop());
  await service.start();
  await stack.startAgent("web-1", { actions: service.declaration });
  await until("the node", async () => (await operator.fleet().getNode({ nodeId: "web-1" })).node?.actions[0]);
});
afterAll(() => stack?.stop());

const restart = (requestId?: string) =>
  request(operator, "web-1", "restart-service", { process: "worker" }, requestId);

/** Runs SQL in the control plane's own database, as someone who tampers would. */
async function inDatabase(text: string, values: readonly unknown[] = []): Promise<void> {
  const client = new pg.Client({
    host: join(stack.state, "postgres/run"),
    user: "mainstay",
    database: "postgres",
  });
  await client.connect();
  await client.query(text, [...values]);
  await client.end();
}

describe("a command", () => {
  test("the control plane is killed between request and result: the result arrives, nothing is done twice", async () => {
    const before = service.count("started");
    const { commandId } = await restart();
    await reaches(operator, commandId, [CommandState.RUNNING]);
    await stack.controlPlane.killHard();
    // The service has stopped and started again while nobody listened.
    await until("the agent to finish alone", () => (service.count("started") > before ? true : undefined));
    await pause(1_500);
    await stack.startControlPlane();
    const ended = await reaches(operator, commandId, [CommandState.SUCCEEDED], 40_000);
    expect(ended.summary).toContain("restarted worker");
    expect(service.count("started")).toBe(before + 1);
    expect(await journalOf(operator, commandId)).toEqual([
      "command.requested",
      "command.approved",
      "command.sent",
      "command.running",
      "command.succeeded",
    ]);
  });

  test("the agent is killed during the action: it says interrupted and what it found, and does not do it again", async () => {
    const before = service.count("started");
    const { commandId } = await restart();
    await reaches(operator, commandId, [CommandState.RUNNING]);
    await until("the service to be stopping", () => (service.count("stopping") > 0 ? true : undefined));
    await stack.agent("web-1").killHard();
    stack.restartAgent("web-1");
    const ended = await reaches(operator, commandId, [CommandState.INTERRUPTED], 40_000);
    expect(ended.because).toContain("the agent died while it ran");
    expect(ended.because).toContain("worker");
    await pause(STOP_MS + 1_000);
    expect(service.count("started")).toBe(before);
    // What to do next is for a plan to decide; a new one brings the service back.
    const again = await restart();
    await reaches(operator, again.commandId, [CommandState.SUCCEEDED]);
    expect(service.count("started")).toBe(before + 1);
  });

  test("the link is cut for a minute: the result waits and arrives, and no reading of that minute is lost", async () => {
    const before = service.count("started");
    const { commandId } = await restart();
    await reaches(operator, commandId, [CommandState.RUNNING]);
    const cutAt = Date.now() - 5_000;
    stack.link.cut();
    await pause(60_000);
    const { node } = await operator.fleet().getNode({ nodeId: "web-1" });
    expect(node?.livenessBecause).toMatch(/not heard|silent|last heard|no word/i);
    stack.link.mend();
    const ended = await reaches(operator, commandId, [CommandState.SUCCEEDED], 60_000);
    expect(ended.summary).toContain("restarted worker");
    expect(service.count("started")).toBe(before + 1);
    await until(
      "the readings of the minute",
      async () => {
        const silence = await longestSilence(
          operator,
          'node_time_seconds{node="web-1"}',
          cutAt,
          cutAt + 62_000,
        );
        if (silence >= 5) throw new Error(`${silence} s without a reading`);
        return silence;
      },
      60_000,
    );
  }, 200_000);

  test("the same command sent twice runs once: asked twice, and ordered twice", async () => {
    const before = service.count("started");
    const [one, two] = await Promise.all([restart("the-same"), restart("the-same")]);
    expect(one.commandId).toBe(two.commandId);
    const first = await reaches(operator, one.commandId, [CommandState.SUCCEEDED]);
    // As if the control plane had lost its record of the result: the order goes out again.
    await inDatabase(
      "update command set state = 'sent', run_sequence = 0, sent_session = null, summary = '' where command_id = $1",
      [one.commandId],
    );
    const again = await reaches(operator, one.commandId, [CommandState.SUCCEEDED]);
    expect(again.summary).toBe(first.summary);
    expect(service.count("started")).toBe(before + 1);
  });

  test("a cancellation reaches it while it runs", async () => {
    const before = service.count("started");
    const { commandId } = await restart();
    await reaches(operator, commandId, [CommandState.RUNNING]);
    await operator.commands().cancelCommand({ commandId, reason: "enough" });
    const ended = await reaches(operator, commandId, [CommandState.CANCELLED, CommandState.SUCCEEDED]);
    // A restart is not left half-way: cancelled before the service was stopped, or carried through.
    expect(service.count("started") - before).toBe(ended.state === CommandState.SUCCEEDED ? 1 : 0);
  });

  test("for an agent that is away is planned when it comes, and expires when it does not", async () => {
    await stack.agent("web-1").stop();
    const { command } = await operator.commands().requestCommand({
      requestId: "too-late",
      nodeId: "web-1",
      action: "restart-service",
      argumentsJson: '{"process":"worker"}',
      expiresInSeconds: 2,
      waitMs: 1,
    });
    const ended = await reaches(operator, command?.commandId ?? "", [CommandState.EXPIRED]);
    expect(ended.because).toBe("the agent made no plan in time");
  });
});
