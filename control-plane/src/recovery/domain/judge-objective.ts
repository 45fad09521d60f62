/** A component's recovery objective beside what was last measured, and what would happen now. */
import type { ClusterState } from "@mainstay/proto/failover/decision";
import type { FailoverPolicy } from "@mainstay/proto/failover/policy";
import { type Duration, formatDuration, type Instant } from "../../kernel/time.js";
import type { Component } from "../../topology/domain/component.js";
import { strictest } from "../../topology/domain/component.js";
import type { DecisionAccount } from "./account-decision.js";
import { lagBytes, type Observation } from "./observation.js";

/** So many measurements before the last are what it is compared with. */
const TREND_OVER = 5;
/** A difference below this share is none. */
const TREND_SHARE = 0.2;

export interface Measurement {
  readonly epoch: number;
  readonly at: Instant;
  readonly openAfter: Duration;
  readonly rto: Duration | undefined;
  readonly rpo: Duration | undefined;
  readonly missingBytes: number | undefined;
}

/** What a failover would cost now, as far as anything tells. */
export interface LiveEstimate {
  readonly at: Instant | undefined;
  readonly rto: Duration | undefined;
  readonly rpo: Duration | undefined;
  readonly rpoBytes: number | undefined;
  readonly because: string;
}

export interface JudgedObjective {
  readonly component: Component;
  readonly rto: Duration | undefined;
  readonly rpo: Duration | undefined;
  /** The newest decision that ended with an open owner. */
  readonly measured: Measurement | undefined;
  /** By the RTO, and by the RPO where the loss was measured as time. */
  readonly verdict: "met" | "missed" | "not-measured" | "no-objective";
  readonly rpoVerdict: "met" | "missed" | "unknown";
  readonly because: string;
  readonly live: LiveEstimate;
  readonly trend: "better" | "worse" | "steady" | "unknown";
  /** Of failovers, newest first. */
  readonly measurements: readonly Measurement[];
}

/** `decisions` are the component's, newest first; a planned switchover measures no loss of an owner. */
export function judgeObjective(
  component: Component,
  decisions: readonly DecisionAccount[],
  live: LiveEstimate = NOTHING_TELLS,
): JudgedObjective {
  const { rto, rpo } = strictest(component);
  const measurements = decisions.flatMap(measurementOf);
  const [measured] = measurements;
  const trend = trendOf(measurements);
  const took = measured === undefined ? undefined : (measured.rto ?? measured.openAfter);
  const rpoVerdict = judgeRpo(rpo, measured);
  const said = { component, rto, rpo, measured, rpoVerdict, live, trend, measurements };
  if (rto === undefined && rpo === undefined) {
    return { ...said, verdict: "no-objective", because: "no objective is stated" };
  }
  if (measured === undefined || took === undefined) {
    return { ...said, verdict: "not-measured", because: "nothing was failed over, and nothing drilled" };
  }
  const inTime = rto === undefined || took <= rto;
  const since = measured.rto === undefined ? "after the decision" : "after it was last heard open";
  const lost =
    measured.rpo === undefined ? "" : `; at most ${formatDuration(Math.round(measured.rpo))} missing`;
  return {
    ...said,
    verdict: inTime && rpoVerdict !== "missed" ? "met" : "missed",
    because: `epoch ${measured.epoch}: open ${formatDuration(Math.round(took))} ${since}${lost}`,
  };
}

const NOTHING_TELLS: LiveEstimate = {
  at: undefined,
  rto: undefined,
  rpo: undefined,
  rpoBytes: undefined,
  because: "it is not under failover, and nothing else tells",
};

function measurementOf(account: DecisionAccount): readonly Measurement[] {
  const { epoch, kind, startedAt, openAfter, rto, rpo, missingBytes } = account;
  if (kind === "switchover" || openAfter === undefined) return [];
  return [{ epoch, at: startedAt, openAfter, rto, rpo, missingBytes }];
}

function judgeRpo(
  rpo: Duration | undefined,
  measured: Measurement | undefined,
): JudgedObjective["rpoVerdict"] {
  if (rpo === undefined || measured === undefined) return "unknown";
  const lost = measured.missingBytes === 0 ? 0 : measured.rpo;
  if (lost === undefined) return "unknown";
  return lost <= rpo ? "met" : "missed";
}

function trendOf([last, ...before]: readonly Measurement[]): JudgedObjective["trend"] {
  const times = before
    .slice(0, TREND_OVER)
    .map(({ rto, openAfter }) => rto ?? openAfter)
    .sort((a, b) => a - b);
  const middle = times[Math.floor(times.length / 2)];
  if (last === undefined || middle === undefined) return "unknown";
  const took = last.rto ?? last.openAfter;
  if (took < middle * (1 - TREND_SHARE)) return "better";
  return took > middle * (1 + TREND_SHARE) ? "worse" : "steady";
}

/**
 * What a failover would cost if the owner were lost now. The time is what the protocol waits for at most: until the loss is
 * seen, and until every lease has run out; promoting comes on top. The loss is bounded by what the owner's writes wait for.
 */
export function estimateCluster(
  policy: FailoverPolicy,
  state: ClusterState,
  observed: { readonly at: Instant; readonly seen: Observation } | undefined,
): LiveEstimate {
  if (observed === undefined) return { ...NOTHING_TELLS, because: "no control plane has driven it yet" };
  const { at, seen } = observed;
  const { members } = state.eligible;
  if (members.length === 0) {
    return { ...NOTHING_TELLS, at, because: "nobody is relied on: a failover would need a person" };
  }
  const lag = lagBytes(seen, state.primary, members);
  const relied = `${members.join(", ")} ${members.length === 1 ? "is" : "are"} relied on`;
  const rto = policy.silentMs + policy.leaseMs + policy.marginMs;
  if (policy.mode === "synchronous") {
    const because = `${relied}, and a write counts when ${state.eligible.required} of them hold it`;
    return { at, rto, rpo: 0, rpoBytes: 0, because };
  }
  const now = lag === undefined ? "" : `, ${lag} bytes behind now`;
  const because = `${relied}${now}; the owner's writes wait beyond ${policy.rpoBytes} bytes`;
  return { at, rto, rpo: lag === 0 ? 0 : undefined, rpoBytes: policy.rpoBytes, because };
}
