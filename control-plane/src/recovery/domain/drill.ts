/** Drills: when each is due, and how one that was run went. */
import { type Duration, formatDuration, type Instant } from "../../kernel/time.js";
import type { DecisionAccount } from "./account-decision.js";
import type { FailoverRequest } from "./failover-request.js";

/** What can be drilled from here. */
export const DRILL_KINDS = ["switchover"] as const;
export type DrillKind = (typeof DRILL_KINDS)[number];

export interface DrillDefinition {
  /** Unique in the house. */
  readonly id: string;
  readonly cluster: string;
  readonly kind: DrillKind;
  readonly every: Duration;
}

export interface DrillStanding {
  readonly lastAt: Instant | undefined;
  readonly last: "passed" | "failed" | "running" | "never";
  readonly because: string;
  /** 0 to 100: half for an open owner, a quarter each for the time and for what is missing. */
  readonly score: number;
  readonly dueAt: Instant;
  readonly overdue: boolean;
  readonly account: DecisionAccount | undefined;
}

export interface DrillRun {
  readonly request: FailoverRequest;
  /** What the request led to, if it led to a decision. */
  readonly account: DecisionAccount | undefined;
}

/** The objectives of the component, the strictest. */
export interface DrillAims {
  readonly rto: Duration | undefined;
  readonly rpo: Duration | undefined;
}

export interface DrillScore {
  readonly last: "passed" | "failed" | "running";
  readonly score: number;
  readonly because: string;
}

export function scoreDrill({ request, account }: DrillRun, aims: DrillAims): DrillScore {
  if (request.state === "refused" || request.state === "lapsed") {
    return { last: "failed", score: 0, because: `${request.state}: ${request.because}` };
  }
  if (account === undefined || account.outcome === "open") {
    return { last: "running", score: 0, because: account === undefined ? "not begun yet" : "under way" };
  }
  if (account.outcome !== "done" || account.openAfter === undefined) {
    return { last: "failed", score: 0, because: `the ${account.kind} ended ${account.outcome}` };
  }
  const took = account.rto ?? account.openAfter;
  const inTime = aims.rto === undefined || took <= aims.rto;
  const lost = account.missingBytes ?? 0;
  const because = [
    `open again after ${formatDuration(Math.round(took))}`,
    aims.rto === undefined ? "no RTO is stated" : `the RTO is ${formatDuration(aims.rto)}`,
    lost === 0 ? "nothing is missing" : `${lost} bytes are missing`,
  ].join(", ");
  return {
    last: inTime && lost === 0 ? "passed" : "failed",
    score: 50 + (inTime ? 25 : 0) + (lost === 0 ? 25 : 0),
    because,
  };
}

/** `runs` newest first; `since` is from when a drill that was never run is counted. */
export function judgeDrill(
  drill: DrillDefinition,
  runs: readonly DrillRun[],
  aims: DrillAims,
  since: Instant,
  now: Instant,
): DrillStanding {
  const scored = runs.map((run) => ({ run, ...scoreDrill(run, aims) }));
  const passed = scored.find(({ last }) => last === "passed");
  const dueAt = (passed?.run.request.requestedAt ?? since) + drill.every;
  const newest = scored[0];
  return {
    lastAt: newest?.run.request.requestedAt,
    last: newest?.last ?? "never",
    because: newest?.because ?? "it was never run",
    score: newest?.score ?? 0,
    dueAt,
    overdue: now > dueAt,
    account: newest?.run.account,
  };
}
