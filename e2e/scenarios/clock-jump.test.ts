/**
 * Clocks jump by an hour, the agent's and the control plane's, forward and back, while an order waits and while one runs:
 * nothing begins after its expiry, nothing is done twice, nothing is lost.
 */
import { join } from "node:path";
import { type Command, CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { reaches, request } from "../harness/commands.js";
import { FakedClock } from "../harness/faked-clock.js";
import type { Operator } from "../harness/operator.js";
import { SlowService } from "../harness/slow-service.js";
import { Stack } from "../harness/stack.js";
import { pause, until, untilTrue } from "../harness/until.js";

const HOUR = 3_600;
const NODE = "web-1";
/** States in which a command has ended, whatever became of it. */
const ENDED = [
  CommandState.SUCCEEDED,
  CommandState.FAILED,
  CommandState.REFUSED,
  CommandState.EXPIRED,
  CommandState.INTERRUPTED,
  CommandState.CANCELLED,
];

/** How many orders a node may have in an hour is not what this is about. */
const POLICY = `
limits: { openPerNode: 100, perNodePerHour: 10000 }
rules: [{ name: everything, verdict: allow }]
`;
let stack: Stack;
let operator: Operator;
let service: SlowService;
let clocks: Readonly<Record<"the agent" | "the control plane", FakedClock>>;

beforeAll(async () => {
  // What is certified now is to be valid still when a clock goes back an hour: the house is two hours old.
  clocks = { "the agent": new FakedClock(-2 * HOUR), "the control plane": new FakedClock(-2 * HOUR) };
  stack = await Stack.start({
    policy: POLICY,
    env: clocks["the control plane"].env,
    agentEnv: clocks["the agent"].env,
  });
  operator = stack.operator();
  service = new SlowService(join(stack.directory, "service"), 1_000);
  stack.atEnd(() => service.stop());
  await service.start();
  await stack.startAgent(NODE, {
    actions: { ...service.declaration, collectDiagnostics: { enabled: true } },
  });
  await until("the node", async () => (await operator.fleet().getNode({ nodeId: NODE })).node?.actions[0]);
});
afterAll(async () => {
  await stack?.stop();
  for (const clock of Object.values(clocks ?? {})) clock.remove();
});

/** Both right again, and the agent there. */
beforeEach(async () => {
  for (const clock of Object.values(clocks)) clock.set(0);
  stack.link.mend();
  await untilTrue(
    "orders to be taken: agent and control plane know each other's time again",
    async () => {
      const { commandId } = await request(operator, NODE, "collect-diagnostics", {});
      const { state } = await reaches(operator, commandId, ENDED, 10_000);
      return state === CommandState.SUCCEEDED;
    },
    60_000,
  );
}, 70_000);

const restart = () => request(operator, NODE, "restart-service", { process: "worker" });

/** A plan that is made and waits for somebody to let it go. */
async function held(expiresInSeconds: number): Promise<Command> {
  const { command } = await operator.commands().requestCommand({
    requestId: `held-${performance.now()}`,
    nodeId: NODE,
    action: "restart-service",
    argumentsJson: '{"process":"worker"}',
    hold: true,
    expiresInSeconds,
    waitMs: 10_000,
  });
  return reaches(operator, command?.commandId ?? "", [CommandState.PLANNED]);
}

const apply = ({ commandId, plan }: Command) =>
  operator.commands().applyCommand({ commandId, planHash: plan?.hash ?? "" });

/** How often it was to be done in all stories so far; the last looks whether anything was done later after all. */
let wanted = 1;
function expectDone(times: number): void {
  wanted += times;
  expect(service.count("started")).toBe(wanted);
}

test.each([
  { who: "the agent", by: HOUR, ends: [CommandState.REFUSED, CommandState.EXPIRED] },
  { who: "the agent", by: -HOUR, ends: [CommandState.SUCCEEDED] },
  { who: "the control plane", by: HOUR, ends: [CommandState.EXPIRED] },
  { who: "the control plane", by: -HOUR, ends: [CommandState.SUCCEEDED] },
] as const)(
  "$who jumps by $by s while an order waits that holds for ten minutes",
  async ({ who, by, ends }) => {
    const command = await held(600);
    stack.link.cut();
    await apply(command);
    clocks[who].set(by);
    await pause(500);
    stack.link.mend();
    const ended = await reaches(operator, command.commandId, ENDED, 60_000);
    expect(ends).toContain(ended.state);
    expectDone(ended.state === CommandState.SUCCEEDED ? 1 : 0);
  },
  120_000,
);

test.each([
  { who: "the agent", by: HOUR },
  { who: "the agent", by: -HOUR },
  { who: "the control plane", by: HOUR },
  { who: "the control plane", by: -HOUR },
] as const)(
  "$who jumps by $by s while an order runs: it is done once, and its result arrives",
  async ({ who, by }) => {
    const { commandId } = await restart();
    await reaches(operator, commandId, [CommandState.RUNNING]);
    clocks[who].set(by);
    // A control plane whose clock says that it took an hour gives it up, until the agent tells how it ended.
    const ended = await reaches(operator, commandId, [CommandState.SUCCEEDED], 60_000);
    expect(ended.summary).toContain("restarted worker");
    expectDone(1);
  },
  120_000,
);

test("an order that expired in the agent's hands stays so when its clock is set back", async () => {
  const command = await held(4);
  stack.agent(NODE).kill("SIGSTOP");
  await apply(command);
  await reaches(operator, command.commandId, [CommandState.SENT]);
  await pause(5_000);
  clocks["the agent"].set(-HOUR);
  stack.agent(NODE).kill("SIGCONT");
  const ended = await reaches(
    operator,
    command.commandId,
    [CommandState.REFUSED, CommandState.EXPIRED],
    60_000,
  );
  expect(ended.because).toMatch(/expired|not to be started after|has not said that it began/);
  expectDone(0);
}, 120_000);

test("after all of it an order is carried out as ever, and the journal is whole", async () => {
  await reaches(operator, (await restart()).commandId, [CommandState.SUCCEEDED]);
  await pause(3_000);
  expectDone(1);
  expect((await operator.journal().verifyJournal({})).intact).toBe(true);
});
