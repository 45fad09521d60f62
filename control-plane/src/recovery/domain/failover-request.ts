/** What a person asks of a cluster under failover, and who may answer it. */
import type { ControlEvent } from "@mainstay/proto/failover/control-state";
import type { Actor } from "../../kernel/actor.js";
import { type Duration, type Instant, MINUTE } from "../../kernel/time.js";

/** The first two are planned; the last three answer a decision that waits for a person. */
export type RequestKind = "switchover" | "force" | "pause" | "resume" | "approve" | "refuse" | "vouch";

/** `waiting` is for whoever drives the cluster to take up; the last three are ends. */
export type RequestState = "waiting-for-approval" | "waiting" | "done" | "refused" | "lapsed";

export interface FailoverRequest {
  readonly id: string;
  readonly cluster: string;
  readonly kind: RequestKind;
  /** Empty: whoever is fit. */
  readonly to: string;
  readonly reason: string;
  /** Of the decision that is answered, or that it led to. */
  readonly epoch: number | undefined;
  readonly acceptLoss: boolean;
  readonly requestedBy: Actor;
  readonly requestedAt: Instant;
  readonly state: RequestState;
  readonly because: string;
  readonly decidedBy: Actor | undefined;
  readonly planHash: string;
  /** Empty when it is no drill. */
  readonly drill: string;
}

/** What was planned is not what would be done much later. */
export const REQUEST_LAPSES_AFTER: Duration = 15 * MINUTE;

/** Why this person may not answer what that one asked for; undefined when they may. */
export function whyNotAnswer(requester: Actor, answerer: Actor): string | undefined {
  return requester.name === answerer.name
    ? `${answerer.name} asked for it: another person has to answer`
    : undefined;
}

/** What it is to the reducer. */
export function eventOf(request: FailoverRequest): ControlEvent {
  const { kind, to, reason, acceptLoss, requestedBy, decidedBy } = request;
  const epoch = request.epoch ?? 0;
  const by =
    decidedBy === undefined ? requestedBy.name : `${requestedBy.name}, approved by ${decidedBy.name}`;
  switch (kind) {
    case "switchover":
      return { kind, to: to === "" ? null : to, by };
    case "force":
      return { kind, by, reason };
    case "pause":
    case "resume":
      return { kind, by };
    case "approve":
      return { kind, epoch, by, reason, acceptLoss };
    case "refuse":
      return { kind, epoch, by, reason };
    case "vouch":
      return { kind: "stonith", epoch, by };
  }
}
