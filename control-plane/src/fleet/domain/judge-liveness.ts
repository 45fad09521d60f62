/** Whether a node lives, judged from the last word heard of it. */
import { type Duration, formatDuration, type Instant, SECOND } from "../../kernel/time.js";
import { HEARTBEAT, type Liveness } from "./agent.js";

/** How often nodes are judged. */
export const JUDGE_INTERVAL: Duration = SECOND;

/** Two heartbeats were missed. */
export const LATE_AFTER: Duration = 2 * HEARTBEAT;

/** A silent node is noticed within 15 s of its last word: one interval of judging is kept back from that. */
export const LOST_AFTER: Duration = 15 * SECOND - JUDGE_INTERVAL;

/**
 * How long agents are given to come back after their replica went away or has just started: their longest wait
 * between two tries. Without it each restart of the control plane would call the whole fleet lost.
 */
export const RETURN_ALLOWANCE: Duration = 30 * SECOND;

export interface LivenessFacts {
  readonly revokedAt: Instant | undefined;
  readonly revokedBecause: string;
  /** The last word of any kind; undefined when it never connected. */
  readonly heardAt: Instant | undefined;
  /** Since when it could have been heard, when that is later than the last word: a replica's end, a start. */
  readonly excusedUntil: Instant | undefined;
  /** When the last of its certificates expires. */
  readonly certificateExpiresAt: Instant | undefined;
  /** Why its stream ended, when it has. */
  readonly streamEnded: string | undefined;
}

export interface LivenessVerdict {
  readonly liveness: Liveness;
  readonly because: string;
}

/** Answers with the state and one sentence of why. A last word in the future counts as now: clocks jump. */
export function judgeLiveness(facts: LivenessFacts, now: Instant): LivenessVerdict {
  if (facts.revokedAt !== undefined) {
    const why = facts.revokedBecause === "" ? "" : `: ${facts.revokedBecause}`;
    return { liveness: "revoked", because: `revoked ${ago(now - facts.revokedAt)}${why}` };
  }
  if (facts.heardAt === undefined) return { liveness: "never-seen", because: "it has never connected" };

  const silence = Math.max(0, now - facts.heardAt);
  const counted = Math.max(0, now - Math.max(facts.heardAt, facts.excusedUntil ?? 0));
  // Excused means not accused anew; what is live for want of evidence stays as it is said below.
  if (counted <= LATE_AFTER) {
    if (silence <= LATE_AFTER) return { liveness: "live", because: "heard within two heartbeats" };
    return {
      liveness: "live",
      because: `not heard for ${seconds(silence)}, while the control plane could not hear it`,
    };
  }
  const why = reason(facts, now);
  if (counted < LOST_AFTER) return { liveness: "late", because: `not heard for ${seconds(silence)}${why}` };
  return { liveness: "lost", because: `not heard for ${seconds(silence)}${why}` };
}

/** The best known reason of a silence. An expired certificate comes first: with it no agent can come back. */
function reason(facts: LivenessFacts, now: Instant): string {
  const expired = facts.certificateExpiresAt;
  if (expired !== undefined && expired <= now) {
    return `: its certificate expired ${ago(now - expired)}; it must enroll again`;
  }
  return facts.streamEnded === undefined ? "" : `: ${facts.streamEnded}`;
}

/** The reason as it is told later: what was found when the node was lost, and that its certificate has run out since. */
export function lostBecause(
  because: string,
  certificateExpiresAt: Instant | undefined,
  now: Instant,
): string {
  if (certificateExpiresAt === undefined || certificateExpiresAt > now || because.includes("certificate"))
    return because;
  return `${because}; its certificate has expired since, ${ago(now - certificateExpiresAt)}: it must enroll again`;
}

function seconds(silence: Duration): string {
  return formatDuration(Math.floor(silence / SECOND) * SECOND);
}

function ago(past: Duration): string {
  return `${seconds(Math.max(0, past))} ago`;
}
