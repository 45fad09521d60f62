/** What policy says to all of a rollout's targets together: many small plans must not pass where one large one would not. */
import { type GuardDecision, guardCommand } from "../../commands/domain/guard-command.js";
import type { ApproverRole, Policy } from "../../commands/domain/policy.js";
import type { Instant } from "../../kernel/time.js";
import type { Topology } from "../../topology/domain/component.js";
import { blastRadius } from "../../topology/domain/find-impact.js";
import type { Rollout, Target } from "./rollout.js";

export interface ReachFacts {
  readonly policy: Policy;
  readonly topology: Topology;
  /** How many nodes there are of each role that the targets have. */
  readonly roleSizes: ReadonlyMap<string, number>;
}

export interface ReachVerdict {
  readonly verdict: GuardDecision["verdict"];
  /** People that have to approve it; 0 unless the verdict is ask. */
  readonly approvals: number;
  readonly approver: ApproverRole;
  readonly because: string;
}

/** The strictest that policy says to any target when it is judged with the reach of all. */
export function judgeReach(
  { spec, requestedBy, requestedRoles }: Pick<Rollout, "spec" | "requestedBy" | "requestedRoles">,
  targets: readonly Target[],
  { policy, topology, roleSizes }: ReachFacts,
  now: Instant,
): ReachVerdict {
  const placed = targets.map(({ nodeName: name, labels }) => ({ name, labels }));
  const reach = blastRadius(topology, roleSizes, placed);
  let strictest: ReachVerdict = {
    verdict: "allow",
    approvals: 0,
    approver: "approver",
    because: "policy allows it",
  };
  for (const { name, labels } of placed) {
    const decision = guardCommand(
      {
        requestedBy,
        roles: requestedRoles,
        action: spec.action,
        nodeLabels: { ...labels, node: name },
        requireApproval: false,
        undo: false,
        // Whether it can be undone was judged with each target's own plan.
        inverse: "action",
        reach,
        openOnNode: 0,
        recentOnNode: 0,
        now,
      },
      policy,
    );
    const { verdict, because } = decision;
    if (verdict === "deny")
      return { verdict, approvals: 0, approver: "approver", because: `${name}: ${because}` };
    if (verdict !== "ask") continue;
    const approvals = Math.max(1, decision.approvals);
    strictest = {
      verdict,
      approvals: Math.max(strictest.approvals, approvals),
      approver: strictest.approver === "admin" ? "admin" : decision.approver,
      because: approvals > strictest.approvals ? because : strictest.because,
    };
  }
  return strictest;
}
