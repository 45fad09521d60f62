/** What a planned switchover or a forced failover would do now, step by step, and what speaks against it. */
import type { ClusterState } from "@mainstay/proto/failover/decision";
import type { FailoverPolicy } from "@mainstay/proto/failover/policy";
import { poolersOf } from "@mainstay/proto/failover/poolers";
import { formatDuration } from "../../kernel/time.js";
import { inReach, type Observation, whyNotPooled } from "./observation.js";

export interface FailoverPlan {
  readonly kind: "switchover" | "force";
  readonly from: string;
  /** Empty when nobody is fit, or for a forced one: it is chosen by what the nodes have when they are asked. */
  readonly to: string;
  readonly steps: readonly string[];
  readonly against: readonly string[];
  readonly needsApproval: boolean;
  /** What must be the same when it is asked for: positions in the log move on and are left out. */
  readonly bound: Readonly<Record<string, string | number | readonly string[]>>;
}

export interface PlanInput {
  readonly cluster: string;
  readonly policy: FailoverPolicy;
  readonly state: ClusterState;
  /** Undefined when no replica of the control plane drives the cluster. */
  readonly observation: Observation | undefined;
  readonly kind: "switchover" | "force";
  /** Empty: whoever is fit. */
  readonly to: string;
}

export function planFailover(input: PlanInput): FailoverPlan {
  const { cluster, policy, state, observation, kind } = input;
  const against: string[] = [];
  const heard = observation === undefined ? [] : inReach(policy, observation);
  if (observation === undefined) against.push("no control plane drives the cluster now");
  if (state.decision !== null)
    against.push(`decision ${state.decision.epoch} is open (${state.decision.phase})`);
  const fit = heard
    .filter(({ node, streaming }) => streaming && state.eligible.members.includes(node))
    .map(({ node }) => node);
  const to = kind === "force" ? "" : input.to === "" ? (fit[0] ?? "") : input.to;
  if (kind === "switchover" && !fit.includes(to)) {
    const whom = input.to === "" ? "no replica" : input.to;
    against.push(`${whom} is relied on and streaming (fit: ${fit.join(", ") || "nobody"})`);
  }
  for (const pooler of observation?.poolers ?? []) {
    const why = kind === "switchover" ? whyNotPooled(pooler, state.primary) : undefined;
    if (why !== undefined) against.push(why);
  }
  if (kind === "force" && heard.length === 0) against.push("no member is in reach");
  const epoch = state.taken + 1;
  const steps = kind === "switchover" ? switchover(input, to, epoch) : force(input, epoch);
  const { primary: from, primaryEpoch } = state;
  const bound = { cluster, kind, from, to, primaryEpoch, epoch, eligible: state.eligible.members };
  // One person must not be able to accept the loss of what others wrote.
  return { kind, from, to, steps, against, needsApproval: kind === "force" || policy.manual, bound };
}

function switchover({ policy, state }: PlanInput, to: string, epoch: number): readonly string[] {
  const { primary } = state;
  const poolers = poolersOf(policy).join(", ");
  return [
    ...(poolers === ""
      ? []
      : [
          `the poolers on ${poolers} let what runs end and hold their clients; if they cannot, all goes on as it was`,
        ]),
    `${primary} makes a checkpoint, lets its replicas have everything and stops; if it has not within ${formatDuration(policy.stepDownMs)} it goes on as it was`,
    `every voter promises epoch ${epoch}`,
    `${to || "the replica"} is promoted once it has all that ${primary} had; nothing is lost`,
    ...(poolers === "" ? [] : [`the poolers lead their clients there and let them go on`]),
    `a probe is written and read there, and a checkpoint made`,
    `${primary} follows it as a replica`,
  ];
}

function force({ policy, state }: PlanInput, epoch: number): readonly string[] {
  const { primary } = state;
  const wait = formatDuration(policy.leaseMs + policy.marginMs);
  return [
    `every voter in reach promises epoch ${epoch}; a majority is needed, and nobody can force that`,
    `whoever has the most is promoted, even when it lacks what ${primary} acknowledged: that is lost`,
    `not before ${primary} is proven closed: it says so, its leases ran out (${wait}), or a person vouches for it`,
    `a probe is written and read there, and a checkpoint made`,
  ];
}
