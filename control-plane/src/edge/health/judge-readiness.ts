/**
 * Whether this replica should get work. A dependency changes its standing only after two looks in a row that say so;
 * only the database's standing takes a replica out, for without it nothing can be done, and without the others much can.
 */
export interface Standing {
  readonly up: boolean;
  /** How many looks in a row said the opposite. */
  readonly against: number;
}

export const LOOKS_TO_CHANGE = 2;

export const UP: Standing = { up: true, against: 0 };

/** The standing after one more look. */
export function nextStanding(standing: Standing, ok: boolean): Standing {
  if (ok === standing.up) return standing.against === 0 ? standing : { up: standing.up, against: 0 };
  const against = standing.against + 1;
  return against >= LOOKS_TO_CHANGE ? { up: ok, against: 0 } : { up: standing.up, against };
}

export interface Readiness {
  readonly ready: boolean;
  /** Dependencies that are away, by name. */
  readonly degraded: readonly string[];
}

/** `vital` names the dependencies without which there is no work. A process that is stopping is never ready. */
export function judgeReadiness(
  standings: ReadonlyMap<string, Standing>,
  vital: ReadonlySet<string>,
  serving: boolean,
): Readiness {
  const degraded = [...standings]
    .filter(([, standing]) => !standing.up)
    .map(([name]) => name)
    .sort();
  return { ready: serving && !degraded.some((name) => vital.has(name)), degraded };
}
