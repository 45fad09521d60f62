/** Whether a command may run: policy's rule and the limits, each with its reason. */
import type { Actor } from "../../kernel/actor.js";
import type { Labels } from "../../kernel/labels.js";
import type { Verdict } from "./command.js";
import type { Policy, PolicyRule } from "./policy.js";

export interface GuardInput {
  readonly requestedBy: Actor;
  readonly action: string;
  readonly nodeLabels: Labels;
  /** The requester asked for a person's approval whatever policy says: a client can only tighten. */
  readonly requireApproval: boolean;
  /** Other commands on the node that have not ended and may already run. */
  readonly openOnNode: number;
  /** Commands approved for the node within the last hour. */
  readonly recentOnNode: number;
}

export interface GuardDecision {
  readonly verdict: Verdict;
  readonly because: string;
}

function matches(rule: PolicyRule, input: GuardInput): boolean {
  if (rule.actors !== undefined && !rule.actors.some((kind) => kind === input.requestedBy.kind)) return false;
  if (rule.actions !== undefined && !rule.actions.includes(input.action) && !rule.actions.includes("*"))
    return false;
  return Object.entries(rule.nodes ?? {}).every(([name, value]) => input.nodeLabels[name] === value);
}

export function guardCommand(input: GuardInput, policy: Policy): GuardDecision {
  const rule = policy.rules.find((candidate) => matches(candidate, input));
  if (rule === undefined) {
    return {
      verdict: "deny",
      because: `no policy rule lets a ${input.requestedBy.kind} run ${input.action} on this node`,
    };
  }
  const named = `policy rule "${rule.name}"`;
  if (rule.verdict === "deny") return { verdict: "deny", because: `${named} denies it` };
  if (rule.verdict === "ask") return { verdict: "ask", because: `${named} asks for an approval` };
  if (input.requireApproval)
    return { verdict: "ask", because: `the requester asked for an approval; ${named} would allow it` };
  // Limits hold what would run by itself; a person who approves has seen the plan.
  const { openPerNode, perNodePerHour } = policy.limits;
  if (input.openOnNode >= openPerNode) {
    return {
      verdict: "ask",
      because: `${input.openOnNode} commands are under way on the node, and openPerNode is ${openPerNode}`,
    };
  }
  if (input.recentOnNode >= perNodePerHour) {
    return {
      verdict: "ask",
      because: `${input.recentOnNode} commands ran on the node within the hour, and perNodePerHour is ${perNodePerHour}`,
    };
  }
  return { verdict: "allow", because: `${named} allows it` };
}
