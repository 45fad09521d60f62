/**
 * The words of the failover protocol between the control plane and the agents of one database cluster.
 *
 * - **epoch**: a whole number that is never used twice. Each decision takes the next one, whether it succeeds or not, and
 *   every order, lease and promotion carries it. One epoch has at most one owner: the node that was chosen in it.
 * - **voter**: each member's agent, and the control plane. A majority of the voters is a quorum.
 * - **promise**: a voter's durable word that it grants nothing below an epoch any more.
 * - **lease**: a majority's word that an epoch's owner may be writable, for `leaseMs` from when it *asked*.
 * - **grant**: one voter's part of a lease, which it counts from when it was asked, and `marginMs` longer.
 * - **holders**: the replicas that must hold a write before it counts (synchronous), or all but `rpoBytes` of what is
 *   written (asynchronous). What a primary obeys is always at least as strict as what the control plane relies on.
 * - **fence**: proof that the old owner acknowledges nothing more.
 */

/** A member's name. Also a voter's, where the voter is an agent. */
export type NodeId = string;

/** The voter that is no member. */
export const CONTROL_PLANE = "control-plane";

/** A member, or {@link CONTROL_PLANE}. */
export type VoterId = string;

/** 0 is before every epoch. */
export type Epoch = number;

/** A position in the write-ahead log, in bytes. */
export type Lsn = number;

/**
 * Milliseconds of a clock that goes on while the host sleeps and is never set (CLOCK_BOOTTIME). Each reducer is given the
 * clock of its own host; no instant crosses a process, only what is left of a duration.
 */
export type Instant = number;

/** Milliseconds. */
export type Duration = number;

/** At least `required` of `members` must hold a write. No members: nobody does, and nobody else may be promoted. */
export interface Holders {
  /** Never used twice in one cluster, higher is later. */
  readonly version: number;
  readonly members: readonly NodeId[];
  readonly required: number;
}

/** The smallest number of voters of which any two sets have one in common. */
export const majorityOf = (voters: number): number => Math.floor(voters / 2) + 1;
