/**
 * The clients of a cluster at its connection poolers: held back while its owner is changed by plan, led to the owner
 * whoever changed it. Poolers are no voters, and nothing that is safe rests on them: who leads its clients to the wrong
 * node gets their writes refused there.
 */
import type { FailoverPolicy } from "./policy.js";
import type { Duration, Epoch, Instant, NodeId } from "./words.js";

/** To one that looks after poolers, named by its node. */
export interface PoolerOrder {
  /** The newest that a decision took. */
  readonly epoch: Epoch;
  readonly to: NodeId;
  readonly hold: boolean;
  /** Not told to hold for so long, the clients go on. */
  readonly lapseMs: Duration;
}

export interface PoolerReport {
  /** Of the order that it obeyed last; 0 for none. */
  readonly epoch: Epoch;
  /** Where all of its poolers lead; null when that is no member, or not one. */
  readonly to: NodeId | null;
  /** At least one of them holds clients back. */
  readonly holds: boolean;
  /** All of them do, and nothing of what ran before is left. */
  readonly held: boolean;
  readonly because: string;
}

export interface SeenPooler {
  readonly at: Instant;
  readonly report: PoolerReport;
}

const SILENT_MS: Duration = 3_000;

/** Later ones win; within one epoch clients are first held, then let go. */
export const rankOf = ({ epoch, hold }: Pick<PoolerOrder, "epoch" | "hold">): number =>
  epoch * 2 + (hold ? 0 : 1);

export const poolersOf = (policy: FailoverPolicy): readonly NodeId[] => policy.poolers ?? [];

/** What a pooler said last, if that is not older than three seconds. */
export function freshPooler(
  seen: Readonly<Record<NodeId, SeenPooler>>,
  pooler: NodeId,
  now: Instant,
): PoolerReport | null {
  const sighting = seen[pooler];
  return sighting !== undefined && now - sighting.at < SILENT_MS ? sighting.report : null;
}
