/** Drills: when each is due, and how one that was run went. */
import { type Duration, formatDuration, type Instant } from "../../kernel/time.js";
import type { ComponentDrill } from "../../topology/domain/component.js";
import type { DecisionAccount } from "./account-decision.js";
import type { FailoverRequest } from "./failover-request.js";
import type { RestoreReport } from "./restore-report.js";

export type DrillKind = ComponentDrill["kind"];

export interface DrillDefinition extends ComponentDrill {
  /** Unique in the house. */
  readonly id: string;
  /** The component, and its cluster where it has one. */
  readonly cluster: string;
}

export interface DrillStanding {
  readonly lastAt: Instant | undefined;
  readonly last: DrillScore["last"] | "never";
  readonly because: string;
  /** 0 to 100: half for an open owner, a quarter each for the time and for what is missing. */
  readonly score: number;
  readonly dueAt: Instant;
  readonly overdue: boolean;
  readonly account: DecisionAccount | undefined;
  readonly report: RestoreReport | undefined;
}

/** A switchover that was asked for as a drill. */
export interface SwitchoverRun {
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
  readonly last: "passed" | "failed" | "aborted" | "running";
  readonly score: number;
  readonly because: string;
}

export function scoreDrill({ request, account }: SwitchoverRun, aims: DrillAims): DrillScore {
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

/**
 * A restore passed when the data was whole and the probes found what they must, in time, and with no more missing than the
 * RPO; what fails to be whole has no score, however fast it was.
 */
export function scoreRestore(report: RestoreReport | undefined, aims: DrillAims): DrillScore {
  if (report === undefined) return { last: "failed", score: 0, because: "its host told nothing of it" };
  const { rto, rpo, because: fault, failedAt, destroyed } = report;
  if (fault !== undefined || rto === undefined) {
    return { last: "failed", score: 0, because: `${failedAt ?? "at its end"}: ${fault ?? "not restored"}` };
  }
  const inTime = aims.rto === undefined || rto <= aims.rto;
  const kept = rpo === undefined || aims.rpo === undefined || rpo <= aims.rpo;
  const because = [
    `backup ${report.backup} was open after ${formatDuration(Math.round(rto))}`,
    aims.rto === undefined ? "no RTO is stated" : `the RTO is ${formatDuration(aims.rto)}`,
    rpo === undefined
      ? `to ${report.to ?? "the newest moment"}`
      : `${formatDuration(Math.round(rpo))} are missing`,
    aims.rpo === undefined ? "no RPO is stated" : `the RPO is ${formatDuration(aims.rpo)}`,
    ...(destroyed ? [] : ["something of it was left on the host"]),
  ].join(", ");
  const score = 50 + (inTime ? 25 : 0) + (kept ? 25 : 0);
  return { last: inTime && kept && destroyed ? "passed" : "failed", score, because };
}

/** A run and how it went. */
export interface ScoredRun extends DrillScore {
  readonly at: Instant;
  readonly account: DecisionAccount | undefined;
  readonly report: RestoreReport | undefined;
}

/** `runs` newest first; `since` is from when a drill that was never run is counted. */
export function judgeDrill(
  drill: DrillDefinition,
  runs: readonly SwitchoverRun[],
  aims: DrillAims,
  since: Instant,
  now: Instant,
): DrillStanding {
  const scored = runs.map((run) => ({
    at: run.request.requestedAt,
    account: run.account,
    report: undefined,
    ...scoreDrill(run, aims),
  }));
  return standDrill(drill, scored, since, now);
}

/** `runs` newest first. Only one that passed makes it due later. */
export function standDrill(
  drill: DrillDefinition,
  runs: readonly ScoredRun[],
  since: Instant,
  now: Instant,
): DrillStanding {
  const passed = runs.find(({ last }) => last === "passed");
  const dueAt = (passed?.at ?? since) + drill.every;
  const newest = runs[0];
  return {
    lastAt: newest?.at,
    last: newest?.last ?? "never",
    because: newest?.because ?? "it was never run",
    score: newest?.score ?? 0,
    dueAt,
    overdue: now > dueAt,
    account: newest?.account,
    report: newest?.report,
  };
}
