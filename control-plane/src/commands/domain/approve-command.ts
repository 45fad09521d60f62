/** What an approval, or the wish to apply a held plan, makes of a command. */
import type { Actor } from "../../kernel/actor.js";
import type { Role } from "../../kernel/caller.js";
import { isOnePerson } from "../../kernel/one-person.js";
import type { Instant } from "../../kernel/time.js";
import type { SafetyVerdict } from "../../safety/domain/judge-action.js";
import type { Approval, Command, Plan } from "./command.js";
import type { GuardDecision } from "./guard-command.js";
import { type CommandDecision, verdictIn } from "./next-command.js";

/** Someone's yes to a plan that they have seen. */
export interface Vote {
  readonly by: Actor;
  readonly roles: readonly Role[];
  /** Binds the vote to what was seen. */
  readonly planHash: string;
  readonly reason: string;
  /** The person behind the requesting MCP client confirmed it. */
  readonly elicited: boolean;
}

const HELD_BACK = "it may run and is held back for a while:";

const no = (because: string): CommandDecision => ({ kind: "keep", because });
const forbidden = (because: string): CommandDecision => ({
  kind: "keep",
  because,
  code: "PERMISSION_DENIED",
});

/** `judged` is what policy says now: what it denies nobody may approve, and it may ask for more than it did. */
export function afterApproval(
  command: Command,
  vote: Vote,
  judged: GuardDecision,
  now: Instant,
): CommandDecision {
  if (command.state !== "awaiting-approval")
    return no(`the command is ${command.state}, not awaiting approval`);
  const wrong = wrongPlan(command, vote.planHash, now);
  if (wrong !== undefined) return no(wrong);
  if (judged.verdict === "deny") return no(judged.because);
  const plan = tightened(command.plan, judged);
  if (plan === undefined) return no("there is no plan");
  const stranger = mayNotVote(command, plan, vote);
  if (stranger !== undefined) return forbidden(stranger);
  const { by, reason, elicited } = vote;
  const approvals = [...command.approvals, { actor: by, at: now, reason, elicited }];
  return withApprovals(
    command,
    plan,
    approvals,
    `${by.name} approved the plan${elicited ? " when asked" : ""}`,
  );
}

/** Approved when as many have agreed as the plan needs, else it waits for the others. */
function withApprovals(
  command: Command,
  plan: Plan,
  approvals: readonly Approval[],
  said: string,
): CommandDecision {
  const missing = Math.max(1, plan.approvals) - approvals.length;
  const last = approvals.at(-1)?.actor;
  if (missing > 0) {
    const because = `${said}; ${approvals.length} of ${plan.approvals} approvals${approvals.length === 0 ? `: ${plan.verdictBecause}` : ""}`;
    return {
      kind: "change",
      change: { state: "awaiting-approval", because, plan, approvals, approvedBy: last },
    };
  }
  return {
    kind: "change",
    change: {
      state: "approved",
      because: said,
      plan,
      approvals,
      approvedBy: last,
      generation: command.generation + 1,
    },
  };
}

/** Why someone may not be one of the approvers; undefined when they may. */
function mayNotVote(command: Command, plan: Plan, { by, roles, elicited }: Vote): string | undefined {
  if (elicited) {
    if (by.kind !== "mcp") return `only an MCP server may say that it asked; ${by.name} is a ${by.kind}`;
    if (by.name !== command.requestedBy.name)
      return `${command.requestedBy.name} requested it, and only the person at that client can be asked by it`;
    if (plan.approvals > 1)
      return `${plan.approvals} people must approve it, so nobody can be asked by an MCP client`;
    if (!plan.elicitation) return `${plan.verdictBecause}, and not of the person at the requesting client`;
    return undefined;
  }
  if (isOnePerson(by, command.requestedBy)) return `${by.name} requested it, so another must approve it`;
  if (!roles.includes(plan.approver) && !roles.includes("admin"))
    return `the plan asks for role ${plan.approver}; ${by.name} has ${roles.join(", ") || "none"}`;
  if (command.approvals.some(({ actor }) => isOnePerson(actor, by)))
    return `${by.name} has approved it already, so another must approve it too`;
  return undefined;
}

/**
 * A held plan is let go: it runs when policy (`judged`, asked anew) allows it, and waits when policy asks. `approvals`
 * were given to something that the plan is a part of; those of the requester do not count.
 */
export function afterApply(
  command: Command,
  by: Actor,
  planHash: string,
  judged: GuardDecision,
  approvals: readonly Approval[],
  now: Instant,
): CommandDecision {
  if (command.state !== "planned") return no(`the command is ${command.state}, not planned and held`);
  const wrong = wrongPlan(command, planHash, now);
  if (wrong !== undefined) return no(wrong);
  if (judged.verdict === "deny") return no(judged.because);
  const plan = command.plan === undefined ? undefined : { ...command.plan, ...verdictIn(judged) };
  if (plan === undefined) return no("there is no plan");
  const said = `${by.name} applied the plan`;
  if (plan.verdict === "allow")
    return {
      kind: "change",
      change: {
        state: "approved",
        because: `${said}; ${judged.because}`,
        plan,
        generation: command.generation + 1,
      },
    };
  const counted = approvals.filter(
    ({ actor }, index) =>
      !isOnePerson(actor, command.requestedBy) &&
      approvals.findIndex((other) => isOnePerson(other.actor, actor)) === index,
  );
  return withApprovals(command, plan, counted, said);
}

function wrongPlan(command: Command, planHash: string, now: Instant): string | undefined {
  if (command.plan === undefined || command.plan.hash !== planHash)
    return `the plan is ${command.plan?.hash.slice(0, 12)}…, not ${planHash.slice(0, 12)}…`;
  return now >= command.expiresAt ? "the command has expired" : undefined;
}

/** What was asked for stays asked for; what policy now asks besides is added. */
function tightened(plan: Plan | undefined, judged: GuardDecision): Plan | undefined {
  if (plan === undefined || judged.verdict !== "ask") return plan;
  return {
    ...plan,
    approvals: Math.max(plan.approvals, judged.approvals),
    approver: plan.approver === "admin" ? "admin" : judged.approver,
    elicitation: plan.elicitation && judged.elicitation,
  };
}

/**
 * Right before the order goes. A freeze or a rule made since says no: it never goes. The safety budget may hold it for a
 * while, or want a person to look first.
 */
export function beforeSending(
  command: Command,
  judged: GuardDecision,
  safety: SafetyVerdict,
): CommandDecision {
  if (judged.verdict === "deny")
    return { kind: "change", change: { state: "refused", because: `it was not sent: ${judged.because}` } };
  if (safety.kind === "clear")
    return { kind: "change", change: { state: "sent", because: "the order is on its way to the agent" } };
  if (safety.verdict === "ask")
    return {
      kind: "change",
      change: { state: "awaiting-approval", because: `it was not sent: ${safety.because}` },
    };
  if (safety.passing) {
    // Said once: how long it still takes changes with every look.
    if (command.because.startsWith(HELD_BACK)) return no(safety.because);
    return { kind: "change", change: { state: "approved", because: `${HELD_BACK} ${safety.because}` } };
  }
  return { kind: "change", change: { state: "refused", because: `it was not sent: ${safety.because}` } };
}
