/** What a run does next: the run as it then is, and what the journal is told. Pure; the same input gives the same answer. */
import type { Actor } from "../../kernel/actor.js";
import { isOnePerson } from "../../kernel/one-person.js";
import type { Instant } from "../../kernel/time.js";
import { judgeAnswer } from "./expectation.js";
import { begin, ended, nextStep } from "./next-step.js";
import type { ProgramStep } from "./program.js";
import {
  childrenOf,
  hasEnded,
  isOpenStep,
  PENDING,
  type Run,
  type RunState,
  type StepRun,
  stepOf,
} from "./run.js";
import { type Answers, conditionKey, isDue, stoppedBy, undoKey, undoUnderWay } from "./want.js";

/** The run after these answers; the same object when there is nothing new. */
export function nextRun(before: Run, answers: Answers, now: Instant): Run {
  if (before.endedAt !== undefined) return before;
  let run = before;
  const put = (id: string, state: StepRun): void => {
    if (state !== run.steps[id]) run = { ...run, steps: { ...run.steps, [id]: state } };
  };
  for (const step of run.program.steps) {
    const state = stepOf(run, step.id);
    if (isOpenStep(state.state)) put(step.id, nextStep(run, step, state, answers, now));
    else if (state.state === "pending") put(step.id, nextPending(run, step, state, answers, now));
  }
  // When all have moved: what ends well beside a step that fails is taken back too, whichever came first.
  for (const step of run.program.steps)
    if (stepOf(run, step.id).state === "failed" && step.onFailure === "undo" && !run.dryRun)
      run = withUndo(run, step);
  // From the inside out: a group may end because one within it has.
  for (const step of [...run.program.steps].reverse()) {
    const state = stepOf(run, step.id);
    if (step.work.kind === "group" && isOpenStep(state.state)) put(step.id, nextGroup(run, step, state, now));
  }
  run = nextUndo(run, answers);
  run = withState(run, now);
  return run === before ? before : { ...run, changedAt: now, revision: before.revision + 1 };
}

function nextPending(run: Run, step: ProgramStep, state: StepRun, answers: Answers, now: Instant): StepRun {
  if (run.cancelBecause !== undefined) return ended(state, "cancelled", run.cancelBecause, now);
  const parent = step.parent === undefined ? undefined : stepOf(run, step.parent);
  if (parent !== undefined && hasEnded(parent.state))
    return ended(state, "skipped", `"${step.parent}" is ${parent.state}`, now);
  const stop = stoppedBy(run, step);
  if (stop !== undefined) return ended(state, "skipped", `step "${stop.id}" failed`, now);
  if (!isDue(run, step)) return state;
  for (const [index, condition] of step.when.entries()) {
    if (condition.kind === "constant") {
      if (!condition.holds) return ended(state, "skipped", condition.because, now);
      continue;
    }
    if (condition.kind === "step") {
      const other = stepOf(run, condition.step).state;
      if (other !== condition.is) return ended(state, "skipped", `step "${condition.step}" is ${other}`, now);
      continue;
    }
    const answer = answers.get(conditionKey(step.id, index));
    if (answer?.kind === "refused") return ended(state, "failed", answer.because, now);
    if (answer?.kind !== "samples") return state;
    const judged = judgeAnswer(condition.expect, condition.absent, answer.findings);
    if (judged.kind !== "holds") return ended(state, "skipped", `${condition.query}: ${judged.because}`, now);
  }
  return begin(run, step, state, now);
}

function nextGroup(run: Run, step: ProgramStep, state: StepRun, now: Instant): StepRun {
  const children = childrenOf(run, step.id).map((child) => ({ child, is: stepOf(run, child.id) }));
  if (!children.every(({ is }) => hasEnded(is.state))) return state;
  if (run.cancelBecause !== undefined) return ended(state, "cancelled", run.cancelBecause, now);
  const broken = children.find(({ child, is }) => is.state === "failed" && child.onFailure !== "continue");
  if (broken !== undefined)
    return ended(state, "failed", `step "${broken.child.id}" failed: ${broken.is.because}`, now);
  const failures = children.filter(({ is }) => is.state === "failed").length;
  return ended(
    state,
    "succeeded",
    failures === 0
      ? "all its steps have ended well"
      : `${failures} of its steps failed and need not have succeeded`,
    now,
  );
}

/** Marks what is to be taken back: every command that succeeded in the failed step and beside it. */
function withUndo(run: Run, failed: ProgramStep): Run {
  const scope = failed.parent === undefined ? "" : `${failed.parent}/`;
  let steps = run.steps;
  for (const step of run.program.steps) {
    const state = steps[step.id];
    if (!step.id.startsWith(scope) || state?.done === undefined || state.undo !== undefined) continue;
    steps = { ...steps, [step.id]: { ...state, undo: state.done.map((of) => ({ of })) } };
  }
  return steps === run.steps ? run : { ...run, steps };
}

