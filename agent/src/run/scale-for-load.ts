/** How many of a kind should run under a load: up at once, down slowly, never below or above what is declared. Pure. */

/** All that the decision needs. */
export interface LoadFacts {
  /** The load now, over all of them. */
  readonly load: number;
  /** What one of them bears, in the same unit; above 0. */
  readonly perReplica: number;
  readonly running: number;
  readonly min: number;
  readonly max: number;
}

export interface LoadDecision {
  readonly replicas: number;
  readonly because: string;
}

/** One fewer is enough only when they would then bear the load with this much room: without it they would swing. */
const roomToShrink = 0.8;

export function replicasForLoad({ load, perReplica, running, min, max }: LoadFacts): LoadDecision {
  const needed = Math.ceil(load / perReplica);
  const bounded = Math.min(max, Math.max(min, needed));
  const bears = `${load} needs ${needed} at ${perReplica} each`;
  if (bounded > running) {
    const cut = needed > max ? `; ${max} is the most that is declared` : "";
    return { replicas: bounded, because: `${bears}, ${running} run${cut}` };
  }
  if (running > max)
    return { replicas: max, because: `${running} run and ${max} is the most that is declared` };
  const fewer = running - 1;
  const hasRoom = load <= fewer * perReplica * roomToShrink;
  if (bounded < running && fewer >= min && hasRoom)
    return { replicas: fewer, because: `${bears}; of the ${running} that run one may go at a time` };
  const why = needed > max ? `; ${max} is the most that is declared` : "";
  return { replicas: running, because: `${bears}, and ${running} run${why}` };
}
