/** What is seen of adopted clusters, as series: under the names of the clusters that agents keep, so that rules hold for both. */
import type { Labels } from "../../../kernel/labels.js";
import { type Duration, formatDuration, type Instant } from "../../../kernel/time.js";
import type { LiveEstimate } from "../judge-objective.js";
import type { PatroniState } from "./patroni-cluster.js";
import { fitReplicas, openOwner, type PatroniSeen } from "./patroni-seen.js";

export function patroniSamples(
  cluster: string,
  state: PatroniState,
  seen: PatroniSeen,
  at: Instant,
): readonly { readonly labels: Labels; readonly timestampMs: Instant; readonly value: number }[] {
  const sample = (name: string, value: number) => ({
    labels: { __name__: `mainstay_failover_${name}`, cluster },
    timestampMs: at,
    value,
  });
  const fit = fitReplicas(seen);
  const lag = lagOf(seen);
  return [
    sample("owner_open", openOwner(seen) === undefined ? 0 : 1),
    sample("eligible_members", fit.length),
    sample("members_heard", seen.heard),
    sample("paused", seen.paused ? 1 : 0),
    sample("awaits_person", state.decision?.phase === "waits" ? 1 : 0),
    sample("decision_open", state.decision === null ? 0 : 1),
    sample("epoch", state.taken),
    ...(lag === undefined ? [] : [sample("lag_bytes", lag)]),
  ];
}

/** How far the replica that is least behind is behind. */
const lagOf = (seen: PatroniSeen): number | undefined => fitReplicas(seen)[0]?.lag;

/** Patroni moves the lease when it has run out; how much is lost then it bounds by a sample only. */
export function estimatePatroni(
  observed: { readonly at: Instant; readonly seen: PatroniSeen } | undefined,
): LiveEstimate {
  const none = { at: undefined, rto: undefined, rpo: undefined, rpoBytes: undefined };
  if (observed === undefined) return { ...none, because: "no control plane has looked at it yet" };
  const { at, seen } = observed;
  const fit = fitReplicas(seen).map(({ name }) => name);
  if (fit.length === 0) return { ...none, at, because: "Patroni has no replica that it would promote" };
  if (seen.paused)
    return { ...none, at, because: "Patroni is in maintenance mode: a failover needs a person" };
  const { ttl, loopWait, synchronous, lagMaxBytes } = seen.settings ?? {};
  const rto: Duration | undefined = ttl === undefined ? undefined : ttl + (loopWait ?? 0);
  const wait = rto === undefined ? "" : `, its lease runs out within ${formatDuration(rto)}`;
  const who = `Patroni would promote ${fit.join(" or ")}${wait}`;
  if (synchronous === true) {
    return { at, rto, rpo: 0, rpoBytes: 0, because: `${who}; writes wait for a synchronous standby` };
  }
  const most = lagMaxBytes === undefined ? "" : `, or would not beyond ${lagMaxBytes}`;
  const lag = lagOf(seen);
  return {
    at,
    rto,
    rpo: undefined,
    rpoBytes: lag,
    because: `${who}; ${lag ?? "?"} bytes behind by its sample${most}, and nothing holds the writes to that`,
  };
}
