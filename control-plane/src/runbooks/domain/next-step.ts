/** What becomes of one step that is under way, with what is known now. */
import type { CommandState } from "../../commands/domain/command.js";
import { formatDuration, type Instant } from "../../kernel/time.js";
import { FINDINGS_MAX, judgeAnswer } from "./expectation.js";
import type { ProgramStep, Question, Work } from "./program.js";
import type { Run, StepRun, Target } from "./run.js";
import { type Answer, type Answers, nodesKey, type SeenCommand, targetKey, verifyKey } from "./want.js";

/** Nodes that one step may work on. */
export const TARGETS_MAX = 200;

type ActionWork = Extract<Work, { readonly kind: "action" }>;

/** A step that begins, or begins again. */
export function begin(run: Run, step: ProgramStep, before: StepRun, now: Instant): StepRun {
  const { notBefore: _, targets: __, verifyingSince: ___, ...kept } = before;
  const started: StepRun = { ...kept, state: "running", startedAt: now, because: "it has begun" };
  const { work } = step;
  switch (work.kind) {
    case "action":
      return work.target.kind === "node" ? { ...started, targets: [{ node: work.target.node }] } : started;
    case "pause":
      return run.dryRun
        ? ended(started, "succeeded", `would wait ${formatDuration(work.length)}`, now)
        : { ...started, because: `waits ${formatDuration(work.length)}` };
    case "wait":
      return run.dryRun
        ? ended(
            started,
            "succeeded",
            `would wait for ${work.query} for at most ${formatDuration(step.timeout)}`,
            now,
          )
        : { ...started, because: `waits for ${work.query}` };
    case "approval":
      return run.dryRun
        ? ended(started, "succeeded", `would wait for ${article(work.role)}: ${work.reason}`, now)
        : { ...started, state: "waiting", because: `waits for ${article(work.role)}: ${work.reason}` };
    default:
      return started;
  }
}

const article = (role: string): string => (role === "admin" ? "an admin" : `a person with role ${role}`);

export function ended(
  state: StepRun,
  end: "succeeded" | "failed" | "skipped" | "cancelled",
  because: string,
  now: Instant,
): StepRun {
  return { ...state, state: end, because, endedAt: now };
}

/** A step that did not succeed: tried again if it may be, else failed. */
function failed(step: ProgramStep, state: StepRun, because: string, now: Instant): StepRun {
  if (state.attempt >= step.attempts) return ended(state, "failed", because, now);
  const { targets: _, verifyingSince: __, ...kept } = state;
  return {
    ...kept,
    state: "running",
    attempt: state.attempt + 1,
    notBefore: now + step.pause,
    because: `attempt ${state.attempt} of ${step.attempts} failed: ${because}; the next begins in ${formatDuration(step.pause)}`,
  };
}

/** An open step after the answers. The same state when nothing has changed. */
export function nextStep(
  run: Run,
  step: ProgramStep,
  state: StepRun,
  answers: Answers,
  now: Instant,
): StepRun {
  if (state.notBefore !== undefined) {
    if (run.cancelBecause !== undefined) return ended(state, "cancelled", run.cancelBecause, now);
    return now < state.notBefore ? state : begin(run, step, state, now);
  }
  const { work } = step;
  if (work.kind === "action") return nextAction(run, step, work, state, answers, now);
  if (work.kind === "group") return state;
  if (run.cancelBecause !== undefined) return ended(state, "cancelled", run.cancelBecause, now);
  const late = now >= (state.startedAt ?? now) + step.timeout;
  const lateBecause = `it did not end within ${formatDuration(step.timeout)}`;
  switch (work.kind) {
    case "pause":
      return now >= (state.startedAt ?? now) + work.length
        ? ended(state, "succeeded", `waited ${formatDuration(work.length)}`, now)
        : state;
    case "approval":
      if (state.decision === "approved") return ended(state, "succeeded", state.because, now);
      if (state.decision === "rejected") return ended(state, "failed", state.because, now);
      return late
        ? ended(state, "failed", `nobody decided within ${formatDuration(step.timeout)}`, now)
        : state;
    case "query": {
      const judged = judge(work, answers.get(step.id));
      if (judged.kind === "unknown")
        return late
          ? failed(step, state, `${lateBecause}: ${judged.because}`, now)
          : said(state, judged.because);
      const found = { ...state, findings: judged.findings };
      if (judged.kind === "absent") return ended(found, "skipped", judged.because, now);
      return judged.kind === "holds"
        ? ended(found, "succeeded", judged.because, now)
        : failed(step, found, judged.because, now);
    }
    case "wait": {
      const judged = judge(work, answers.get(step.id));
      if (judged.kind === "holds")
        return ended({ ...state, findings: judged.findings }, "succeeded", judged.because, now);
      return late
        ? failed(step, state, `${lateBecause}: ${judged.because}`, now)
        : said(state, judged.because);
    }
  }
}

