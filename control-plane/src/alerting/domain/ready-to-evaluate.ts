/** Whether rules may be judged after a start: a hot window that is not whole yet would resolve what still holds. */
import { type Duration, formatDuration, type Instant, SECOND } from "../../kernel/time.js";

/** After this long, nodes that have not come back count as gone. */
export const CATCH_UP_MAX: Duration = 45 * SECOND;

export interface CatchUp {
  /** Nodes that were live before the start. */
  readonly expected: number;
  /** Those of them that are connected and have delivered what they had kept. */
  readonly caughtUp: number;
}

export interface Readiness {
  readonly ready: boolean;
  readonly because: string;
}

export function readyToEvaluate(startedAt: Instant, nodes: CatchUp, now: Instant): Readiness {
  const { expected, caughtUp } = nodes;
  if (caughtUp >= expected)
    return { ready: true, because: `all ${expected} nodes that were live have caught up` };
  const waited = now - startedAt;
  if (waited >= CATCH_UP_MAX) {
    return {
      ready: true,
      because: `${expected - caughtUp} of ${expected} nodes did not come back within ${formatDuration(CATCH_UP_MAX)}`,
    };
  }
  return { ready: false, because: `${caughtUp} of ${expected} nodes that were live have caught up` };
}
