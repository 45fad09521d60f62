/**
 * The states of one alert, and the next one.
 *
 *   inactive ──► pending ──► firing ──► resolved ──► pending …
 *       ▲────────────┘
 *
 * The moves and their times are Prometheus': an alert fires when its condition has held for at least `for`, and goes
 * on for `keep_firing_for` after the condition went.
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
      /** Since when the condition no longer holds and only keep_firing_for keeps it. */
      readonly keptSince?: Instant;
    }
  | {
      readonly kind: "resolved";
      readonly activeAt: Instant;
      readonly firedAt: Instant;
      readonly resolvedAt: Instant;
    };

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
  holds: boolean,
  times: HoldTimes,
  now: Instant,
): NextAlertState {
  return holds ? whenHolds(state, times, now) : whenNot(state, times, now);
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

function whenNot(state: AlertState, { keepFiringFor }: HoldTimes, now: Instant): NextAlertState {
  switch (state.kind) {
    case "inactive":
    case "resolved":
      return { state, because: "the condition does not hold" };
    case "pending":
      return { state: { kind: "inactive" }, because: "the condition ceased to hold before `for` had passed" };
    case "firing": {
      const since = state.keptSince ?? now;
      if (keepFiringFor > 0 && now - since < keepFiringFor) {
        return {
          state: { ...state, keptSince: since },
          because: `the condition ceased to hold ${formatDuration(now - since)} ago; keep_firing_for is ${formatDuration(keepFiringFor)}`,
        };
      }
      return {
        state: { kind: "resolved", activeAt: state.activeAt, firedAt: state.firedAt, resolvedAt: now },
        because: "the condition no longer holds",
      };
    }
  }
}
