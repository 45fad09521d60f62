/** Whether a command may run: freezes, policy's rule, the limits, and whether two people have to agree, each with its reason. */
import type { Actor } from "../../kernel/actor.js";
import type { Role } from "../../kernel/caller.js";
import type { Labels } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import { instantText, isWithin } from "../../kernel/window.js";
import type { SafetyVerdict } from "../../safety/domain/judge-action.js";
import { CRITICALITIES } from "../../topology/domain/component.js";
import type { BlastRadius } from "../../topology/domain/find-impact.js";
import type { Verdict } from "./command.js";
import type { ApproverRole, Freeze, Policy, PolicyRule } from "./policy.js";
import type { Inverse } from "./read-plan.js";

export interface GuardInput {
  readonly requestedBy: Actor;
  readonly roles: readonly Role[];
  readonly action: string;
  readonly nodeLabels: Labels;
  /** The requester asked for a person's approval whatever policy says: a client can only tighten. */
  readonly requireApproval: boolean;
  /** It takes back what an earlier command did. */
  readonly undo: boolean;
  readonly inverse: Inverse["kind"];
  readonly reach: BlastRadius;
  /** Other commands on the node that have not ended and may already run. */
  readonly openOnNode: number;
  /** Commands approved for the node within the last hour. */
  readonly recentOnNode: number;
  readonly now: Instant;
}

export interface GuardDecision {
  readonly verdict: Verdict;
  readonly because: string;
  /** The name of the rule or freeze that decided; empty when none matched. */
  readonly rule: string;
  /** How many different people must approve; 0 unless the verdict is ask. */
  readonly approvals: number;
  readonly approver: ApproverRole;
  /** The person behind the requesting MCP client may be the one approver. */
  readonly elicitation: boolean;
}

/** A plan's judgement, and how far the plan reaches. */
export interface JudgedPlan {
  readonly reach: BlastRadius;
  readonly decision: GuardDecision;
}

const verdictOf = (verdict: Verdict, because: string, rule: string): GuardDecision => ({
  verdict,
  because,
  rule,
  approvals: 0,
  approver: "approver",
  elicitation: false,
});

export function guardCommand(input: GuardInput, policy: Policy): GuardDecision {
  const freeze = input.undo ? undefined : policy.freezes?.find((one) => freezes(one, input));
  if (freeze !== undefined) {
    const until =
      freeze.windows === undefined && freeze.until !== undefined ? ` until ${instantText(freeze.until)}` : "";
    return verdictOf(
      "deny",
      `freeze "${freeze.name}"${until}: ${freeze.reason}; only an undo may run`,
      freeze.name,
    );
  }
  const rule = policy.rules.find((candidate) => mismatch(candidate, input) === undefined);
  if (rule === undefined) {
    const because = `no policy rule lets a ${input.requestedBy.kind} run ${input.action} on this node`;
    return verdictOf("deny", because, "");
  }
  const named = `policy rule "${rule.name}"`;
  if (rule.verdict === "deny") return verdictOf("deny", `${named} denies it`, rule.name);
  const two = rule.onePersonIsEnough === true ? undefined : needsTwo(input, policy);
  const asked = asking(rule, input, policy, two !== undefined);
  if (asked === undefined && two === undefined) return verdictOf("allow", `${named} allows it`, rule.name);
  const approvals = Math.max(rule.verdict === "ask" ? (rule.approvals ?? 1) : 1, two === undefined ? 1 : 2);
  const because = [asked, two].filter((part) => part !== undefined).join("; ");
  return {
    verdict: "ask",
    because,
    rule: rule.name,
    approvals,
    approver: rule.approver ?? "approver",
    elicitation: rule.elicitation === true && approvals === 1 && input.requestedBy.kind === "mcp",
  };
}

/** Policy's word, and what the safety budget adds. What goes by itself is waited for, before the order is sent. */
export function withSafety(decision: GuardDecision, safety: SafetyVerdict): GuardDecision {
  if (decision.verdict === "deny" || safety.kind === "clear") return decision;
  if (safety.verdict === "ask") {
    return decision.verdict === "ask"
      ? { ...decision, because: `${decision.because}; ${safety.because}` }
      : { ...decision, verdict: "ask", because: safety.because, approvals: 1 };
  }
  return safety.passing ? decision : verdictOf("deny", safety.because, "");
}

/** Why an approval is asked for besides what two people have to agree on; undefined when it is not. */
function asking(rule: PolicyRule, input: GuardInput, policy: Policy, two: boolean): string | undefined {
  const named = `policy rule "${rule.name}"`;
  if (rule.verdict === "ask") {
    const needed = rule.approvals ?? 1;
    return needed > 1 && !two
      ? `${named} asks for the approval of ${needed} people`
      : `${named} asks for an approval`;
  }
  if (input.requireApproval) return `the requester asked for an approval; ${named} would allow it`;
  // Limits hold what would run by itself; a person who approves has seen the plan.
  const { openPerNode, perNodePerHour } = policy.limits;
  if (input.openOnNode >= openPerNode)
    return `${input.openOnNode} commands are under way on the node, and openPerNode is ${openPerNode}`;
  if (input.recentOnNode >= perNodePerHour)
    return `${input.recentOnNode} commands ran on the node within the hour, and perNodePerHour is ${perNodePerHour}`;
  return undefined;
}

