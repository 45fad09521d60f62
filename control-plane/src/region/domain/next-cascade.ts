/**
 * What a run of a region plan does next. One beat is two pure functions around one exchange: what it waits for
 * (`wantsOf`, from what is stored alone, so that whoever goes on after a crash wants the same), and what an answer makes of
 * it (`nextCascade`). An answer to what is not wanted any more changes nothing.
 */
import { type Duration, formatDuration, type Instant } from "../../kernel/time.js";
import {
  acceptance,
  applyRecord,
  type CascadeRecord,
  type CascadeState,
  isDone,
  isOver,
  type Missing,
  readyAt,
  sortSteps,
  stepState,
} from "./cascade.js";
import type { RegionPlan, RegionStep } from "./region-plan.js";

/** `look`: where it is now, before it is begun. `act` may be asked again and again and is done once. */
export interface Want {
  readonly kind: "look" | "act" | "verify";
  readonly step: string;
}

export type Answer =
  | {
      readonly kind: "seen";
      readonly because: string;
      /** Absent where nothing can be. */
      readonly missingMs?: Missing;
      /** How much may be missing; undefined: nothing may be said about it. */
      readonly rpo: Duration | undefined;
      /** Why what is seen contradicts itself. */
      readonly doubt?: string;
    }
  | { readonly kind: "acted"; readonly because: string }
  /** Begun by somebody, not done. */
  | { readonly kind: "pending"; readonly because: string }
  | { readonly kind: "failed"; readonly because: string }
  | { readonly kind: "verified"; readonly because: string; readonly missingMs?: Missing }
  | { readonly kind: "not-yet"; readonly because: string }
  /** It was done and is not so any more: it is begun again. */
  | { readonly kind: "undone"; readonly because: string };

/** The same failure is written down once; of different ones so many. */
const FAILURES_TOLD_MAX = 20;

/** What it waits for, in the plan's order; each step has one at most. */
export function wantsOf(plan: RegionPlan, state: CascadeState): readonly Want[] {
  if (state.phase !== "running") return [];
  return plan.steps.flatMap((step) => wantOf(plan, state, step) ?? []);
}

function wantOf(plan: RegionPlan, state: CascadeState, step: RegionStep): Want | undefined {
  switch (stepState(state, step.id).kind) {
    case "acting":
      return { kind: "act", step: step.id };
    case "verifying":
      return { kind: "verify", step: step.id };
    case "waiting":
      return mayBegin(plan, state, step) ? { kind: "look", step: step.id } : undefined;
    case "done":
      return undefined;
  }
}

/** While a person is asked, what goes on goes on and nothing new begins. Traffic waits for all else, whatever it says to need. */
function mayBegin(plan: RegionPlan, state: CascadeState, step: RegionStep): boolean {
  if (state.question !== null || readyAt(state, step) === undefined) return false;
  if (step.kind !== "traffic") return true;
  return plan.steps.every(({ id, kind }) => kind === "traffic" || kind === "status" || isDone(state, id));
}

/** What is to be written down. The records are in order; nothing of them may be done before they are durable. */
export function nextCascade(
  plan: RegionPlan,
  state: CascadeState,
  heard: { readonly want: Want; readonly answer: Answer } | undefined,
  now: Instant,
): readonly CascadeRecord[] {
  if (state.phase !== "running") return [];
  const records: CascadeRecord[] = [];
  let current = state;
  const write = (record: CascadeRecord): void => {
    records.push(record);
    current = applyRecord(current, record);
  };
  if (heard !== undefined) for (const record of ofAnswer(plan, current, heard, now)) write(record);
  if (current.question?.about === "budget" && isDone(current, current.question.step))
    write({ at: now, kind: "withdrawn", because: `${current.question.step} is done` });
  if (plan.steps.every(({ id }) => isDone(current, id))) {
    write({ at: now, kind: "closed", tookMs: now - current.lostAt });
    return records;
  }
  for (const record of ofTime(plan, current, now)) {
    write(record);
    if (isOver(current)) break;
  }
  return records;
}

