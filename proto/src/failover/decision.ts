/**
 * The decision log: what the control plane writes before it acts. Its state is what these records add up to, and nothing
 * else of it outlives its process.
 *
 * A decision goes `intended` (D0), perhaps `awaiting-approval` (D0a), `holding` its clients and `stepping-down` (only planned), `promising` (D1),
 * `chosen` (D2), `fenced` (D3), `promoting` (D4), `promoted`, `verified` (D5), `routed` (D6), and is closed (D7). It may
 * be aborted until `promoting` is written; its epoch is then burnt. Rejoining (D8) is no part of it.
 */
import type { Duration, Epoch, Holders, Instant, Lsn, NodeId } from "./words.js";

/**
 * `failover` promotes another node; `reopen` opens the owner again in a new epoch, with all it has; `switchover` is
 * planned and loses nothing.
 */
export type DecisionKind = "failover" | "reopen" | "switchover";

export const phases = [
  "intended",
  "awaiting-approval",
  "holding",
  "stepping-down",
  "promising",
  "chosen",
  "fenced",
  "promoting",
  "promoted",
  "verified",
  "routed",
] as const;
export type Phase = (typeof phases)[number];

/** What a voter answered to a promise, as far as the choice and the fence rest on it. */
export interface PromiseEvidence {
  readonly node: NodeId;
  readonly lsn: Lsn;
  readonly logEpoch: Epoch;
  readonly usable: boolean;
  readonly detached: boolean;
  readonly fenced: boolean;
}

export interface Approval {
  readonly by: string;
  readonly reason: string;
  /** More than the RPO may be lost. */
  readonly acceptLoss: boolean;
}

export type FenceProof =
  /** The old owner said that it is closed, and will be. */
  | { readonly how: "ack" }
  /** It can acknowledge nothing, for too many of its holders have left it. */
  | { readonly how: "sync-detached"; readonly detached: number; readonly needed: number }
  /** Every lease that it may have has run out with a majority of those who could have granted it. */
  | { readonly how: "lease-expired"; readonly promised: number; readonly needed: number }
  /** A person or a device vouches for it. */
  | { readonly how: "stonith"; readonly by: string };

/** Why a candidate may be promoted. */
export type ChoiceProof =
  /** It is, of `asked` holders, the one with the most; any `needed` of them know all that counts. */
  | { readonly how: "holders"; readonly asked: number; readonly needed: number }
  /** It is the old owner itself. */
  | { readonly how: "owner" }
  /** It has all that the old owner had when it stopped. */
  | { readonly how: "complete"; readonly ownerLsn: Lsn }
  /** A person accepts the loss. */
  | { readonly how: "accepted-loss"; readonly by: string };

export interface Decision {
  readonly epoch: Epoch;
  readonly kind: DecisionKind;
  /** The owner that is replaced, and its epoch. */
  readonly from: NodeId;
  readonly fromEpoch: Epoch;
  /** Whom a person named, or null. */
  readonly to: NodeId | null;
  readonly phase: Phase;
  readonly startedAt: Instant;
  readonly phaseAt: Instant;
  readonly trigger: string;
  /** Why approval is needed; null when it is not. */
  readonly ask: string | null;
  readonly approval: Approval | null;
  readonly stonith: string | null;
  readonly candidate: NodeId | null;
  /** Whose poolers hold their clients; absent when it holds none. */
  readonly holds?: readonly NodeId[];
}

/** What the log adds up to. */
export interface ClusterState {
  /** The highest epoch that was ever taken by a decision. */
  readonly taken: Epoch;
  /** The control plane's own promise as a voter. */
  readonly promised: Epoch;
  /** Who owns `primaryEpoch`, the highest in which a promotion was ordered. */
  readonly primary: NodeId;
  readonly primaryEpoch: Epoch;
  /** The highest epoch after whose promotion a checkpoint was made. */
  readonly checkpointed: Epoch;
  readonly eligible: Holders;
  readonly proposed: Holders | null;
  readonly decision: Decision | null;
  /** 0 when there is none. */
  readonly holdDownUntil: Instant;
  /** When failovers were closed, within the last hour of the newest. */
  readonly failovers: readonly Instant[];
  readonly paused: boolean;
  /** Decisions that ended without an open owner, since one was open; absent when the newest ended with one. */
  readonly fruitless?: Fruitless;
  /** In whose epoch clients were held that are not known to go on; absent when there are none. */
  readonly clientsHeldIn?: Epoch;
}

