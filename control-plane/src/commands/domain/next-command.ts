/** What an agent's event, an approval, a cancellation or the time makes of a command. */
import type { Actor } from "../../kernel/actor.js";
import type { ErrorCode } from "../../kernel/errors.js";
import { type Duration, type Instant, SECOND } from "../../kernel/time.js";
import {
  type Approval,
  type Command,
  type CommandEvent,
  type CommandState,
  isOpen,
  mayMove,
  type Plan,
} from "./command.js";
import type { GuardDecision, JudgedPlan } from "./guard-command.js";
import { planDrift, readPlan } from "./read-plan.js";

/** How long after its expiry an order that was sent may still be answered before it is given up. */
export const ANSWER_GRACE: Duration = 60 * SECOND;

/** A world that outruns this many plans in a row is left alone. */
export const ATTEMPTS_MAX = 5;

/** What the agent answers to the order of a plan that the world has outrun; it has done nothing then. */
export const DRIFTED = "drifted";

const AGENT_REFUSES = "the agent refuses:";

/** What changes; what is not named stays. */
export interface CommandChange {
  readonly state: CommandState;
  readonly because: string;
  readonly generation?: number;
  readonly attempt?: number;
  readonly plan?: Plan;
  readonly approvals?: readonly Approval[];
  readonly approvedBy?: Actor | undefined;
  readonly cancelBecause?: string;
  readonly exitCode?: number;
  readonly summary?: string;
  readonly resultJson?: string;
}

/** The command after a change. A new decision is a new order: it has not been sent yet. */
export function changed(command: Command, to: CommandChange, now: Instant): Command {
  const decided = to.generation !== undefined && to.generation !== command.generation;
  const anew = to.attempt !== undefined && to.attempt !== command.attempt;
  return {
    ...command,
    ...to,
    changedAt: now,
    sentSession: decided ? undefined : command.sentSession,
    ...(anew ? { previewSequence: 0, runSequence: 0 } : {}),
  };
}

/**
 * Steps that nobody asks for afterwards. Of a plan only its end counts; and an order that was accepted and has not begun
 * may go again over another stream, for the agent carries it out once.
 */
export function isOfNoUse({ mode, what }: CommandEvent): boolean {
  return what.kind === "accepted" || (mode === "preview" && what.kind === "started");
}

export type CommandDecision =
  | { readonly kind: "change"; readonly change: CommandChange }
  /** `code` is what who asked is told. @default FAILED_PRECONDITION */
  | { readonly kind: "keep"; readonly because: string; readonly code?: ErrorCode };

const keep = (because: string): CommandDecision => ({ kind: "keep", because });
const change = (
  state: CommandState,
  because: string,
  more: Partial<CommandChange> = {},
): CommandDecision => ({
  kind: "change",
  change: { state, because, ...more },
});

/** After an event of the agent. `judge` judges the plan and is asked only when one has come. */
export function afterEvent(
  command: Command,
  event: CommandEvent,
  judge: () => JudgedPlan,
  now: Instant,
): CommandDecision {
  if (event.attempt !== command.attempt)
    return keep(`it is of attempt ${event.attempt}, not ${command.attempt}`);
  const seen = event.mode === "preview" ? command.previewSequence : command.runSequence;
  if (event.sequence <= seen) return keep("the event was taken before");
  return event.mode === "preview" ? afterPreview(command, event, judge, now) : afterRun(command, event, now);
}

function afterPreview(
  command: Command,
  event: CommandEvent,
  judge: () => JudgedPlan,
  now: Instant,
): CommandDecision {
  const { what } = event;
  if (command.state !== "planning")
    return keep(`the command is ${command.state}; a plan changes nothing now`);
  switch (what.kind) {
    case "accepted":
    case "started":
    case "output":
      return keep("the plan is being made");
    case "refused":
      return change(
        "refused",
        `${AGENT_REFUSES} ${what.because}${what.detail === "" ? "" : ` (${what.detail})`}`,
      );
    case "interrupted":
      return change("failed", "the agent died while it made the plan; nothing was touched");
    case "finished": {
      if (what.outcome !== "succeeded")
        return change("failed", `the plan could not be made: ${what.summary}`, ended(what));
      if (what.planHash === "")
        return change("failed", "the agent's plan has no hash, so nothing could be bound to it");
      const { reach, decision } = judge();
      const facts = readPlan(what.resultJson);
      const drift = command.plan === undefined ? [] : planDrift(command.plan.json, what.resultJson);
      const plan: Plan = {
        hash: what.planHash,
        summary: what.summary,
        json: what.resultJson,
        madeAt: now,
        reach,
        inverse: facts.inverse,
        effect: facts.effect === "" ? what.summary : facts.effect,
        observedHash: facts.observedHash === "" ? what.planHash : facts.observedHash,
        drift,
        ...verdictIn(decision),
      };
      return afterPlan(command, plan);
    }
  }
}

/** A verdict as the plan carries it. */
export function verdictIn(
  decision: GuardDecision,
): Pick<Plan, "verdict" | "verdictBecause" | "rule" | "approvals" | "approver" | "elicitation"> {
  const { verdict, because, rule, approvals, approver, elicitation } = decision;
  return { verdict, verdictBecause: because, rule, approvals, approver, elicitation };
}

