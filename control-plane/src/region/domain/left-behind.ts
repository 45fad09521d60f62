/** Whether a part that was left behind and works again is to be made to follow: only by what was decided about it last. */
import type { Instant } from "../../kernel/time.js";
import { type CascadeState, stepState } from "./cascade.js";
import type { RegionPlan, RegionStep, ServerPlace } from "./region-plan.js";
import type { Standing } from "./standing.js";

export interface EndedRun {
  readonly region: string;
  readonly plan: RegionPlan;
  readonly state: CascadeState;
  readonly endedAt: Instant | undefined;
}

/**
 * `newest` are the newest runs of all regions. A part that was handed back since, by another region's run, is where it belongs:
 * two that follow each other would both refuse writes.
 */
export function isLeftBehind(
  run: EndedRun | undefined,
  step: RegionStep,
  standing: Standing,
  newest: readonly EndedRun[],
): boolean {
  if (
    run === undefined ||
    run.state.phase !== "closed" ||
    standing.from !== "alive" ||
    standing.to !== "active"
  )
    return false;
  const { target } = step;
  if (target.kind !== "redis" || target.from === undefined || stepState(run.state, step.id).kind !== "done")
    return false;
  const { from } = target;
  return !newest.some(
    (other) =>
      other.region !== run.region &&
      (other.endedAt ?? Number.POSITIVE_INFINITY) > (run.endedAt ?? 0) &&
      other.plan.steps.some((one) => one.target.kind === "redis" && isSame(one.target.to, from)),
  );
}

const isSame = (one: ServerPlace, other: ServerPlace): boolean =>
  one.host === other.host && one.port === other.port;