/** Why two people have to agree; undefined when they need not. */
function needsTwo({ inverse, reach }: GuardInput, { twoPersons }: Policy): string | undefined {
  if (twoPersons === undefined) return undefined;
  if (twoPersons.irreversible && isIrreversible(inverse)) {
    return inverse === "unknown"
      ? "the agent does not say how it is undone, so two people must agree"
      : "it cannot be undone, so two people must agree";
  }
  if (reach.roleShare > twoPersons.overRoleShare) {
    return `it acts on ${percent(reach.roleShare)} of the role's nodes, more than ${percent(twoPersons.overRoleShare)}, so two people must agree`;
  }
  return undefined;
}

/** What nobody knows how to undo counts as what cannot be undone. */
const isIrreversible = (inverse: Inverse["kind"]): boolean =>
  inverse === "irreversible" || inverse === "unknown";

const percent = (share: number): string => `${Math.round(share * 1_000) / 10} %`;

/** Why a rule does not hold for a command; undefined when it does. */
export function mismatch(rule: PolicyRule, input: GuardInput): string | undefined {
  const { requestedBy, roles, action, reach, now } = input;
  if (rule.actors !== undefined && !rule.actors.some((kind) => kind === requestedBy.kind))
    return `it is for ${rule.actors.join(", ")}, and a ${requestedBy.kind} asks`;
  if (rule.requesters !== undefined && !rule.requesters.includes(requestedBy.name))
    return `it is not for requester ${requestedBy.name}`;
  if (rule.roles !== undefined && !rule.roles.some((role) => roles.includes(role)))
    return `it is for role ${rule.roles.join(" or ")}, and the requester has ${roles.join(", ") || "none"}`;
  if (rule.actions !== undefined && !rule.actions.includes(action) && !rule.actions.includes("*"))
    return `it is not for action ${action}`;
  const label = firstDifference(rule.nodes, input.nodeLabels);
  if (label !== undefined) return label;
  const component = noneOf(rule.components, reach);
  if (component !== undefined) return component;
  if (rule.from !== undefined && now < rule.from) return `it holds from ${instantText(rule.from)}`;
  if (rule.until !== undefined && now >= rule.until) return `it held until ${instantText(rule.until)}`;
  if (rule.windows !== undefined && !rule.windows.some((window) => isWithin(window, now)))
    return "it is outside the rule's windows";
  if (rule.reversible !== undefined && rule.reversible === isIrreversible(input.inverse))
    return rule.reversible ? "the plan cannot be undone" : "the plan can be undone";
  return beyond(rule.reach, reach);
}

function firstDifference(wanted: Labels | undefined, labels: Labels): string | undefined {
  const entry = Object.entries(wanted ?? {}).find(([name, value]) => labels[name] !== value);
  return entry && `the node's label ${entry[0]} is not ${entry[1]}`;
}

function noneOf(wanted: readonly string[] | undefined, { components }: BlastRadius): string | undefined {
  return wanted === undefined || wanted.some((id) => components.includes(id))
    ? undefined
    : `none of ${wanted.join(", ")} is on the node`;
}

function beyond(limit: PolicyRule["reach"], reach: BlastRadius): string | undefined {
  if (limit === undefined) return undefined;
  const { maxNodes, maxRoleShare, maxCriticality } = limit;
  if (maxNodes !== undefined && reach.nodes.length > maxNodes)
    return `the plan acts on ${reach.nodes.length} nodes, more than ${maxNodes}`;
  if (maxRoleShare !== undefined && reach.roleShare > maxRoleShare)
    return `the plan acts on ${percent(reach.roleShare)} of the role's nodes, more than ${percent(maxRoleShare)}`;
  const { criticality } = reach;
  if (
    maxCriticality !== undefined &&
    criticality !== undefined &&
    CRITICALITIES.indexOf(criticality) > CRITICALITIES.indexOf(maxCriticality)
  )
    return `what is affected is ${criticality}, more than ${maxCriticality}`;
  return undefined;
}

function freezes(freeze: Freeze, input: GuardInput): boolean {
  const { now } = input;
  return (
    (freeze.from === undefined || now >= freeze.from) &&
    (freeze.until === undefined || now < freeze.until) &&
    (freeze.windows === undefined || freeze.windows.some((window) => isWithin(window, now))) &&
    firstDifference(freeze.nodes, input.nodeLabels) === undefined &&
    noneOf(freeze.components, input.reach) === undefined
  );
}

/** Each freeze and rule in order with what became of it, up to the one that decided. */
export function explainGuard(
  input: GuardInput,
  policy: Policy,
): {
  readonly decision: GuardDecision;
  readonly steps: readonly { readonly rule: string; readonly outcome: string }[];
} {
  const decision = guardCommand(input, policy);
  const steps: { rule: string; outcome: string }[] = [];
  for (const freeze of policy.freezes ?? []) {
    const rule = `freeze "${freeze.name}"`;
    if (!freezes(freeze, input)) steps.push({ rule, outcome: "does not hold now, or not here" });
    else if (input.undo) steps.push({ rule, outcome: "holds, and lets an undo pass" });
    else return { decision, steps: [...steps, { rule, outcome: `decides: ${decision.verdict}` }] };
  }
  for (const rule of policy.rules) {
    const why = mismatch(rule, input);
    if (why === undefined)
      return {
        decision,
        steps: [...steps, { rule: `rule "${rule.name}"`, outcome: `decides: ${decision.verdict}` }],
      };
    steps.push({ rule: `rule "${rule.name}"`, outcome: `does not match: ${why}` });
  }
  return { decision, steps: [...steps, { rule: "no rule", outcome: "decides: deny" }] };
}
