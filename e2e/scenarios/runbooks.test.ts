/** A runbook is carried out once, whoever dies and whenever: a real agent, a real database, kill -9. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Role } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import {
  type RunbookRun,
  RunbookRunState,
  RunbookStepState,
} from "@mainstay/proto/gen/mainstay/operator/v1/runbooks_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Operator } from "../harness/operator.js";
import { SlowService } from "../harness/slow-service.js";
import { Stack } from "../harness/stack.js";
import { Typist } from "../harness/typist.js";
import { until } from "../harness/until.js";

/** How long the worker takes to stop: time enough to kill whoever has it restarted. */
const STOP_MS = 2_000;
const PATIENCE_MS = 60_000;

const head = (name: string): string => `name: ${name}
summary: what a test does
owner: nobody
lastReviewed: 2026-11-01
parameters:
  node: { type: node, summary: where }
steps:
`;
const restarts = (id: string): string => `  - id: ${id}
    summary: the worker is restarted
    action: restart-service
    node: { parameter: node }
    arguments: { process: worker }
    verify: { query: "up{node=$node}", expect: { every: "== 1" }, within: 2m }
`;
const HEARD = `  - id: heard
    summary: the node answers
    query: up{node=$node} == 1
    expect: some
`;
const AGREE = `  - id: agree
    summary: a person agrees
    approval: { reason: once is enough for most }
`;

let stack: Stack;
let operator: Operator;
let bob: Operator;
let service: SlowService;
let folder: string;

const put = (name: string, text: string): void => writeFileSync(join(folder, name), text);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mainstay-runbooks-"));
  put("twice.yaml", head("twice") + HEARD + restarts("first") + AGREE + restarts("second"));
  stack = await Stack.start({ args: ["--runbooks", folder] });
  stack.atEnd(() => rmSync(folder, { recursive: true, force: true }));
  operator = stack.operator();
  bob = await stack.person("bob", [Role.APPROVER]);
  service = new SlowService(join(stack.directory, "service"), STOP_MS);
  stack.atEnd(() => service.stop());
  await service.start();
  await stack.startAgent("web-1", { actions: service.declaration });
  await until(
    "the node to be heard",
    async () => (await operator.metrics().query({ expr: 'up{node="web-1"} == 1' })).series[0],
  );
});
afterAll(() => stack?.stop());

const begin = async (name: string, requestId: string, dryRun = false): Promise<RunbookRun> => {
  const { run } = await operator
    .runbooks()
    .runRunbook({ name, requestId, dryRun, parametersJson: '{"node":"web-1"}', reason: "a test wants it" });
  if (run === undefined) throw new Error("no run");
  return run;
};

/** The run once `holds`; what it is otherwise stands in the error. */
const runOnce = (runId: string, wanted: string, holds: (run: RunbookRun) => boolean): Promise<RunbookRun> =>
  until(
    wanted,
    async () => {
      const { run } = await operator.runbooks().getRunbookRun({ runId });
      if (run !== undefined && holds(run)) return run;
      throw new Error(
        `it is ${RunbookRunState[run?.state ?? 0]}: ${run?.because}\n${stateOf(run).join("\n")}`,
      );
    },
    PATIENCE_MS,
  );
const stateOf = (run: RunbookRun | undefined): readonly string[] =>
  (run?.steps ?? []).map(({ id, state, because }) => `${id} ${RunbookStepState[state]}: ${because}`);
const is = (run: RunbookRun, id: string, state: RunbookStepState): boolean =>
  run.steps.some((step) => step.id === id && step.state === state);

const journalOf = async (run: RunbookRun): Promise<readonly string[]> => {
  const { entries } = await operator.journal().listEntries({ subject: `run:${run.runId}`, size: 1_000 });
  return entries.map(({ kind, factsJson }) => {
    const { step } = JSON.parse(factsJson) as { step?: string };
    return step === undefined ? kind : `${kind} ${step}`;
  });
};

test("killed while it acts, while it waits for a person and while it acts again: each thing is done once", async () => {
  const before = service.count("started");
  const { runId } = await begin("twice", "killed");
  await until("the worker to be stopping", () => (service.count("stopping") >= before ? true : undefined));
  await stack.controlPlane.killHard();
  await stack.startControlPlane();
  await runOnce(runId, "the run to wait for a person", (run) => is(run, "agree", RunbookStepState.WAITING));
  expect(service.count("started")).toBe(before + 1);

  await stack.controlPlane.killHard();
  await stack.startControlPlane();
  expect((await begin("twice", "killed")).runId).toBe(runId);
  const decision = { runId, stepId: "agree", approve: true, reason: "I have looked" };
  await expect(operator.runbooks().decideRunbookRun(decision)).rejects.toThrow(
    "who started a run does not approve it",
  );
  await bob.runbooks().decideRunbookRun(decision);
  await runOnce(runId, "the second restart", (run) => is(run, "second", RunbookStepState.RUNNING));
  await stack.controlPlane.killHard();
  await stack.startControlPlane();

  const ended = await runOnce(runId, "the run to end", (run) => run.endedAt !== undefined);
  expect([ended.state, ended.because]).toEqual([RunbookRunState.SUCCEEDED, "all 4 steps have ended well"]);
  expect(service.count("started")).toBe(before + 2);
  expect(ended.steps.find(({ id }) => id === "agree")?.decidedBy?.name).toBe("bob");
  // Waiting and running may alternate while an agent is away; what ends, ends once.
  const ends = (await journalOf(ended)).filter((kind) => !/step-(?:running|waiting)/.test(kind));
  expect(ends).toEqual([
    "runbook.started",
    "runbook.step-succeeded heard",
    "runbook.step-succeeded first",
    "runbook.step-succeeded agree",
    "runbook.step-succeeded second",
    "runbook.succeeded",
  ]);
}, 240_000);

