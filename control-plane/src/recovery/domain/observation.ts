/** How a cluster was last seen by whoever drives it; kept so that every replica can tell of it. */
import type { ControlState } from "@mainstay/proto/failover/control-state";
import type { NodeRole } from "@mainstay/proto/failover/messages";
import type { FailoverPolicy } from "@mainstay/proto/failover/policy";
import { poolersOf } from "@mainstay/proto/failover/poolers";
import { type Duration, type Instant, SECOND } from "../../kernel/time.js";

/** They report every second. */
const POOLER_SILENT_MAX: Duration = 3 * SECOND;

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
  /** Absent when there are none. */
  readonly poolers?: readonly ObservedPooler[];
}

/** A node whose agent looks after poolers of the cluster. */
export interface ObservedPooler {
  readonly node: string;
  /** Empty: to no member, or not all of them to the same. */
  readonly to: string;
  readonly holds: boolean;
  /** Undefined when it was never heard. */
  readonly silent: Duration | undefined;
  readonly because: string;
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
  const poolers = poolersOf(policy).map((node): ObservedPooler => {
    const seen = state.poolers[node];
    if (seen === undefined) return { node, to: "", holds: false, silent: undefined, because: "never heard" };
    const { to, holds, because: says } = seen.report;
    const silent = Math.max(0, Math.round(now - seen.at));
    return { node, to: to ?? "", holds, silent, because: says };
  });
  return { because, members, ...(poolers.length === 0 ? {} : { poolers }) };
}

/** Why the clients of a pooler could not be held for a switchover now; undefined when nothing is known against it. */
export function whyNotPooled(pooler: ObservedPooler, primary: string): string | undefined {
  const { node, to, silent, because } = pooler;
  if (silent === undefined || silent > POOLER_SILENT_MAX) {
    return `the agent that looks after the poolers on ${node} is not in reach`;
  }
  return to === primary ? undefined : `the poolers on ${node} do not lead to ${primary}: ${because}`;
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
