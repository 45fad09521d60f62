/** What sending traffic elsewhere would do now, step by step, and what speaks against it. */
import { formatDuration } from "../../kernel/time.js";
import { goesOnlyTo } from "./judge-steer.js";
import type { HealthVerdict } from "./judge-votes.js";
import type { TrafficObservation } from "./observation.js";
import type { Steer } from "./steer.js";
import { epochName, type TrafficTarget } from "./traffic-target.js";

export interface SteerPlan {
  readonly from: readonly string[];
  readonly to: string;
  readonly steps: readonly string[];
  readonly against: readonly string[];
  readonly needsApproval: boolean;
  /** What must be the same when it is asked for. */
  readonly bound: Readonly<Record<string, string | number | readonly string[]>>;
}

export interface PlanSteerInput {
  readonly target: TrafficTarget;
  readonly to: string;
  /** As it is now, or why it cannot be seen. */
  readonly seen: TrafficObservation | { readonly unseen: string };
  /** Of the same target, that has not ended; what only holds until clients have moved is none. */
  readonly open: Steer | undefined;
  /** Who owns the target's cluster; undefined when it follows none, "" when nobody is known. */
  readonly owner: string | undefined;
  /** Of the destination; undefined when no rule speaks for it. */
  readonly health: HealthVerdict | undefined;
}

export function planSteer({ target, to, seen, open, owner, health }: PlanSteerInput): SteerPlan {
  const against: string[] = [];
  if (!Object.hasOwn(target.destinations, to))
    against.push(`"${to}" is no destination (${Object.keys(target.destinations).join(", ")})`);
  if ("unseen" in seen) against.push(`where traffic goes cannot be seen: ${seen.unseen}`);
  else if (goesOnlyTo(seen, to)) against.push(`traffic goes to ${to} already`);
  if (open !== undefined) against.push(`steering ${open.id} to ${open.to} is ${open.state}`);
  // Traffic follows the data and never goes before it.
  if (owner !== undefined && owner !== to) {
    const whose = owner === "" ? "nobody is known to own" : `${owner} owns`;
    against.push(`${whose} the cluster "${target.cluster}": traffic goes where its data is`);
  }
  if (health?.kind === "unhealthy") against.push(`${to} is unhealthy: ${health.because}`);
  const from = "unseen" in seen ? [] : seen.goesTo;
  const epoch = "unseen" in seen ? 0 : (seen.epoch ?? 0);
  return {
    from,
    to,
    steps: "unseen" in seen ? [] : stepsOf(target, to, seen),
    against,
    needsApproval: target.approval,
    bound: { target: target.id, kind: target.kind, from, to, epoch },
  };
}

function stepsOf(target: TrafficTarget, to: string, seen: TrafficObservation): readonly string[] {
  const last =
    seen.hold > 0
      ? `clients may keep the old answer for ${formatDuration(seen.hold)}; after that all of them have moved`
      : "connections elsewhere are looked at until none is left";
  switch (target.kind) {
    case "dns":
      return [
        `${target.name} ${target.type} becomes ${(target.destinations[to] ?? []).join(", ")} for ${formatDuration(target.ttl)}, and ${epochName(target.name)} the new epoch, in one update`,
        `each of ${target.servers.join(", ")} is asked until it answers that`,
        last,
      ];
    case "route53":
      return [
        `${target.name} ${target.type}: ${to} has all the weight, the others none, and ${epochName(target.name)} the new epoch, in one change`,
        "Route 53 is asked until all its servers have it",
        last,
      ];
    case "haproxy":
      return [
        `backend ${target.backend} at ${target.sockets.join(", ")}: all but ${target.destinations[to] ?? to} are taken out${target.endSessions ? " and their sessions ended" : ""}, then it takes requests`,
        "HAProxy is asked whether it does so",
        last,
      ];
  }
}
