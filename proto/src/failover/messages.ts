/** What the control plane and the agents say to each other. Any message may be lost, late, doubled or overtaken. */
import type { Duration, Epoch, Holders, Lsn, NodeId } from "./words.js";

/** From the control plane to one agent. `epoch` is the decision's, except for `hold` and `follow`: the primary's. */
export type Order =
  /** Grant nothing below `epoch`, take nothing more from a primary, close the database if it is one; then answer. */
  | { readonly kind: "promise"; readonly epoch: Epoch }
  /** Get the lease of `epoch`, then open the database. Only to the node that was chosen. */
  | { readonly kind: "promote"; readonly epoch: Epoch }
  /** Write and read a probe, then make a checkpoint. */
  | { readonly kind: "verify"; readonly epoch: Epoch }
  /** Become a replica of `source`, the owner of `epoch`. */
  | { readonly kind: "follow"; readonly epoch: Epoch; readonly source: NodeId }
  /** Planned: let the replicas have everything, then stop. */
  | { readonly kind: "step-down"; readonly epoch: Epoch }
  /** The planned switchover `epoch` was called off. */
  | { readonly kind: "carry-on"; readonly epoch: Epoch }
  /** Let writes wait for each of `holders`: what is relied on, and what is to be relied on next. */
  | { readonly kind: "hold"; readonly epoch: Epoch; readonly holders: readonly Holders[] };

/**
 * What a node is: `primary` is open for writes; `restarting` has the lease and its database is not open; `fenced` was
 * the owner of `epoch` and will not open in it again without an order; `joining` has no data to rely on.
 */
export type NodeRole = "primary" | "restarting" | "fenced" | "replica" | "joining";

/** How one node is, sent every `reportMs` and when it changes. */
export interface NodeState {
  readonly kind: "state";
  readonly role: NodeRole;
  /** Whose owner it is or was, or whose owner it follows. */
  readonly epoch: Epoch;
  readonly promised: Epoch;
  readonly lsn: Lsn;
  /** It crashed too often and has given up its epoch. */
  readonly surrendered: boolean;
  /** A replica's: whom it takes its log from; null when it promised and was told nothing since. */
  readonly following: NodeId | null;
  /** A replica's: the log is coming in. */
  readonly streaming: boolean;
  /** A replica's: the primary's agent was heard of within `silentMs`. */
  readonly hearsPrimary: boolean;
  /** A primary's: the versions of the holders that it obeys. */
  readonly holders: readonly number[];
  /** A primary's: the newest version that all it ever acknowledged fulfils; -1 for none. */
  readonly heldVersion: number;
}

/** From one agent to the control plane. */
export type Report =
  | NodeState
  | {
      readonly kind: "promised";
      readonly epoch: Epoch;
      /** The end of what is here, which moves no more. */
      readonly lsn: Lsn;
      /** In whose epoch it was written. */
      readonly logEpoch: Epoch;
      /** There is a whole database. */
      readonly usable: boolean;
      /** It takes nothing from another node, and has not since it promised. */
      readonly detached: boolean;
      /** It is not open for writes, and will not be below `epoch`. */
      readonly fenced: boolean;
      /** How long what it granted before may still be counted on. */
      readonly grantLeftMs: Duration;
    }
  /** `interrupted`: it was begun and its end was not seen; the node is closed, and what it may hold is kept. */
  | {
      readonly kind: "promoted";
      readonly epoch: Epoch;
      readonly lsn: Lsn;
      readonly outcome: "open" | "interrupted";
    }
  | { readonly kind: "verified"; readonly epoch: Epoch; readonly lsn: Lsn }
  | { readonly kind: "stepped-down"; readonly epoch: Epoch; readonly lsn: Lsn }
  | {
      readonly kind: "refused";
      readonly order: Order["kind"];
      readonly epoch: Epoch;
      readonly promised: Epoch;
      readonly because: string;
    };

/** From an owner to each other voter, and its answer. */
export type LeaseRequest = { readonly kind: "lease-request"; readonly epoch: Epoch; readonly round: number };
export type LeaseAnswer =
  | { readonly kind: "lease-granted"; readonly epoch: Epoch; readonly round: number }
  | { readonly kind: "lease-refused"; readonly promised: Epoch };

export type Direct = Order | Report | LeaseRequest | LeaseAnswer;

/** For one whom the sender cannot reach: `relay` to the one in between, who passes it on as `relayed`. */
export type Message =
  | Direct
  | { readonly kind: "relay"; readonly to: NodeId; readonly message: Direct }
  | { readonly kind: "relayed"; readonly from: NodeId; readonly message: Direct };

export const reportKinds = ["state", "promised", "promoted", "verified", "stepped-down", "refused"] as const;
export const orderKinds = [
  "promise",
  "promote",
  "verify",
  "follow",
  "step-down",
  "carry-on",
  "hold",
] as const satisfies readonly Order["kind"][];
