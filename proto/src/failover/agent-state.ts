/** What one agent knows of its node, and the shape of what its reducer takes and gives. */
import type { Message, NodeRole, NodeState } from "./messages.js";
import type { FailoverPolicy } from "./policy.js";
import type { Duration, Epoch, Holders, Instant, Lsn, NodeId, VoterId } from "./words.js";

/** What an agent never forgets: written and flushed before any effect of the same step is carried out. */
export interface AgentKept {
  /** Nothing below it is granted or obeyed. */
  readonly promised: Epoch;
  /** What its data was last: the owner's of `epoch`, or a copy of that owner's. */
  readonly role: "primary" | "replica";
  readonly epoch: Epoch;
  /** The highest epoch in which a promotion was begun here, and the highest in which it ended well. */
  readonly began: Epoch;
  readonly opened: Epoch;
  /** Whom a replica takes its log from. */
  readonly following: NodeId | null;
  /** Its data is being replaced and is of no use until that has ended. */
  readonly joining: boolean;
  /** The highest epoch that it owned and gave up. */
  readonly surrendered: Epoch;
  /** The highest planned switchover that it was asked to step down for, or that was called off. */
  readonly steppedDown: Epoch;
  /** What it obeys as an owner, oldest first; never empty. */
  readonly holders: readonly Holders[];
}

/**
 * What the database does, as far as the agent knows. `opening` starts again as a primary within its lease, `promoting`
 * ends recovery, `stopping` was told to stop, `detaching` ends its receiver.
 */
export type DatabaseState =
  | "stopped"
  | "starting"
  | "standby"
  | "detaching"
  | "joining"
  | "promoting"
  | "opening"
  | "open"
  | "stopping";

export interface AgentState {
  readonly node: NodeId;
  readonly kept: AgentKept;
  readonly database: DatabaseState;
  /** What the executor was last told to run or to end; what it says of an earlier run is stale. */
  readonly run: number;
  readonly lsn: Lsn;
  /** A replica's: its log comes in. */
  readonly streaming: boolean;
  /** A primary's: what each replica has said to have on disk. */
  readonly flushed: Readonly<Record<NodeId, Lsn>>;
  /** What it may acknowledge up to, as the database was last told. */
  readonly limit: Lsn;
  /** The holders that the database obeys, by version, and the position from which on. */
  readonly covered: { readonly version: number; readonly since: Lsn };
  readonly heldVersion: number;
  /** As a voter: until when what it granted may be counted on. */
  readonly grantUntil: Instant;
  /** As an owner: until when it may be writable; 0 for never. */
  readonly leaseUntil: Instant;
  readonly round: number;
  readonly roundSentAt: Instant;
  readonly grantedBy: readonly VoterId[];
  readonly renewAt: Instant;
  /** It is getting the lease of this epoch in order to promote. */
  readonly asking: Epoch | null;
  /** It owes an answer to this promise, as soon as its database is as promised. */
  readonly owed: Epoch | null;
  /** `calledOff`: it owns its epoch still, and opens again as soon as the shutdown that was begun has ended. */
  readonly draining: { readonly epoch: Epoch; readonly since: Instant; readonly calledOff: boolean } | null;
  readonly crashes: readonly Instant[];
  readonly primaryHeardAt: Instant;
  readonly reportAt: Instant;
  /** Who last passed on an order, and for how long the same way back is used. */
  readonly relay: { readonly by: NodeId; readonly until: Instant } | null;
}

/** `from` is who sent it, as the transport has authenticated it. Database events are what the executor saw happen. */
export type AgentEvent =
  | { readonly kind: "tick" }
  | { readonly kind: "message"; readonly from: VoterId; readonly message: Message }
  | { readonly kind: "exited"; readonly run: number; readonly lsn: Lsn }
  | {
      readonly kind: "started";
      readonly run: number;
      readonly as: "primary" | "standby";
      readonly lsn: Lsn;
    }
  | { readonly kind: "promoted"; readonly run: number; readonly epoch: Epoch; readonly lsn: Lsn }
  | { readonly kind: "detached"; readonly lsn: Lsn }
  | { readonly kind: "joined"; readonly run: number; readonly epoch: Epoch; readonly lsn: Lsn }
  | { readonly kind: "join-failed"; readonly run: number; readonly epoch: Epoch }
  | {
      readonly kind: "progress";
      readonly lsn: Lsn;
      readonly flushed: Readonly<Record<NodeId, Lsn>>;
      readonly streaming: boolean;
    }
  | { readonly kind: "covered"; readonly version: number; readonly lsn: Lsn }
  | { readonly kind: "verified"; readonly epoch: Epoch; readonly lsn: Lsn };

