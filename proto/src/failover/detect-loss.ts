/** Whether the owner is lost. Right or wrong, it only decides when something is done: safety never rests on it. */
import type { ClusterState } from "./decision.js";
import type { NodeState } from "./messages.js";
import type { FailoverPolicy } from "./policy.js";
import { type Instant, majorityOf, type NodeId } from "./words.js";

/** When a node was last heard of, at all and without another passing it on, and what it said. */
export interface Sighting {
  readonly at: Instant;
  readonly directAt: Instant;
  /** When a replica last said that its log comes in. */
  readonly streamedAt: Instant;
  /** When it last said that it is open for writes; null for never. */
  readonly openAt: Instant | null;
  /** A replica's: up to when what the owner had said of itself was here, too; null when it never was. */
  readonly coveredAt: Instant | null;
  readonly state: NodeState;
}

export type Sightings = Readonly<Record<NodeId, Sighting>>;

export type Detection =
  | { readonly kind: "healthy"; readonly because: string }
  | { readonly kind: "hold"; readonly because: string }
  | { readonly kind: "lost"; readonly because: string };

/** What a node said last, if that is not older than `silentMs`. */
export function freshState(
  policy: FailoverPolicy,
  seen: Sightings,
  node: NodeId,
  now: Instant,
): NodeState | null {
  const sighting = seen[node];
  return sighting !== undefined && now - sighting.at < policy.silentMs ? sighting.state : null;
}

export function detectLoss(
  policy: FailoverPolicy,
  cluster: ClusterState,
  seen: Sightings,
  bootedAt: Instant,
  now: Instant,
): Detection {
  // Who was just started has heard nobody yet.
  if (now - bootedAt < policy.silentMs) return { kind: "hold", because: "started a moment ago" };
  if (cluster.promised > cluster.primaryEpoch) {
    return { kind: "lost", because: `epoch ${cluster.promised} was promised and has no owner` };
  }
  const { primary } = cluster;
  const state = freshState(policy, seen, primary, now);
  if (state !== null) return judgeOwner(cluster, state);
  // The control plane does not see it. Whether it is lost is for the majority of those who look at it.
  let without = 1;
  let answering = 1;
  for (const member of policy.members) {
    if (member === primary) continue;
    const replica = freshState(policy, seen, member, now);
    if (replica === null) continue;
    answering += 1;
    if (!replica.streaming && !replica.hearsPrimary) without += 1;
  }
  if (without >= majorityOf(policy.members.length)) {
    return {
      kind: "lost",
      because: `${primary} is silent for ${without} of ${policy.members.length} observers`,
    };
  }
  return {
    kind: "hold",
    because:
      answering > without ? `a replica still sees ${primary}` : "the control plane is the only witness",
  };
}

function judgeOwner(cluster: ClusterState, state: NodeState): Detection {
  const { primary, primaryEpoch } = cluster;
  if (state.epoch < primaryEpoch && state.role !== "fenced") {
    return { kind: "hold", because: `${primary} has not yet said that it owns ${primaryEpoch}` };
  }
  switch (state.role) {
    case "primary":
      return { kind: "healthy", because: `${primary} is open in ${state.epoch}` };
    case "restarting":
      return { kind: "hold", because: `${primary} starts again within its lease` };
    case "fenced":
      return {
        kind: "lost",
        because: state.surrendered ? `${primary} gave its epoch up` : `${primary} is fenced`,
      };
    case "replica":
    case "joining":
      return { kind: "hold", because: `${primary} says it is ${state.role}` };
  }
}
