/** What to do with a verified order. Pure: everything that is known comes in, the decision and its reason come out. */

import type { ActionArguments, VerifiedOrder } from "./command.js";
import type { Verdict } from "./verdict.js";

/** All that the decision needs. Times are ms since the epoch. */
export interface OrderFacts {
  readonly order: VerifiedOrder;
  readonly nodeId: string;
  /** The control plane's time, as well as it is known here. */
  readonly now: number;
  /** The journal knows this command in this mode. */
  readonly isKnown: boolean;
  /** The highest generation seen for this command; undefined when there was none. */
  readonly generationSeen: bigint | undefined;
  /** The command was cancelled before its order came. */
  readonly cancelledBecause: string | undefined;
  /** The journal and the queue have room. */
  readonly hasRoom: boolean;
  readonly verdict: Verdict;
  /** For a run: what the plan it names was made of; undefined when this agent made no such plan. */
  readonly plan: PlannedFor | undefined;
}

/** What a plan was made for. */
export interface PlannedFor {
  readonly action: string;
  /** Canonical JSON. */
  readonly arguments: string;
}

/** The decision. A lasting refusal is this command's answer for ever; a passing one leaves no trace in the journal. */
export type Judgement =
  | { readonly kind: "accept"; readonly arguments: ActionArguments }
  | { readonly kind: "repeat" }
  | { readonly kind: "refuse"; readonly lasting: boolean; readonly because: string; readonly detail: string };

/** Judges in the order: for whom, known already, in time, in order, allowed, planned, room. */
export function judgeOrder(facts: OrderFacts, argumentsText: (args: ActionArguments) => string): Judgement {
  const { order, verdict } = facts;
  if (order.nodeId !== facts.nodeId) {
    return refuse(
      false,
      "wrong-node",
      `the order is for node ${order.nodeId.slice(0, 64)}, this is ${facts.nodeId}`,
    );
  }
  if (facts.generationSeen !== undefined && order.generation < facts.generationSeen) {
    return refuse(
      false,
      "old-generation",
      `generation ${order.generation}: generation ${facts.generationSeen} was seen already`,
    );
  }
  if (facts.isKnown) return { kind: "repeat" };
  if (facts.now >= order.expiresAt) {
    return refuse(true, "expired", `not to be started after ${new Date(order.expiresAt).toISOString()}`);
  }
  if (facts.cancelledBecause !== undefined) return refuse(true, "cancelled", facts.cancelledBecause);
  if (verdict.kind === "deny") return refuse(true, verdict.because, verdict.detail);
  if (order.mode === "run") {
    if (facts.plan === undefined) {
      return refuse(
        true,
        "unknown-plan",
        `this agent made no plan with the hash ${JSON.stringify(order.planHash.slice(0, 64))}`,
      );
    }
    if (facts.plan.action !== order.action || facts.plan.arguments !== argumentsText(verdict.arguments)) {
      return refuse(
        true,
        "other-plan",
        `the plan was made for ${facts.plan.action} ${facts.plan.arguments.slice(0, 500)}`,
      );
    }
  }
  if (!facts.hasRoom) return refuse(false, "busy", "too many orders wait on this host or in its journal");
  return { kind: "accept", arguments: verdict.arguments };
}

function refuse(lasting: boolean, because: string, detail: string): Judgement {
  return { kind: "refuse", lasting, because, detail };
}