/** A plan was made: what becomes of it. One that was looked at before and was outrun is looked at again. */
function afterPlan(command: Command, plan: Plan): CommandDecision {
  const again = command.plan === undefined ? "" : `${worldChanged(plan.drift)}; `;
  const because = `${again}${plan.verdictBecause}`;
  if (plan.verdict === "deny") return change("refused", because, { plan });
  if (command.hold && (again === "" || plan.verdict === "allow"))
    return change("planned", `${again}the plan was asked to be held; ${plan.verdictBecause}`, { plan });
  if (plan.verdict === "ask") return change("awaiting-approval", because, { plan });
  return change("approved", because, { plan, generation: command.generation + 1 });
}

const worldChanged = (drift: readonly string[]): string =>
  drift.length === 0
    ? "the world changed and changed back since the plan before"
    : `the world has changed since the plan before: ${drift.join("; ").slice(0, 500)}`;

/** The agent found another world than the plan saw, and did nothing: what was approved is void, another plan is made. */
function afterDrift(command: Command, detail: string, now: Instant): CommandDecision {
  const because = `the world has changed since the plan: ${detail}`;
  if (command.cancelBecause !== undefined) return change("cancelled", command.cancelBecause);
  if (now >= command.expiresAt) return change("refused", `${because}; the command has expired meanwhile`);
  if (command.attempt >= ATTEMPTS_MAX)
    return change("refused", `${because}; that was plan ${command.attempt}, and no other is made`);
  return change("planning", `${because}; approvals are void, and the agent is asked for another plan`, {
    attempt: command.attempt + 1,
    generation: command.generation + 1,
    approvals: [],
    approvedBy: undefined,
  });
}

function ended(what: { exitCode: number; summary: string; resultJson: string }): Partial<CommandChange> {
  return { exitCode: what.exitCode, summary: what.summary, resultJson: what.resultJson };
}

function afterRun(command: Command, event: CommandEvent, now: Instant): CommandDecision {
  const { what } = event;
  // Refused by a host that could not write it down, and taken by its next life before it was known to be refused.
  const anew = command.state === "refused" && command.because.startsWith(AGENT_REFUSES);
  if (command.state === "refused" && !anew) return keep("it was refused here, and no order went");
  const late = command.state === "expired" ? "it had been given up; " : anew ? "it had been refused; " : "";
  const to = (state: CommandState, because: string, more: Partial<CommandChange> = {}): CommandDecision =>
    mayMove(command.state, state)
      ? change(state, `${late}${because}`, more)
      : keep(`a command that is ${command.state} does not become ${state}`);
  switch (what.kind) {
    case "accepted":
      return keep("the agent has verified and journalled the order");
    case "output":
      return keep("output");
    case "started":
      return command.state === "running" ? keep("it runs already") : to("running", "the agent runs it");
    case "refused":
      if (what.because === DRIFTED && command.state === "sent") return afterDrift(command, what.detail, now);
      return to(
        "refused",
        `${AGENT_REFUSES} ${what.because}${what.detail === "" ? "" : ` (${what.detail})`}`,
      );
    case "interrupted":
      return to("interrupted", `the agent died while it ran; ${what.detail || "what it did is not known"}`);
    case "finished":
      return to(what.outcome, what.summary, ended(what));
  }
}

/** After someone rejects. */
export function afterRejection(command: Command, by: Actor, reason: string): CommandDecision {
  if (command.state !== "awaiting-approval" && command.state !== "planned")
    return keep(`the command is ${command.state}, not awaiting approval`);
  return change("refused", `${by.name} rejected the plan${reason === "" ? "" : `: ${reason}`}`);
}

/** After someone wants it stopped: what was not sent is cancelled here; what was, by the agent, whose word then counts. */
export function afterCancellation(command: Command, by: Actor, reason: string): CommandDecision {
  if (!isOpen(command.state)) return keep(`the command is ${command.state} already`);
  const because = `${by.name} cancelled it${reason === "" ? "" : `: ${reason}`}`;
  if (command.state === "sent" || command.state === "running") {
    return change(command.state, `${because}; the agent is told`, { cancelBecause: because });
  }
  return change("cancelled", because, { cancelBecause: because });
}

/** After time alone. */
export function afterTime(command: Command, now: Instant): CommandDecision {
  switch (command.state) {
    case "planning":
      return now >= command.expiresAt ? change("expired", "the agent made no plan in time") : keep("in time");
    case "planned":
      return now >= command.expiresAt
        ? change("expired", "nobody applied the plan in time")
        : keep("in time");
    case "awaiting-approval":
      return now >= command.expiresAt
        ? change("expired", "nobody approved the plan in time")
        : keep("in time");
    case "approved":
      return now >= command.expiresAt
        ? change("expired", "the agent was away too long; it was never sent")
        : keep("in time");
    case "sent":
      return now >= command.expiresAt + ANSWER_GRACE
        ? change("expired", "the agent has not said that it began; after its expiry it will not")
        : keep("in time");
    case "running":
      return now >= command.changedAt + command.timeoutMs + ANSWER_GRACE &&
        now >= command.expiresAt + ANSWER_GRACE
        ? change("expired", "the agent began it and has not been heard since; its end is not known")
        : keep("in time");
    default:
      return keep("it has ended");
  }
}
