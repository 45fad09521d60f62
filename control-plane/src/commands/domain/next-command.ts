/** What an agent's event, an approval, a cancellation or the time makes of a command. */
import type { Actor } from "../../kernel/actor.js";
import { type Duration, type Instant, SECOND } from "../../kernel/time.js";
import { type Command, type CommandEvent, type CommandState, isOpen, mayMove, type Plan } from "./command.js";
import type { GuardDecision } from "./guard-command.js";

/** How long after its expiry an order that was sent may still be answered before it is given up. */
export const ANSWER_GRACE: Duration = 60 * SECOND;

/** What changes; what is not named stays. */
export interface CommandChange {
  readonly state: CommandState;
  readonly because: string;
  readonly generation?: number;
  readonly plan?: Plan;
  readonly approvedBy?: Actor;
  readonly cancelBecause?: string;
  readonly exitCode?: number;
  readonly summary?: string;
  readonly resultJson?: string;
}

/** The command after a change. A new decision is a new order: it has not been sent yet. */
export function changed(command: Command, to: CommandChange, now: Instant): Command {
  const decided = to.generation !== undefined && to.generation !== command.generation;
  return {
    ...command,
    ...to,
    changedAt: now,
    sentSession: decided ? undefined : command.sentSession,
  };
}

/** Steps on the way to a plan that nobody asks for afterwards: the plan is what counts, or its refusal. */
export function isOfNoUse({ mode, what }: CommandEvent): boolean {
  return mode === "preview" && (what.kind === "accepted" || what.kind === "started");
}

export type CommandDecision =
  | { readonly kind: "change"; readonly change: CommandChange }
  | { readonly kind: "keep"; readonly because: string };

const keep = (because: string): CommandDecision => ({ kind: "keep", because });
const change = (
  state: CommandState,
  because: string,
  more: Partial<CommandChange> = {},
): CommandDecision => ({
  kind: "change",
  change: { state, because, ...more },
});

/** After an event of the agent. `guard` judges the plan and is asked only when one has come. */
export function afterEvent(
  command: Command,
  event: CommandEvent,
  guard: () => GuardDecision,
  now: Instant,
): CommandDecision {
  const seen = event.mode === "preview" ? command.previewSequence : command.runSequence;
  if (event.sequence <= seen) return keep("the event was taken before");
  return event.mode === "preview" ? afterPreview(command, event, guard, now) : afterRun(command, event);
}

function afterPreview(
  command: Command,
  event: CommandEvent,
  guard: () => GuardDecision,
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
        `the agent refuses: ${what.because}${what.detail === "" ? "" : ` (${what.detail})`}`,
      );
    case "interrupted":
      return change("failed", "the agent died while it made the plan; nothing was touched");
    case "finished": {
      if (what.outcome !== "succeeded")
        return change("failed", `the plan could not be made: ${what.summary}`, ended(what));
      if (what.planHash === "")
        return change("failed", "the agent's plan has no hash, so nothing could be bound to it");
      const decision = guard();
      const plan: Plan = {
        hash: what.planHash,
        summary: what.summary,
        json: what.resultJson,
        verdict: decision.verdict,
        verdictBecause: decision.because,
        madeAt: now,
      };
      const generation = command.generation + 1;
      if (decision.verdict === "deny") return change("refused", decision.because, { plan });
      if (decision.verdict === "ask") return change("awaiting-approval", decision.because, { plan });
      return change("approved", decision.because, { plan, generation });
    }
  }
}

function ended(what: { exitCode: number; summary: string; resultJson: string }): Partial<CommandChange> {
  return { exitCode: what.exitCode, summary: what.summary, resultJson: what.resultJson };
}

function afterRun(command: Command, event: CommandEvent): CommandDecision {
  const { what } = event;
  const late = command.state === "expired" ? "it had been given up; " : "";
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
      return to(
        "refused",
        `the agent refuses: ${what.because}${what.detail === "" ? "" : ` (${what.detail})`}`,
      );
    case "interrupted":
      return to("interrupted", `the agent died while it ran; ${what.detail || "what it did is not known"}`);
    case "finished":
      return to(what.outcome, what.summary, ended(what));
  }
}

/** After someone approves. The hash binds the approval to what was seen. */
export function afterApproval(command: Command, by: Actor, planHash: string, now: Instant): CommandDecision {
  if (command.state !== "awaiting-approval")
    return keep(`the command is ${command.state}, not awaiting approval`);
  if (command.plan === undefined || command.plan.hash !== planHash) {
    return keep(`the plan to approve is ${command.plan?.hash.slice(0, 12)}…, not ${planHash.slice(0, 12)}…`);
  }
  if (by.name === command.requestedBy.name)
    return keep(`${by.name} requested it, so another must approve it`);
  if (now >= command.expiresAt) return keep("the command has expired");
  return change("approved", `${by.name} approved the plan`, {
    approvedBy: by,
    generation: command.generation + 1,
  });
}

/** After someone rejects. */
export function afterRejection(command: Command, by: Actor, reason: string): CommandDecision {
  if (command.state !== "awaiting-approval")
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