function nextUndo(run: Run, answers: Answers): Run {
  const under = undoUnderWay(run);
  if (under === undefined) return run;
  const state = stepOf(run, under.step.id);
  const answer = answers.get(undoKey(under.step.id, under.of));
  if (answer?.kind !== "command" && answer?.kind !== "refused") return run;
  const undo = (state.undo ?? []).map((one) => {
    if (one.of !== under.of) return one;
    if (answer.kind === "refused") return { ...one, end: "failed" as const, because: answer.because };
    const { id, state: stands, because } = answer.command;
    if (stands === "succeeded") return { ...one, commandId: id, end: "succeeded" as const };
    return ENDS_BADLY.has(stands)
      ? { ...one, commandId: id, end: "failed" as const, because: `it is ${stands}: ${because}` }
      : { ...one, commandId: id };
  });
  const known = undo.find(({ of }) => of === under.of);
  if (known?.end === undefined && known?.commandId === under.commandId) return run;
  return { ...run, steps: { ...run.steps, [under.step.id]: { ...state, undo } } };
}
const ENDS_BADLY: ReadonlySet<string> = new Set([
  "failed",
  "refused",
  "cancelled",
  "timed-out",
  "expired",
  "interrupted",
]);

function withState(run: Run, now: Instant): Run {
  const { state, because } = standing(run);
  const end = state !== "running" && state !== "waiting";
  if (run.state === state && run.because === because && !end) return run;
  return { ...run, state, because, endedAt: end ? now : undefined };
}

function standing(run: Run): { readonly state: RunState; readonly because: string } {
  const all = run.program.steps.map((step) => ({ step, is: stepOf(run, step.id) }));
  const waiting = all.find(({ is }) => is.state === "waiting");
  const undo = undoUnderWay(run);
  if (undo !== undefined)
    return { state: "running", because: `command ${undo.of} of step "${undo.step.id}" is taken back` };
  if (waiting !== undefined)
    return { state: "waiting", because: `step "${waiting.step.id}" ${waiting.is.because}` };
  const open = all.find(
    ({ step, is }) => step.work.kind !== "group" && (isOpenStep(is.state) || is.state === "pending"),
  );
  if (open !== undefined) return { state: "running", because: `step "${open.step.id}" is next` };
  if (all.some(({ is }) => !hasEnded(is.state)))
    return { state: "running", because: "a runbook within it ends" };

  const undone = all.flatMap(({ is }) => is.undo ?? []);
  const back =
    undone.length === 0
      ? ""
      : `; ${undone.filter(({ end }) => end === "succeeded").length} of ${undone.length} commands were taken back`;
  if (run.cancelBecause !== undefined && all.some(({ is }) => is.state === "cancelled"))
    return { state: "cancelled", because: run.cancelBecause };
  // What a dry run finds wrong now need not be so when it counts.
  const stopped = all.find(
    ({ step, is }) =>
      !run.dryRun && step.parent === undefined && is.state === "failed" && step.onFailure !== "continue",
  );
  if (stopped !== undefined)
    return { state: "failed", because: `step "${stopped.step.id}" failed: ${stopped.is.because}${back}` };
  const failures = all.filter(({ step, is }) => step.work.kind !== "group" && is.state === "failed");
  const leaves = all.filter(({ step }) => step.work.kind !== "group").length;
  return failures.length === 0
    ? { state: "succeeded", because: `all ${leaves} steps have ended well${back}` }
    : {
        state: "degraded",
        because: `${failures.length} of ${leaves} steps failed: ${failures.map(({ step }) => step.id).join(", ")}${back}`,
      };
}

export type Decision =
  | { readonly kind: "change"; readonly run: Run }
  | { readonly kind: "keep"; readonly because: string; readonly denied: boolean };

const keep = (because: string, denied = false): Decision => ({ kind: "keep", because, denied });

/** A person's word at an approval step. Who started the run is not the one who approves it; anyone may say no. */
export function afterDecision(
  run: Run,
  stepId: string,
  approve: boolean,
  by: Actor,
  roles: readonly string[],
  reason: string,
): Decision {
  const step = run.program.steps.find(({ id }) => id === stepId);
  if (step === undefined) return keep(`it has no step "${stepId}"`);
  const state = stepOf(run, stepId);
  if (step.work.kind !== "approval") return keep(`step "${stepId}" asks nobody`);
  if (state.state !== "waiting" || state.decision !== undefined)
    return keep(`step "${stepId}" is ${state.state}`);
  if (approve && isOnePerson(by, run.requestedBy)) return keep("who started a run does not approve it", true);
  const { role } = step.work;
  if (!roles.includes(role) && !(role === "approver" && roles.includes("admin")))
    return keep(
      `step "${stepId}" is decided by role ${role}; ${by.name} has ${roles.join(", ") || "none"}`,
      true,
    );
  const decision = approve ? "approved" : "rejected";
  const because = `${decision} by ${by.name}${reason === "" ? "" : `: ${reason}`}`;
  return change(run, { steps: { ...run.steps, [stepId]: { ...state, decision, decidedBy: by, because } } });
}

export function afterCancellation(run: Run, by: Actor, reason: string): Decision {
  if (run.endedAt !== undefined) return keep(`it is ${run.state}`);
  if (run.cancelBecause !== undefined) return keep("it is being cancelled already");
  return change(run, { cancelBecause: `cancelled by ${by.name}${reason === "" ? "" : `: ${reason}`}` });
}

const change = (run: Run, what: Partial<Run>): Decision => ({
  kind: "change",
  run: { ...run, ...what, revision: run.revision + 1 },
});

/** A run that has not begun. */
export function newRun(
  run: Omit<Run, "state" | "because" | "changedAt" | "endedAt" | "cancelBecause" | "steps" | "revision">,
): Run {
  return {
    ...run,
    state: "running",
    because: "it was asked for",
    changedAt: run.startedAt,
    endedAt: undefined,
    cancelBecause: undefined,
    steps: Object.fromEntries(run.program.steps.map(({ id }) => [id, PENDING])),
    revision: 1,
  };
}