export interface Fruitless {
  readonly count: number;
  /** When the newest of them ended, by the control plane's clock. */
  readonly endedAt: Instant;
}

/** `at` is the control plane's clock. */
export type LogRecord = { readonly at: Instant } & (
  | {
      readonly kind: "intended";
      readonly epoch: Epoch;
      readonly decision: DecisionKind;
      readonly from: NodeId;
      readonly to: NodeId | null;
      readonly trigger: string;
      readonly ask: string | null;
      /** Given together with the wish for it. */
      readonly approval: Approval | null;
      /** When the owner last said that it is open: since when it may be lost. Null when this control plane never heard it. */
      readonly openAt?: Instant | null;
    }
  | { readonly kind: "approval-asked"; readonly epoch: Epoch; readonly because: string }
  | ({ readonly kind: "approved"; readonly epoch: Epoch } & Approval)
  /** The poolers of these nodes are to hold their clients back. */
  | { readonly kind: "holding"; readonly epoch: Epoch; readonly poolers: readonly NodeId[] }
  /** `held`: those that said that they do, and that nothing is under way. */
  | { readonly kind: "stepping-down"; readonly epoch: Epoch; readonly held?: readonly NodeId[] }
  | { readonly kind: "promising"; readonly epoch: Epoch }
  | {
      readonly kind: "chosen";
      readonly epoch: Epoch;
      readonly candidate: NodeId;
      readonly lsn: Lsn;
      /** What the old owner was last heard to have, minus what the candidate has; null when it was not heard. */
      readonly lossEstimate: Lsn | null;
      /** The same as time, at most; null when it is not known. */
      readonly lossMs?: Duration | null;
      readonly proof: ChoiceProof;
      readonly evidence: readonly PromiseEvidence[];
    }
  | { readonly kind: "stonith"; readonly epoch: Epoch; readonly by: string }
  | {
      readonly kind: "fenced";
      readonly epoch: Epoch;
      readonly proof: FenceProof;
      readonly evidence: readonly PromiseEvidence[];
    }
  | { readonly kind: "promoting"; readonly epoch: Epoch; readonly candidate: NodeId }
  | {
      readonly kind: "promoted";
      readonly epoch: Epoch;
      readonly lsn: Lsn;
      readonly outcome: "open" | "interrupted";
    }
  | { readonly kind: "verified"; readonly epoch: Epoch; readonly lsn: Lsn }
  /** Of those with poolers: who leads its clients to the owner, and who does not yet. */
  | {
      readonly kind: "routed";
      readonly epoch: Epoch;
      readonly led?: readonly NodeId[];
      readonly missing?: readonly NodeId[];
    }
  | {
      readonly kind: "closed";
      readonly epoch: Epoch;
      readonly outcome: "done" | "interrupted" | "lost-again";
      readonly tookMs: number;
      readonly holdDownUntil: Instant;
    }
  | { readonly kind: "aborted"; readonly epoch: Epoch; readonly because: string }
  /** To be relied on next, once the primary says that its writes wait for them. */
  | { readonly kind: "proposed"; readonly holders: Holders }
  | { readonly kind: "eligible"; readonly holders: Holders }
  | { readonly kind: "checkpointed"; readonly epoch: Epoch }
  /** The clients that were held in `epoch`, by a decision that was called off, are led to the owner again. */
  | { readonly kind: "clients-go-on"; readonly epoch: Epoch; readonly to: NodeId }
  | { readonly kind: "hold-down-over"; readonly because: string }
  | { readonly kind: "paused"; readonly by: string }
  | { readonly kind: "resumed"; readonly by: string }
);

export type RecordKind = LogRecord["kind"];

export const firstCluster = (primary: NodeId): ClusterState => ({
  taken: 1,
  promised: 1,
  primary,
  primaryEpoch: 1,
  checkpointed: 1,
  eligible: { version: 0, members: [], required: 0 },
  proposed: null,
  decision: null,
  holdDownUntil: 0,
  failovers: [],
  paused: false,
});
