/** What the control plane knows of one cluster, and the shape of what its reducer takes and gives. */
import type { Approval, ClusterState, LogRecord, PromiseEvidence } from "./decision.js";
import type { Sightings } from "./detect-loss.js";
import type { Direct, Message } from "./messages.js";
import type { PoolerOrder, PoolerReport, SeenPooler } from "./poolers.js";
import type { Epoch, Instant, Lsn, NodeId, VoterId } from "./words.js";

/** A promise as it was received: until when what its voter granted may be counted on, by the control plane's clock. */
export interface ReceivedPromise extends PromiseEvidence {
  readonly grantEndsAt: Instant;
}

export interface ControlState {
  /** What the decision log adds up to. */
  readonly kept: ClusterState;
  /** All else is forgotten when the process ends, and heard again. */
  readonly bootedAt: Instant;
  readonly grantUntil: Instant;
  readonly seen: Sightings;
  /** To the open decision's epoch. */
  readonly promises: Readonly<Record<NodeId, ReceivedPromise>>;
  readonly stoppedAt: Lsn | null;
  readonly retryAt: Instant;
  readonly paged: string | null;
  readonly poolers: Readonly<Record<NodeId, SeenPooler>>;
}

export type ControlEvent =
  | { readonly kind: "tick" }
  | { readonly kind: "message"; readonly from: VoterId; readonly message: Message }
  | { readonly kind: "pooler"; readonly from: NodeId; readonly report: PoolerReport }
  /** The traffic goes to the owner of `epoch`. */
  | { readonly kind: "routed"; readonly epoch: Epoch }
  | ({ readonly kind: "approve"; readonly epoch: Epoch } & Approval)
  | { readonly kind: "refuse"; readonly epoch: Epoch; readonly by: string; readonly reason: string }
  /** The old owner's power is off, or its volume was taken away. */
  | { readonly kind: "stonith"; readonly epoch: Epoch; readonly by: string }
  | { readonly kind: "switchover"; readonly to: NodeId | null; readonly by: string }
  /** A failover that a person wants, whatever is lost. */
  | { readonly kind: "force"; readonly by: string; readonly reason: string }
  | { readonly kind: "pause"; readonly by: string }
  | { readonly kind: "resume"; readonly by: string };

export type ControlEffect =
  | { readonly kind: "send"; readonly to: NodeId; readonly message: Message }
  | { readonly kind: "pool"; readonly to: NodeId; readonly order: PoolerOrder }
  /** D6; ends with `routed`. Done again it must change nothing. */
  | { readonly kind: "route"; readonly epoch: Epoch; readonly to: NodeId }
  | { readonly kind: "page"; readonly epoch: Epoch; readonly because: string };

/** `records` are durable, all of them and in this order, before the first of `effects` is carried out. */
export interface ControlStep {
  readonly state: ControlState;
  readonly records: readonly LogRecord[];
  readonly effects: readonly ControlEffect[];
  readonly because: string;
}

export type Reported = Extract<
  Direct,
  { kind: "state" | "promised" | "promoted" | "verified" | "stepped-down" | "refused" }
>;