function ofAnswer(
  plan: RegionPlan,
  state: CascadeState,
  { want, answer }: { readonly want: Want; readonly answer: Answer },
  now: Instant,
): readonly CascadeRecord[] {
  const step = plan.steps.find(({ id }) => id === want.step);
  // It was wanted of a state that has moved on since.
  if (
    step === undefined ||
    !wantsOf(plan, state).some((one) => one.kind === want.kind && one.step === want.step)
  )
    return [];
  const { id } = step;
  switch (answer.kind) {
    case "seen":
      return want.kind === "look" ? begin(step, state, answer, now) : [];
    case "acted":
      return want.kind === "act" ? [{ at: now, kind: "acted", step: id, because: answer.because }] : [];
    case "verified":
      return want.kind === "verify" ? [done(step, state, answer, now)] : [];
    case "undone":
      return want.kind === "verify" ? [{ at: now, kind: "acting", step: id, because: answer.because }] : [];
    case "failed": {
      const before = state.failures[id];
      const isNews = before?.because !== answer.because && (before?.told ?? 0) < FAILURES_TOLD_MAX;
      return isNews ? [{ at: now, kind: "failed", step: id, because: answer.because }] : [];
    }
    case "pending":
    case "not-yet":
      return [];
  }
}

function begin(
  step: RegionStep,
  state: CascadeState,
  { because, missingMs, rpo, doubt }: Extract<Answer, { readonly kind: "seen" }>,
  now: Instant,
): readonly CascadeRecord[] {
  const ask = (about: "loss" | "evidence", says: string): readonly CascadeRecord[] | undefined =>
    state.accepted.includes(acceptance(step.id, about))
      ? undefined
      : [{ at: now, kind: "asked", step: step.id, about, says }];
  if (doubt !== undefined) {
    const asked = ask("evidence", doubt);
    if (asked !== undefined) return asked;
  }
  const tooMuch = tellLoss(missingMs, rpo);
  if (tooMuch !== undefined) {
    const asked = ask("loss", tooMuch);
    if (asked !== undefined) return asked;
  }
  return [
    { at: now, kind: "acting", step: step.id, because, ...(missingMs === undefined ? {} : { missingMs }) },
  ];
}

/** Why a person must say yes; undefined when it is within the RPO, or nothing can be lost. */
export function tellLoss(
  missingMs: Duration | null | undefined,
  rpo: Duration | undefined,
): string | undefined {
  if (rpo === undefined || missingMs === undefined) return undefined;
  if (missingMs === null) return `nothing tells how much would be lost; ${formatDuration(rpo)} may be`;
  if (missingMs <= rpo) return undefined;
  return `${formatDuration(Math.round(missingMs))} of what was written would be lost; ${formatDuration(rpo)} may be`;
}

function done(
  step: RegionStep,
  state: CascadeState,
  { because, missingMs: measured }: Extract<Answer, { readonly kind: "verified" }>,
  now: Instant,
): CascadeRecord {
  const missingMs = measured ?? state.missing[step.id];
  const tookMs = Math.max(0, now - (readyAt(state, step) ?? state.goAt));
  return {
    at: now,
    kind: "done",
    step: step.id,
    because,
    tookMs,
    ...(missingMs === undefined ? {} : { missingMs }),
  };
}

/** What follows from the time alone. */
function ofTime(plan: RegionPlan, state: CascadeState, now: Instant): readonly CascadeRecord[] {
  const records: CascadeRecord[] = [];
  if (!state.overRto && now - state.lostAt > plan.rto)
    records.push({ at: now, kind: "over-rto", spentMs: now - state.lostAt, rtoMs: plan.rto });
  let isAsked = state.question !== null;
  for (const step of plan.steps) {
    const ready = readyAt(state, step);
    if (ready === undefined || isDone(state, step.id) || now - ready <= step.budget) continue;
    const spentMs = now - ready;
    if (!state.overBudget.includes(step.id))
      records.push({ at: now, kind: "over-budget", step: step.id, spentMs, budgetMs: step.budget });
    const says = `${step.id} has taken ${formatDuration(Math.round(spentMs))} of ${formatDuration(step.budget)}`;
    if (plan.overBudget === "abort") {
      records.push(abortRecord(plan, state, "the plan", `${says}, and the plan aborts then`, now));
      return records;
    }
    if (plan.overBudget === "ask" && !isAsked && !state.accepted.includes(acceptance(step.id, "budget"))) {
      records.push({ at: now, kind: "asked", step: step.id, about: "budget", says });
      isAsked = true;
    }
  }
  return records;
}

const abortRecord = (
  plan: RegionPlan,
  state: CascadeState,
  by: string,
  because: string,
  now: Instant,
): CascadeRecord => ({ at: now, kind: "aborted", by, because, ...sortSteps(plan, state) });

/** A person ends it where it stands: nothing more begins, nothing is taken back. Empty when it is over. */
export const abortCascade = (
  plan: RegionPlan,
  state: CascadeState,
  by: string,
  because: string,
  now: Instant,
): readonly CascadeRecord[] => (isOver(state) ? [] : [abortRecord(plan, state, by, because, now)]);