/** Begins a run of the database's executor, or ends it. Each has a number of its own. */
export type RunEffect =
  /** Ends with `exited`, also when nothing ran. */
  | { readonly kind: "kill" }
  | { readonly kind: "start"; readonly as: "standby"; readonly following: NodeId | null }
  | { readonly kind: "start"; readonly as: "primary"; readonly holders: Holders; readonly limit: Lsn }
  /** Without holders: alone, until it is told otherwise. From a standby, or from nothing. */
  | { readonly kind: "promote"; readonly epoch: Epoch; readonly deadline: Instant }
  | { readonly kind: "join"; readonly epoch: Epoch; readonly source: NodeId };

/**
 * What is to be done, in this order. What concerns the database goes to its one serial executor, which ends what it is
 * doing when it is told to kill, and answers with an event.
 */
export type AgentEffect =
  | { readonly kind: "send"; readonly to: VoterId; readonly message: Message }
  /** To the guard. */
  | { readonly kind: "deadline"; readonly at: Instant }
  | (RunEffect & { readonly run: number })
  | { readonly kind: "detach" }
  /** A checkpoint, then a fast shutdown, which waits until the replicas have everything. */
  | { readonly kind: "drain" }
  | { readonly kind: "verify"; readonly epoch: Epoch }
  /** Let commits wait for these; ends with `covered`. */
  | { readonly kind: "cover"; readonly holders: Holders }
  /** Let nothing be acknowledged beyond. */
  | { readonly kind: "limit"; readonly upTo: Lsn };

export interface AgentStep {
  readonly state: AgentState;
  readonly effects: readonly AgentEffect[];
  readonly because: string;
}

/** A node of a cluster that is taken over as it is: `primary` owns epoch 1. */
export const firstKept = (primary: NodeId, node: NodeId): AgentKept => ({
  promised: 1,
  role: node === primary ? "primary" : "replica",
  epoch: 1,
  began: node === primary ? 1 : 0,
  opened: node === primary ? 1 : 0,
  following: node === primary ? null : primary,
  joining: false,
  surrendered: 0,
  steppedDown: 0,
  holders: [{ version: 0, members: [], required: 0 }],
});

/** The role as others are told. */
export function roleOf(state: AgentState, now: Instant): NodeRole {
  const { kept, database } = state;
  if (kept.joining || database === "joining") return "joining";
  if (kept.role === "replica") return "replica";
  const ownsEpoch = kept.promised === kept.epoch && kept.surrendered < kept.epoch && now < state.leaseUntil;
  if (!ownsEpoch || state.owed !== null) return "fenced";
  if (database === "open") return "primary";
  return database === "opening" || state.draining !== null ? "restarting" : "fenced";
}

export function describe(policy: FailoverPolicy, state: AgentState, now: Instant): NodeState {
  const { kept } = state;
  const role = roleOf(state, now);
  return {
    kind: "state",
    role,
    epoch: kept.epoch,
    promised: kept.promised,
    lsn: state.lsn,
    surrendered: kept.role === "primary" && kept.surrendered >= kept.epoch,
    following: kept.following,
    streaming: role === "replica" && state.streaming,
    hearsPrimary: now - state.primaryHeardAt < policy.silentMs,
    holders: kept.holders.map((holders) => holders.version),
    heldVersion: state.heldVersion,
  };
}

/** How long a grant may be counted on after `marginMs` is added. */
export const grantMs = (policy: FailoverPolicy, margin: boolean): Duration =>
  policy.leaseMs + (margin ? policy.marginMs : 0);
