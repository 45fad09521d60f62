/** What restores of a component's backups have measured, and up to when one could bring it back now. */
import { type Duration, formatDuration, type Instant, SECOND } from "../../kernel/time.js";
import type { DrillAims } from "./drill.js";
import type { DrillRun } from "./drill-run.js";
import type { JudgedObjective, Measurement } from "./judge-objective.js";

/** So many restores before the last are what it is compared with. */
const TREND_OVER = 5;
/** A difference below this share is none. */
const TREND_SHARE = 0.2;
const HISTORY_MAX = 20;

export interface NewestRestorable {
  readonly at: Instant;
  readonly seenAt: Instant;
  /** What it rests on. */
  readonly because: string;
}

export interface RestoreMeasurement {
  readonly at: Instant;
  readonly rto: Duration;
  /** Undefined when a moment was wanted: then nothing before it is missing. */
  readonly rpo: Duration | undefined;
  readonly backup: string;
}

export interface JudgedRestores {
  readonly last: RestoreMeasurement | undefined;
  readonly trend: "better" | "worse" | "steady" | "unknown";
  readonly newest: NewestRestorable | undefined;
  /** Newest first. */
  readonly history: readonly RestoreMeasurement[];
}

/** `runs` are of restores, newest first; what was not whole measured nothing. */
export function judgeRestores(
  runs: readonly DrillRun[],
  newest: NewestRestorable | undefined,
): JudgedRestores {
  const history = runs.flatMap(({ begunAt, report }): readonly RestoreMeasurement[] => {
    if (report === undefined || report.because !== undefined || report.rto === undefined) return [];
    return [{ at: begunAt, rto: report.rto, rpo: report.rpo, backup: report.backup }];
  });
  return { last: history[0], trend: trendOf(history), newest, history };
}

function trendOf([last, ...before]: readonly RestoreMeasurement[]): JudgedRestores["trend"] {
  const times = before
    .slice(0, TREND_OVER)
    .map(({ rto }) => rto)
    .sort((a, b) => a - b);
  const middle = times[Math.floor(times.length / 2)];
  if (last === undefined || middle === undefined) return "unknown";
  if (last.rto < middle * (1 - TREND_SHARE)) return "better";
  return last.rto > middle * (1 + TREND_SHARE) ? "worse" : "steady";
}

/**
 * An objective with what is known of its backups. A component that is failed over is judged by that; for any other a
 * restore is how it comes back, so the last one is what was measured, and the newest restorable moment is its estimate.
 */
export function withRestores(
  objective: JudgedObjective,
  restores: JudgedRestores,
  now: Instant,
): JudgedObjective {
  const { last, newest, trend } = restores;
  const live =
    objective.live.at === undefined && newest !== undefined
      ? {
          at: newest.seenAt,
          rto: last?.rto,
          rpo: Math.max(0, now - newest.at),
          rpoBytes: undefined,
          because: `it would be restored up to ${newest.because}`,
        }
      : objective.live;
  if (objective.verdict !== "not-measured" || last === undefined) return { ...objective, live };
  const aims: DrillAims = { rto: objective.rto, rpo: objective.rpo };
  const rpoVerdict =
    aims.rpo === undefined || last.rpo === undefined ? "unknown" : last.rpo <= aims.rpo ? "met" : "missed";
  const missing = last.rpo === undefined ? "" : `, ${text(last.rpo)} missing`;
  return {
    ...objective,
    live,
    trend,
    rpoVerdict,
    verdict: meets(last, aims) ? "met" : "missed",
    because: `backup ${last.backup} was restored in ${text(last.rto)}${missing}`,
  };
}

const text = (duration: Duration): string =>
  formatDuration(duration < SECOND ? Math.round(duration) : Math.round(duration / 100) * 100);

export interface Measured {
  readonly at: Instant;
  readonly kind: "failover" | "restore";
  readonly rto: Duration;
  readonly rpo: Duration | undefined;
  readonly met: boolean;
}

/** Failovers and restores together, newest first. */
export function historyOf(
  failovers: readonly Measurement[],
  restores: JudgedRestores,
  aims: DrillAims,
): readonly Measured[] {
  const measured = [
    ...failovers.map(({ at, rto, openAfter, rpo, missingBytes }) => ({
      at,
      kind: "failover" as const,
      rto: rto ?? openAfter,
      rpo: missingBytes === 0 ? 0 : rpo,
    })),
    ...restores.history.map(({ at, rto, rpo }) => ({ at, kind: "restore" as const, rto, rpo })),
  ];
  return measured
    .map((one) => ({ ...one, met: meets(one, aims) }))
    .sort((a, b) => b.at - a.at)
    .slice(0, HISTORY_MAX);
}

const meets = (
  { rto, rpo }: { readonly rto: Duration; readonly rpo: Duration | undefined },
  aims: DrillAims,
): boolean =>
  (aims.rto === undefined || rto <= aims.rto) &&
  (aims.rpo === undefined || rpo === undefined || rpo <= aims.rpo);
