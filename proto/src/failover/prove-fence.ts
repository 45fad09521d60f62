/** D3: whether the old owner is proven to acknowledge nothing more, and how. */
import type { ClusterState, Decision, FenceProof, PromiseEvidence } from "./decision.js";
import { askedToKnowAll } from "./holders.js";
import type { FailoverPolicy } from "./policy.js";
import { type Rules, soundRules } from "./rules.js";
import { type Instant, majorityOf } from "./words.js";

export type Fence =
  | { readonly kind: "proven"; readonly proof: FenceProof }
  | { readonly kind: "wait"; readonly because: string };

export interface FenceInput {
  readonly policy: FailoverPolicy;
  readonly cluster: ClusterState;
  readonly decision: Decision;
  readonly promises: readonly PromiseEvidence[];
  /** When the last grant that one of those who promised may have given before has run out; the control plane's too. */
  readonly grantsEndAt: Instant;
}

export function proveFence(input: FenceInput, now: Instant, rules: Rules = soundRules): Fence {
  const { policy, cluster, decision, promises } = input;
  const needed = majorityOf(policy.members.length + 1);
  const promised = promises.length + 1;
  if (promises.some((promise) => promise.node === decision.from && promise.fenced)) {
    return { kind: "proven", proof: { how: "ack" } };
  }
  if (decision.stonith !== null) return { kind: "proven", proof: { how: "stonith", by: decision.stonith } };
  if (!rules.fenceBeforePromote) return { kind: "proven", proof: { how: "lease-expired", promised, needed } };
  const { eligible } = cluster;
  if (policy.mode === "synchronous" && eligible.members.length > 0) {
    const detached = promises.filter(
      (promise) => promise.detached && eligible.members.includes(promise.node),
    ).length;
    const enough = askedToKnowAll(eligible);
    if (detached >= enough)
      return { kind: "proven", proof: { how: "sync-detached", detached, needed: enough } };
  }
  if (promised < needed) return { kind: "wait", because: `${promised} of ${needed} promises` };
  if (now < input.grantsEndAt) {
    return { kind: "wait", because: `a lease may run for another ${input.grantsEndAt - now} ms` };
  }
  return { kind: "proven", proof: { how: "lease-expired", promised, needed } };
}
