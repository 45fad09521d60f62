/** A component's recovery objective beside what was last measured. */
import type { Duration, Instant } from "../../kernel/time.js";
import type { Component } from "../../topology/domain/component.js";
import { strictest } from "../../topology/domain/component.js";
import type { DecisionAccount } from "./account-decision.js";

export interface JudgedObjective {
  readonly component: string;
  readonly rto: Duration | undefined;
  readonly rpo: Duration | undefined;
  /** The newest decision that ended with an open owner. */
  readonly measured:
    | {
        readonly epoch: number;
        readonly at: Instant;
        readonly openAfter: Duration;
        readonly missingBytes: number | undefined;
      }
    | undefined;
  readonly verdict: "met" | "missed" | "not-measured" | "no-objective";
  readonly because: string;
}

/** `decisions` are the component's, newest first. */
export function judgeObjective(component: Component, decisions: readonly DecisionAccount[]): JudgedObjective {
  const { rto, rpo } = strictest(component);
  const last = decisions.find(
    (decision) => decision.kind !== "switchover" && decision.openAfter !== undefined,
  );
  const measured =
    last?.openAfter === undefined
      ? undefined
      : {
          epoch: last.epoch,
          at: last.startedAt,
          openAfter: last.openAfter,
          missingBytes: last.missingBytes,
        };
  const said = { component: component.id, rto, rpo, measured };
  if (rto === undefined && rpo === undefined) {
    return { ...said, verdict: "no-objective", because: "no objective is stated" };
  }
  if (measured === undefined || rto === undefined) {
    return { ...said, verdict: "not-measured", because: "nothing was failed over, and nothing drilled" };
  }
  const met = measured.openAfter <= rto;
  return {
    ...said,
    verdict: met ? "met" : "missed",
    because: `open ${measured.openAfter} ms after the decision of epoch ${measured.epoch}, the objective is ${rto} ms`,
  };
}
