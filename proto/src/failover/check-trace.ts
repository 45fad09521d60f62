/**
 * Whether a decision log holds: each record may follow those before it, and what each rests on carries it. The same
 * functions that decided are asked again; a log from production is judged as one from the simulator is.
 */
import { applyRecord, refusalOf } from "./apply-record.js";
import { type ClusterState, firstCluster, type LogRecord, type PromiseEvidence } from "./decision.js";
import { askedToKnowAll } from "./holders.js";
import type { FailoverPolicy } from "./policy.js";
import { majorityOf, type NodeId } from "./words.js";

export interface TraceFault {
  /** Of the record, from 0. */
  readonly index: number;
  readonly because: string;
}

/** All faults, in order; none when the log holds. A record that may not follow is left out of what comes after. */
export function checkTrace(
  policy: FailoverPolicy,
  primary: NodeId,
  records: readonly LogRecord[],
): readonly TraceFault[] {
  const faults: TraceFault[] = [];
  let state = firstCluster(primary);
  records.forEach((record, index) => {
    const because = refusalOf(state, record) ?? unfounded(policy, state, record);
    if (because !== null) faults.push({ index, because });
    else state = applyRecord(state, record);
  });
  return faults;
}

/** Why a record that may follow rests on too little; null when it does not. */
function unfounded(policy: FailoverPolicy, state: ClusterState, record: LogRecord): string | null {
  if (record.kind === "chosen") return unfoundedChoice(policy, state, record);
  if (record.kind === "fenced") return unfoundedFence(policy, state, record);
  if (record.kind === "stepping-down") {
    const free = state.decision?.holds?.find((pooler) => record.held?.includes(pooler) !== true);
    return free === undefined ? null : `the clients of ${free} were not held`;
  }
  if (record.kind === "eligible" || record.kind === "proposed") {
    const { members } = record.holders;
    if (members.includes(state.primary)) return `${state.primary} cannot be its own holder`;
    const stranger = members.find((member) => !policy.members.includes(member));
    return stranger === undefined ? null : `${stranger} is no member`;
  }
  return null;
}

const promised = (evidence: readonly PromiseEvidence[]): number =>
  new Set(evidence.map((promise) => promise.node)).size + 1;

const detachedHolders = (
  state: ClusterState,
  evidence: readonly PromiseEvidence[],
): readonly PromiseEvidence[] =>
  evidence.filter(
    (promise) => promise.usable && promise.detached && state.eligible.members.includes(promise.node),
  );

function unfoundedChoice(
  policy: FailoverPolicy,
  state: ClusterState,
  record: Extract<LogRecord, { kind: "chosen" }>,
): string | null {
  const { candidate, evidence, proof } = record;
  const needed = majorityOf(policy.members.length + 1);
  if (promised(evidence) < needed) return `chosen with ${promised(evidence)} of ${needed} promises`;
  const own = evidence.find((promise) => promise.node === candidate);
  if (own === undefined || !own.usable) return `${candidate} was chosen and has not promised`;
  switch (proof.how) {
    case "owner":
      return candidate === state.primary ? null : `${candidate} was chosen as the owner, which it is not`;
    case "complete": {
      const owner = evidence.find((promise) => promise.node === state.primary);
      if (owner === undefined || own.logEpoch !== owner.logEpoch || own.lsn < owner.lsn) {
        return `${candidate} was chosen as complete, which it is not`;
      }
      return null;
    }
    case "holders": {
      const asked = detachedHolders(state, evidence);
      const enough = askedToKnowAll(state.eligible);
      if (asked.length < enough) return `${asked.length} of ${enough} holders were asked`;
      if (!asked.some((promise) => promise.node === candidate)) return `${candidate} is not relied on`;
      const more = asked.find((promise) => promise.node !== state.primary && promise.lsn > own.lsn);
      return more === undefined ? null : `${more.node} had more than ${candidate}`;
    }
    case "accepted-loss":
      return state.decision?.approval?.acceptLoss === true ? null : "nobody accepted the loss";
  }
}

function unfoundedFence(
  policy: FailoverPolicy,
  state: ClusterState,
  record: Extract<LogRecord, { kind: "fenced" }>,
): string | null {
  const { proof, evidence } = record;
  switch (proof.how) {
    case "ack":
      if (evidence.some((promise) => promise.node === state.decision?.from && promise.fenced)) return null;
      return `${state.decision?.from} did not say that it is closed`;
    case "stonith":
      return state.decision?.stonith === proof.by ? null : `${proof.by} vouched for nothing`;
    case "sync-detached": {
      if (policy.mode !== "synchronous") return "only a synchronous owner waits for its holders";
      const detached = detachedHolders(state, evidence).length;
      const enough = askedToKnowAll(state.eligible);
      return state.eligible.members.length > 0 && detached >= enough
        ? null
        : `${detached} of ${enough} had left it`;
    }
    case "lease-expired": {
      const needed = majorityOf(policy.members.length + 1);
      return promised(evidence) >= needed
        ? null
        : `waited out with ${promised(evidence)} of ${needed} promises`;
    }
  }
}