test("a dry run plans every action and touches nothing", async () => {
  const before = service.count("started");
  const { runId } = await begin("twice", "dry", true);
  const run = await runOnce(runId, "the dry run to end", ({ endedAt }) => endedAt !== undefined);
  expect([run.state, run.because]).toEqual([RunbookRunState.SUCCEEDED, "all 4 steps have ended well"]);
  expect(run.steps.map(({ findings, because }) => findings[0] ?? because)).toEqual([
    expect.stringContaining("up{"),
    expect.stringContaining("policy says allow"),
    "would wait for a person with role approver: once is enough for most",
    expect.stringContaining("policy says allow"),
  ]);
  expect(service.count("started")).toBe(before);
});

test("a run is cancelled: what is under way is, and nothing more is begun", async () => {
  const { runId } = await begin("twice", "cancelled");
  await runOnce(runId, "the run to act", (run) => is(run, "first", RunbookStepState.RUNNING));
  await operator.runbooks().cancelRunbookRun({ runId, reason: "enough" });
  const run = await runOnce(runId, "the run to end", ({ endedAt }) => endedAt !== undefined);
  expect([run.state, run.because]).toEqual([RunbookRunState.CANCELLED, expect.stringContaining("enough")]);
  expect(is(run, "second", RunbookStepState.CANCELLED)).toBe(true);
  await expect(operator.runbooks().cancelRunbookRun({ runId })).rejects.toThrow("it is cancelled");
});

test("a bad edit keeps the last good text in force and is told with its line; a good one is taken up", async () => {
  const text = head("looks") + HEARD;
  put("looks.yaml", text);
  await until(
    "the new runbook",
    async () => (await operator.runbooks().getRunbook({ name: "looks" })).runbook,
  );
  put("looks.yaml", text.replace("expect: some", "expect: sum"));
  const faults = await until("the fault", async () => {
    const answer = await operator.runbooks().listRunbooks({});
    return answer.faults[0] === undefined ? undefined : answer;
  });
  expect(faults.faults[0]).toMatch(/looks\.yaml:11: steps\.0\.expect: expected none, some, or one of/);
  expect(faults.runbooks.map(({ name }) => name)).toEqual(["looks", "twice"]);
  put("looks.yaml", text.replace("what a test does", "better now"));
  await until("the good text", async () => {
    const { runbook } = await operator.runbooks().getRunbook({ name: "looks" });
    return runbook?.summary === "better now" ? true : undefined;
  });
});

test("from the command line: linted, planned, run to its end, with the exit codes that scripts read", async () => {
  put("wrong.yaml", head("wrong") + HEARD.replace("== 1", "== 7"));
  put("twice-more.yaml", (head("more") + HEARD + AGREE + restarts("first")).replace("one", "two"));
  await until(
    "the new runbooks",
    async () => (await operator.runbooks().getRunbook({ name: "more" })).runbook,
  );
  const typist = new Typist(join(stack.directory, "home"), stack.operator().token, stack.ports.grpc);
  const lint = await typist.types("runbook", "lint", join(folder, "wrong.yaml"), join(folder, "twice.yaml"));
  expect([lint.code, lint.out]).toEqual([0, "0 faults, 0 warnings, 0 notes in 2 files\n"]);
  const refused = await typist.types("runbook", "run", "wrong", "node=web-1");
  expect([refused.code, refused.err]).toEqual([3, expect.stringContaining("read-only")]);
  const planned = await typist.types("runbook", "plan", "more", "node=web-1");
  expect([planned.code, planned.out], planned.err).toEqual([0, expect.stringContaining("policy says allow")]);
  await typist.types("arm", "30m");
  const wrong = await typist.types("runbook", "run", "wrong", "node=web-1", "-o", "json");
  expect([wrong.code, JSON.parse(wrong.out).state], wrong.err).toEqual([1, "RUNBOOK_RUN_STATE_FAILED"]);
  const waits = await typist.types("runbook", "run", "more", "node=web-1", "-o", "json");
  expect([waits.code, JSON.parse(waits.out).state], waits.err).toEqual([4, "RUNBOOK_RUN_STATE_WAITING"]);
  const unknown = await typist.types("runbook", "run", "more", "node=web 1");
  expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining('parameter "node" is "web 1"')]);
  const listed = await typist.types("runbook", "runs", "more");
  expect(listed.out).toContain("waiting");
}, 120_000);