/** The same state when it says so already: what is no news is not stored, and wakes nobody. */
const said = (state: StepRun, because: string, now: "running" | "waiting" = "running"): StepRun =>
  state.because === because && state.state === now ? state : { ...state, state: now, because };

function judge(question: Question, answer: Answer | undefined) {
  if (answer?.kind === "samples") return judgeAnswer(question.expect, question.absent, answer.findings);
  const because =
    answer === undefined || !("because" in answer) ? "the answer is not there yet" : answer.because;
  return answer?.kind === "refused"
    ? { kind: "fails" as const, because, findings: [] }
    : { kind: "unknown" as const, because, findings: [] };
}

function nextAction(
  run: Run,
  step: ProgramStep,
  work: ActionWork,
  state: StepRun,
  answers: Answers,
  now: Instant,
): StepRun {
  const { targets } = state;
  const late = now >= (state.startedAt ?? now) + step.timeout;
  if (targets === undefined) {
    if (run.cancelBecause !== undefined) return ended(state, "cancelled", run.cancelBecause, now);
    const answer = answers.get(nodesKey(step.id));
    if (answer?.kind !== "nodes")
      return late ? failed(step, state, "which nodes are meant could not be found out", now) : state;
    if (answer.nodes.length === 0) return failed(step, state, "no node has these labels", now);
    if (answer.nodes.length > TARGETS_MAX)
      return failed(
        step,
        state,
        `${answer.nodes.length} nodes have these labels, at most ${TARGETS_MAX}`,
        now,
      );
    const nodes = [...answer.nodes].sort().map((node): Target => ({ node }));
    return { ...state, targets: nodes, because: `${nodes.length} nodes have these labels` };
  }
  if (state.verifyingSince !== undefined) return nextVerification(run, step, work, state, answers, now);

  let next = state;
  // Of several nodes one is told of: the first that waits for a person, else the first that is under way.
  let word: { readonly because: string; readonly now: "running" | "waiting" } | undefined;
  const tell = (because: string, now: "running" | "waiting" = "running"): void => {
    if (word === undefined || (word.now === "running" && now === "waiting")) word = { because, now };
  };
  const moved = targets.map((target): Target => {
    if (target.end !== undefined) return target;
    const answer = answers.get(targetKey(step.id, target.node));
    if (answer === undefined || answer.kind === "samples" || answer.kind === "nodes") return target;
    if (answer.kind === "unknown") {
      if (target.commandId === undefined && late) {
        next = noted(next, `${target.node}: ${answer.because}`);
        return { ...target, end: "failed" };
      }
      tell(`${target.node}: ${answer.because}`);
      return target;
    }
    if (answer.kind === "refused") {
      next = noted(next, `${target.node}: ${answer.because}`);
      return { ...target, end: "failed" };
    }
    const { command } = answer;
    const end = endOf(command, run.dryRun);
    const known: Target = { ...target, commandId: command.id };
    if (end === undefined) {
      const waiting = command.state === "awaiting-approval";
      const because = waiting
        ? `command ${command.id} on ${target.node} waits for an approval: ${command.because}`
        : `command ${command.id} on ${target.node} is ${command.state}`;
      tell(because, waiting ? "waiting" : "running");
      return known;
    }
    next = noted({ ...next, state: "running" }, `${target.node}: ${textOf(command, run.dryRun)}`);
    if (end === "succeeded" && !run.dryRun) next = { ...next, done: [...(next.done ?? []), command.id] };
    return { ...known, end };
  });
  if (word !== undefined) next = said(next, word.because, word.now);
  const changed = moved.some(
    (target, index) => target.commandId !== targets[index]?.commandId || target.end !== targets[index]?.end,
  );
  if (changed) next = { ...next, targets: moved };
  const under = moved.filter(({ end, commandId }) => end === undefined && commandId !== undefined);
  const wrong = moved.filter(({ end }) => end === "failed");
  if (under.length > 0) return next;
  if (run.cancelBecause !== undefined && moved.some(({ end }) => end === undefined)) return next;
  if (run.cancelBecause !== undefined) return ended(next, "cancelled", run.cancelBecause, now);
  if (wrong.length > 0)
    return failed(step, next, (next.findings.at(-1) ?? "it failed") + ofHowMany(wrong.length, moved), now);
  if (moved.some(({ end }) => end === undefined)) return next;
  const did = next.findings.at(-1) ?? "done";
  if (run.dryRun || work.verify === undefined)
    return ended(next, "succeeded", did + ofHowMany(moved.length, moved), now);
  return {
    ...next,
    verifyingSince: now,
    because: `done; whether it helped is looked at: ${work.verify.query}`,
  };
}

