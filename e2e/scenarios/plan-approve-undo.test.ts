/**
 * A person plans from the command line, two others approve, the agent acts once, and it is taken back. A world that has
 * changed voids approvals; a freeze holds back all but an undo; each step has its exit code.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Role } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import { type Command, CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { journalOf, reaches } from "../harness/commands.js";
import { Haproxy } from "../harness/haproxy.js";
import type { Operator } from "../harness/operator.js";
import { Stack } from "../harness/stack.js";
import { Typist } from "../harness/typist.js";
import { until } from "../harness/until.js";

const POLICY = `
rules:
  - { name: two people look at servers that come and go, actions: [set-backend-state], verdict: ask, approvals: 2 }
`;
const FREEZE = `
freezes:
  - { name: the books close, reason: no changes this week, from: 2020-01-01T00:00:00Z, until: 2100-01-01T00:00:00Z }
`;
const READY = 0;
const OUT = 1;
const DRAINED = 8;

let stack: Stack;
let haproxy: Haproxy;
let operator: Operator;
let ann: Typist;
let bob: Typist;
let cid: Typist;
/** Bob and Cid, calling. */
let callers: readonly Operator[] = [];

const typist = (name: string, { token }: Operator): Typist =>
  new Typist(join(stack.directory, `home-${name}`), token, stack.ports.grpc);
const plans = (state: string) =>
  ann.types(
    ...["plan", "lb-1", "set-backend-state", "proxy=lb", "backend=web", "server=a", `state=${state}`],
    ...["--reason", "it is to be patched", "-o", "json"],
  );
const Answer = z.object({ commandId: z.string(), state: z.string(), plan: z.object({ hash: z.string() }) });
const read = (text: string) => Answer.parse(JSON.parse(text));

interface Planned {
  readonly commandId: string;
  readonly plan?: { readonly hash: string } | undefined;
}

/** Two approvals from the command line, the second followed to its end. */
async function typedByTwo({ commandId, plan }: Planned): Promise<void> {
  const how = ["approve", commandId, "--plan", plan?.hash ?? "", "--reason", "read it"];
  expect(await bob.types(...how)).toMatchObject({
    code: 4,
    out: expect.stringContaining("1 of 2 approvals"),
  });
  const second = await cid.types(...how, "--watch");
  expect(second, second.err).toMatchObject({ code: 0, err: expect.stringContaining("succeeded") });
}

/** Two approvals over gRPC. */
async function calledByTwo({ commandId, plan }: Planned): Promise<void> {
  for (const caller of callers)
    await caller.commands().approveCommand({ commandId, planHash: plan?.hash ?? "", reason: "read it" });
}

const waits = async (commandId: string): Promise<Command> =>
  reaches(operator, commandId, [CommandState.AWAITING_APPROVAL]);

beforeAll(async () => {
  stack = await Stack.start({ policy: POLICY });
  operator = stack.operator();
  haproxy = await Haproxy.start(join(stack.directory, "haproxy"));
  stack.atEnd(() => haproxy.stop());
  await stack.startAgent("lb-1", { labels: { role: "redis" }, actions: haproxy.declaration });
  await until("the node", async () => (await operator.fleet().getNode({ nodeId: "lb-1" })).node?.actions[0]);
  const asker = await stack.person("ann", [Role.OPERATOR]);
  callers = [await stack.person("bob", [Role.APPROVER]), await stack.person("cid", [Role.APPROVER])];
  const [first = asker, second = asker] = callers;
  [ann, bob, cid] = [typist("ann", asker), typist("bob", first), typist("cid", second)];
});
afterAll(() => stack?.stop());

