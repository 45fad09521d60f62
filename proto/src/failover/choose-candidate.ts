/** D2: who is promoted, on what evidence, and whether that needs a person. */
import type { ChoiceProof, ClusterState, Decision, PromiseEvidence } from "./decision.js";
import { askedToKnowAll } from "./holders.js";
import { type Rules, soundRules } from "./rules.js";
import { type Lsn, majorityOf, type NodeId } from "./words.js";

export type Choice =
  | { readonly kind: "choose"; readonly candidate: PromiseEvidence; readonly proof: ChoiceProof }
  | { readonly kind: "wait"; readonly because: string }
  /** Only a person may lose more than the RPO. */
  | { readonly kind: "ask"; readonly candidate: PromiseEvidence; readonly because: string };

export interface ChoiceInput {
  readonly members: readonly NodeId[];
  readonly cluster: ClusterState;
  readonly decision: Decision;
  readonly promises: readonly PromiseEvidence[];
  /** Who is in reach and has not promised yet. */
  readonly awaited: readonly NodeId[];
  /** Those who have not answered by now are no longer waited for. */
  readonly patienceIsOver: boolean;
}

const better = (a: PromiseEvidence, b: PromiseEvidence): PromiseEvidence =>
  b.logEpoch > a.logEpoch || (b.logEpoch === a.logEpoch && b.lsn > a.lsn) ? b : a;
const best = (promises: readonly PromiseEvidence[]): PromiseEvidence | undefined =>
  promises.length === 0 ? undefined : promises.reduce(better);

export function chooseCandidate(input: ChoiceInput, rules: Rules = soundRules): Choice {
  const { decision, promises, patienceIsOver } = input;
  const voters = input.members.length + 1;
  if (promises.length + 1 < majorityOf(voters)) {
    return { kind: "wait", because: `${promises.length + 1} of ${voters} voters have promised` };
  }
  const usable = promises.filter((promise) => promise.usable);
  const owner = usable.find((promise) => promise.node === decision.from);
  const owned: Choice | null =
    owner === undefined ? null : { kind: "choose", candidate: owner, proof: { how: "owner" } };
  if (decision.kind === "reopen" && owned !== null) return owned;
  if (decision.kind === "reopen" && !patienceIsOver) return { kind: "wait", because: "for the owner" };
  if (decision.kind === "switchover" && !(patienceIsOver && owner === undefined)) {
    return chooseSuccessor(decision, usable, owner, patienceIsOver, rules) ?? owned ?? waitForOwner;
  }
  const holder = chooseHolder(input.cluster, decision, usable, rules);
  if (holder !== null) return holder;
  if (!patienceIsOver && mayStillKnowAll(input, usable)) {
    return { kind: "wait", because: "for a holder that is in reach" };
  }
  if (owned !== null) return owned;
  const left = best(usable);
  if (!patienceIsOver || left === undefined) {
    return { kind: "wait", because: "nobody who has promised has all that counts" };
  }
  if (decision.approval?.acceptLoss === true) {
    return { kind: "choose", candidate: left, proof: { how: "accepted-loss", by: decision.approval.by } };
  }
  return {
    kind: "ask",
    candidate: left,
    because: "nobody in reach has all that counts: more than the RPO may be lost",
  };
}

const waitForOwner: Choice = { kind: "wait", because: "for what the owner had when it stopped" };

/** Planned: who was named, or another, if it has all that the owner had when it stopped; else the owner goes on. */
function chooseSuccessor(
  decision: Decision,
  usable: readonly PromiseEvidence[],
  owner: PromiseEvidence | undefined,
  patienceIsOver: boolean,
  rules: Rules,
): Choice | null {
  if (owner === undefined) return null;
  const named = usable.find((promise) => promise.node === decision.to);
  if (named === undefined) return patienceIsOver ? null : { kind: "wait", because: `for ${decision.to}` };
  const complete = named.logEpoch === owner.logEpoch && named.lsn >= owner.lsn;
  if (!complete && rules.switchoverComplete) return null;
  return { kind: "choose", candidate: named, proof: { how: "complete", ownerLsn: owner.lsn } };
}

/** The one with the most, of so many holders that every write that counts is with one of them. */
function chooseHolder(
  cluster: ClusterState,
  decision: Decision,
  usable: readonly PromiseEvidence[],
  rules: Rules,
): Choice | null {
  const { eligible } = cluster;
  const holders = usable.filter(
    (promise) => promise.detached && (eligible.members.includes(promise.node) || !rules.onlyEligible),
  );
  const needed = askedToKnowAll(eligible);
  if (rules.onlyEligible && (eligible.members.length === 0 || holders.length < needed)) return null;
  const candidate = best(holders.filter((promise) => promise.node !== decision.from));
  if (candidate === undefined) return null;
  return { kind: "choose", candidate, proof: { how: "holders", asked: holders.length, needed } };
}

/** Enough holders would answer if all of those who are awaited did. A failover is for another node than the owner. */
function mayStillKnowAll(input: ChoiceInput, usable: readonly PromiseEvidence[]): boolean {
  const { members } = input.cluster.eligible;
  const answered = usable.filter((promise) => members.includes(promise.node)).length;
  const awaited = input.awaited.filter((node) => members.includes(node)).length;
  return awaited > 0 && answered + awaited >= askedToKnowAll(input.cluster.eligible);
}

/** What would be lost, as far as one knows: null when the owner was not heard of. */
export const lossEstimate = (ownerLsn: Lsn | null, candidate: PromiseEvidence): Lsn | null =>
  ownerLsn === null ? null : Math.max(0, ownerLsn - candidate.lsn);