const ofHowMany = (count: number, targets: readonly Target[]): string =>
  targets.length > 1 ? ` (${count} of ${targets.length} nodes)` : "";

const noted = (state: StepRun, finding: string): StepRun => ({
  ...state,
  findings: [...state.findings, finding].slice(-FINDINGS_MAX),
});

function nextVerification(
  run: Run,
  step: ProgramStep,
  work: ActionWork,
  state: StepRun,
  answers: Answers,
  now: Instant,
): StepRun {
  if (run.cancelBecause !== undefined) return ended(state, "cancelled", run.cancelBecause, now);
  if (work.verify === undefined) return ended(state, "succeeded", state.because, now);
  const judged = judge(work.verify, answers.get(verifyKey(step.id)));
  if (judged.kind === "holds") return ended(state, "succeeded", `verified: ${judged.because}`, now);
  const late = now >= (state.verifyingSince ?? now) + work.verify.within;
  return late
    ? failed(
        step,
        state,
        `done, and not verified within ${formatDuration(work.verify.within)}: ${judged.because}`,
        now,
      )
    : said(state, `done; not yet verified: ${judged.because}`);
}

const GOOD: ReadonlySet<CommandState> = new Set(["succeeded"]);
const BAD: ReadonlySet<CommandState> = new Set([
  "failed",
  "refused",
  "cancelled",
  "timed-out",
  "expired",
  "interrupted",
]);

/** How a command ended; a dry run is content with a plan that policy would not deny. */
function endOf({ state, plan }: SeenCommand, dryRun: boolean): "succeeded" | "failed" | undefined {
  if (dryRun && plan !== undefined) return plan.verdict === "deny" ? "failed" : "succeeded";
  return GOOD.has(state) ? "succeeded" : BAD.has(state) ? "failed" : undefined;
}

function textOf({ id, state, because, summary, plan }: SeenCommand, dryRun: boolean): string {
  const text =
    dryRun && plan !== undefined
      ? `${plan.summary}; policy says ${plan.verdict}: ${plan.because}`
      : `${summary === "" ? because : summary} (command ${id} ${state})`;
  return text.slice(0, 500);
}
