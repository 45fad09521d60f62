/** How a cluster was last seen by whoever drives it; kept so that every replica can tell of it. */
import type { ControlState } from "@mainstay/proto/failover/control-state";
import type { NodeRole } from "@mainstay/proto/failover/messages";
import type { FailoverPolicy } from "@mainstay/proto/failover/policy";
import type { Duration, Instant } from "../../kernel/time.js";

export interface ObservedMember {
  readonly node: string;
  /** Undefined when it was never heard. */
  readonly role: NodeRole | undefined;
  readonly lsn: number;
  readonly streaming: boolean;
  readonly following: string;
  readonly promised: number;
  readonly silent: Duration | undefined;
}

export interface Observation {
  readonly because: string;
  readonly members: readonly ObservedMember[];
}

export function observe(
  policy: FailoverPolicy,
  state: ControlState,
  because: string,
  now: Instant,
): Observation {
  const members = policy.members.map((node): ObservedMember => {
    const seen = state.seen[node];
    if (seen === undefined) {
      return {
        node,
        role: undefined,
        lsn: 0,
        streaming: false,
        following: "",
        promised: 0,
        silent: undefined,
      };
    }
    const { role, lsn, streaming, following, promised } = seen.state;
    const silent = Math.max(0, Math.round(now - seen.at));
    return { node, role, lsn, streaming, following: following ?? "", promised, silent };
  });
  return { because, members };
}

/** Whom the driver hears now. */
export const inReach = (policy: FailoverPolicy, { members }: Observation): readonly ObservedMember[] =>
  members.filter((member) => member.silent !== undefined && member.silent < policy.silentMs);

/** How far the furthest of those that are relied on is behind the owner; undefined when nothing tells. */
export function lagBytes(
  observation: Observation,
  primary: string,
  eligible: readonly string[],
): number | undefined {
  const owner = observation.members.find((member) => member.node === primary && member.role === "primary");
  const lags = observation.members
    .filter((member) => eligible.includes(member.node) && member.role === "replica")
    .map((member) => Math.max(0, (owner?.lsn ?? 0) - member.lsn));
  return owner === undefined || lags.length === 0 ? undefined : Math.max(...lags);
}
