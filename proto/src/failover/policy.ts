/** What an operator decides about one cluster's failover. */
import type { Duration, NodeId } from "./words.js";

export interface FailoverPolicy {
  /** The data nodes, one agent each, in separate failure domains; at least two. */
  readonly members: readonly NodeId[];
  /** Whether a commit waits for replicas, or they may lag by `rpoBytes`. */
  readonly mode: "synchronous" | "asynchronous";
  /** How many replicas must hold a write. @default 1 */
  readonly required: number;
  /** Asynchronous: how much may be acknowledged that no other node holds. Bytes of the write-ahead log. */
  readonly rpoBytes: number;
  /** @default 3000 */
  readonly leaseMs: Duration;
  /** @default a sixth of `leaseMs` */
  readonly renewMs: Duration;
  /**
   * How much longer a voter counts a grant than its owner does: what two clocks drift apart in `leaseMs`, and how long a
   * kill takes. @default 200, or the least that a longer lease allows
   */
  readonly marginMs: Duration;
  /** A node not heard of for this long is silent. Affects liveness only. @default 1500 */
  readonly silentMs: Duration;
  /** @default 300 */
  readonly reportMs: Duration;
  /** How soon an unanswered order is sent again. @default 200 */
  readonly retryMs: Duration;
  /** This many crashes within `crashWindowMs`, and the node is failed over instead of started again. @default 3 */
  readonly crashesMax: number;
  /** @default 60000 */
  readonly crashWindowMs: Duration;
  /** A node that has not stopped for a switchover by then is left where it was. @default 5000 */
  readonly stepDownMs: Duration;
  /** A candidate that is silent for this long before it was told to promote is given up. @default 5000 */
  readonly candidateSilentMs: Duration;
  /** After a failover none follows without approval, for this long or until redundancy is back. @default 600000 */
  readonly holdDownMs: Duration;
  /** This many failovers in an hour, and the next needs approval. @default 2 */
  readonly failoversPerHourMax: number;
  /** An unanswered request for approval lapses after this long. @default 900000 */
  readonly approvalMs: Duration;
  /** Every failover needs approval. @default false */
  readonly manual: boolean;
  /**
   * Nodes whose agents look after connection poolers (pgbouncer) of this cluster. Of no account to the voters.
   * @default none
   */
  readonly poolers?: readonly NodeId[];
}

/** The defaults for a local network. */
export function localPolicy(
  members: readonly NodeId[],
  chosen: Partial<FailoverPolicy> & Pick<FailoverPolicy, "mode" | "rpoBytes">,
): FailoverPolicy {
  const leaseMs = chosen.leaseMs ?? 3_000;
  return {
    members,
    required: 1,
    leaseMs,
    renewMs: leaseMs / 6,
    marginMs: Math.max(200, Math.ceil(marginMsMin(leaseMs))),
    silentMs: 1_500,
    reportMs: 300,
    retryMs: 200,
    crashesMax: 3,
    crashWindowMs: 60_000,
    stepDownMs: 5_000,
    candidateSilentMs: 5_000,
    holdDownMs: 600_000,
    failoversPerHourMax: 2,
    approvalMs: 900_000,
    manual: false,
    ...chosen,
  };
}

/**
 * A quartz clock drifts by less than 0.05 %, one that is being slewed by up to 0.5 %: two of them part by 1 %. On a host
 * with six times the work it could do, a guard was 52 ms late and its PostgreSQL gone 142 ms after the deadline.
 */
const marginMsMin = (leaseMs: Duration): Duration => leaseMs / 100 + 150;

/** Each of them is waited for in a planned switchover. */
const POOLERS_MAX = 32;

/** What is wrong with a policy, each as a sentence; none when it may be used. */
export function faultsOfPolicy(policy: FailoverPolicy): readonly string[] {
  const faults: string[] = [];
  const { members, required, rpoBytes, leaseMs, renewMs, marginMs } = policy;
  if (members.length < 2) faults.push(`members: ${members.length}, expected at least 2`);
  if (new Set(members).size < members.length) faults.push("members: a name stands there twice");
  const poolers = policy.poolers ?? [];
  if (poolers.length > POOLERS_MAX)
    faults.push(`poolers: ${poolers.length}, expected at most ${POOLERS_MAX}`);
  if (new Set(poolers).size < poolers.length) faults.push("poolers: a name stands there twice");
  if (members.includes("control-plane")) faults.push('members: "control-plane" is the name of another voter');
  if (!(Number.isInteger(required) && required >= 1 && required < members.length)) {
    faults.push(`required: ${required}, expected 1 to ${members.length - 1} (members without the primary)`);
  }
  if (!(rpoBytes >= 0)) faults.push(`rpoBytes: ${rpoBytes}, expected 0 or more`);
  if (!(renewMs > 0 && renewMs * 3 <= leaseMs)) {
    faults.push(`renewMs: ${renewMs}, expected at most a third of leaseMs (${leaseMs})`);
  }
  if (!(marginMs >= marginMsMin(leaseMs))) {
    faults.push(
      `marginMs: ${marginMs}, expected at least ${marginMsMin(leaseMs)} (1 % of leaseMs, and 150 ms to kill)`,
    );
  }
  if (!(policy.silentMs > policy.reportMs * 2)) {
    faults.push(`silentMs: ${policy.silentMs}, expected more than two reports (${policy.reportMs * 2})`);
  }
  return faults;
}