test("a plan touches nothing, waits for two people, runs once, and its undo brings back what was", async () => {
  const planned = await plans("drain");
  expect(planned, planned.err).toMatchObject({
    code: 0,
    err: expect.stringContaining("apply it: mainstay apply"),
  });
  const { commandId, state, plan } = read(planned.out);
  expect(state).toBe("COMMAND_STATE_PLANNED");
  expect(await haproxy.administered("a")).toBe(READY);
  const { command } = await operator.commands().getCommand({ commandId });
  expect(command?.plan).toMatchObject({
    verdict: "ask",
    approvalsNeeded: 2,
    inverseKind: "action",
    policyRule: "two people look at servers that come and go",
    blastRadius: { nodes: ["lb-1"], components: ["redis"], dependents: ["mcp-api", "mcp-ws"], roleShare: 1 },
  });

  const apply = ["apply", commandId, "--plan", plan.hash.slice(0, 12)];
  expect(await ann.types(...apply)).toMatchObject({ code: 3, err: expect.stringContaining("is read-only") });
  const armed = await Promise.all([ann, bob, cid].map((one) => one.types("arm", "30m")));
  expect(armed.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(await ann.types(...apply)).toMatchObject({
    code: 4,
    err: expect.stringContaining("[armed: context"),
  });
  const approve = ["approve", commandId, "--plan", plan.hash, "--reason", "read it"];
  expect((await ann.types(...approve)).code).toBe(3);
  await typedByTwo({ commandId, plan });
  expect(await haproxy.administered("a")).toBe(DRAINED);
  expect(await ann.types("get", commandId)).toMatchObject({
    code: 0,
    out: expect.stringContaining("succeeded"),
  });

  const undo = await ann.types("undo", commandId, "--reason", "patched", "-o", "json");
  expect(undo, undo.err).toMatchObject({ code: 4 });
  await calledByTwo(read(undo.out));
  await reaches(operator, read(undo.out).commandId, [CommandState.SUCCEEDED]);
  expect(await haproxy.administered("a")).toBe(READY);
  expect(await ann.types("undo", commandId, "--reason", "again")).toMatchObject({
    code: 1,
    err: expect.stringContaining("undoes it already"),
  });
  const again = await operator
    .commands()
    .getCommand({ commandId: read((await plans("drain")).out).commandId });
  expect(again.command?.plan?.observedHash, "what was observed first").toBe(command?.plan?.observedHash);
});

let drifted = "";

test("a world that changes under an approved plan voids the approvals, says what changed, and nothing is done", async () => {
  const { commandId, plan } = read((await plans("drain")).out);
  drifted = commandId;
  expect((await ann.types("apply", commandId, "--plan", plan.hash)).code).toBe(4);
  await haproxy.ask("set server web/a state maint");
  await calledByTwo({ commandId, plan });
  const waiting = await until("another plan", async () => {
    const command = await waits(commandId);
    return command.plan?.hash === plan.hash ? undefined : command;
  });
  expect(waiting).toMatchObject({ approvals: [], plan: { drift: ['state: "ready" -> "maint"'] } });
  expect(waiting.because).toContain("the world has changed since the plan");
  expect(await haproxy.administered("a")).toBe(OUT);
  expect(await journalOf(operator, commandId)).toContain("command.drifted");
  expect(await bob.types("approve", commandId, "--plan", plan.hash, "--reason", "late")).toMatchObject({
    code: 1,
    err: expect.stringContaining("the plan is"),
  });
  await calledByTwo(waiting);
  await reaches(operator, commandId, [CommandState.SUCCEEDED]);
  expect(await haproxy.administered("a")).toBe(DRAINED);
});

test("a freeze holds back everything but an undo", async () => {
  const file = join(stack.directory, "policy.yaml");
  writeFileSync(file, FREEZE + readFileSync(file, "utf8"));
  const held = await until("the freeze", async () => {
    const told = await plans("drain");
    return told.code === 3 ? told : undefined;
  });
  expect(held.out).toContain('freeze \\"the books close\\" until 2100-01-01 00:00 UTC: no changes this week');

  const undo = await ann.types("undo", drifted, "--reason", "it was out before", "-o", "json");
  expect(undo, undo.err).toMatchObject({ code: 4 });
  await calledByTwo(read(undo.out));
  await reaches(operator, read(undo.out).commandId, [CommandState.SUCCEEDED]);
  expect(await haproxy.administered("a")).toBe(OUT);
});

test("the topology answers who is affected", async () => {
  const told = await ann.types("impact", "redis", "-o", "json");
  const Impact = z.object({ affected: z.array(z.object({ component: z.object({ id: z.string() }) })) });
  expect(Impact.parse(JSON.parse(told.out)).affected.map(({ component }) => component.id)).toEqual([
    "mcp-api",
    "mcp-ws",
  ]);
});
