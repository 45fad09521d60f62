/**
 * The states of one alert, and the next one.
 *
 *   inactive ──► pending ──► firing ──► resolved ──► pending …
 *       ▲────────────┘
 *
 * The moves and their times are Prometheus': an alert fires when its condition has held for at least `for`, and goes
 * on for `keep_firing_for` after the condition went. Beyond Prometheus, a rule may name an expression that has to hold
 * before an alert resolves, and an alert that fires again and again goes on until it has been quiet.
 */
import { type Duration, formatDuration, type Instant } from "../../kernel/time.js";

export type AlertState =
  | { readonly kind: "inactive" }
  /** The condition holds, not yet for long enough. */
  | { readonly kind: "pending"; readonly activeAt: Instant }
  | {
      readonly kind: "firing";
      readonly activeAt: Instant;
      readonly firedAt: Instant;
      /** Since when the condition no longer holds, and only keep_firing_for, the resolve expression or flapping keeps it. */
      readonly keptSince?: Instant;
    }
  | {
      readonly kind: "resolved";
      readonly activeAt: Instant;
      readonly firedAt: Instant;
      readonly resolvedAt: Instant;
    };

/** What is known of an alert's condition now. */
export interface Condition {
  readonly holds: boolean;
  /** False: the rule's resolve expression does not hold (yet). @default true */
  readonly resolves?: boolean;
  /** Why it counts as flapping; absent when it does not. */
  readonly flapping?: string;
}

export interface HoldTimes {
  readonly holdFor: Duration;
  readonly keepFiringFor: Duration;
}

export interface NextAlertState {
  readonly state: AlertState;
  readonly because: string;
}

/** The next state of one alert. Never throws. */
export function nextAlertState(
  state: AlertState,
  condition: boolean | Condition,
  times: HoldTimes,
  now: Instant,
): NextAlertState {
  const known = typeof condition === "boolean" ? { holds: condition } : condition;
  return known.holds ? whenHolds(state, times, now) : whenNot(state, known, times, now);
}

function whenHolds(state: AlertState, { holdFor }: HoldTimes, now: Instant): NextAlertState {
  switch (state.kind) {
    case "firing":
      return {
        state: { kind: "firing", activeAt: state.activeAt, firedAt: state.firedAt },
        because: "the condition holds",
      };
    case "pending":
      if (now - state.activeAt < holdFor) {
        return {
          state,
          because: `the condition has held for ${formatDuration(now - state.activeAt)} of ${formatDuration(holdFor)}`,
        };
      }
      return {
        state: { kind: "firing", activeAt: state.activeAt, firedAt: now },
        because: `the condition has held for ${formatDuration(now - state.activeAt)}, at least ${formatDuration(holdFor)}`,
      };
    case "inactive":
    case "resolved":
      if (holdFor > 0)
        return { state: { kind: "pending", activeAt: now }, because: "the condition has begun to hold" };
      return {
        state: { kind: "firing", activeAt: now, firedAt: now },
        because: "the condition holds and the rule has no `for`",
      };
  }
}

function whenNot(
  state: AlertState,
  { resolves, flapping }: Condition,
  { keepFiringFor }: HoldTimes,
  now: Instant,
): NextAlertState {
  switch (state.kind) {
    case "inactive":
    case "resolved":
      return { state, because: "the condition does not hold" };
    case "pending":
      return { state: { kind: "inactive" }, because: "the condition ceased to hold before `for` had passed" };
    case "firing": {
      const since = state.keptSince ?? now;
      const kept = (why: string): NextAlertState => ({
        state: { ...state, keptSince: since },
        because: `the condition ceased to hold ${formatDuration(now - since)} ago; ${why}`,
      });
      if (keepFiringFor > 0 && now - since < keepFiringFor)
        return kept(`keep_firing_for is ${formatDuration(keepFiringFor)}`);
      if (resolves === false) return kept("the resolve expression does not hold yet");
      if (flapping !== undefined) return kept(`it is flapping: ${flapping}`);
      return {
        state: { kind: "resolved", activeAt: state.activeAt, firedAt: state.firedAt, resolvedAt: now },
        because: "the condition no longer holds",
      };
    }
  }
}
