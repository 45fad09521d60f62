/**
 * Whether the process still turns: from how late its own timer came. No dependency is asked, for a restart of this
 * process would not mend one.
 */
import { type Duration, type Instant, SECOND } from "../../kernel/time.js";

/** One look: the timer came this much later than asked. */
export interface LagSample {
  readonly at: Instant;
  readonly lag: Duration;
}

export const LAG_MAX: Duration = 5 * SECOND;

/** Samples older than this are not looked at: a process that has recovered is live again at the next probe. */
export const LAG_WINDOW: Duration = 10 * SECOND;

export type LivenessVerdict =
  | { readonly kind: "live"; readonly worstLag: Duration }
  | { readonly kind: "hung"; readonly worstLag: Duration; readonly because: string };

/** `dueAt` is when the next sample was due: a timer that has not come counts with its lag so far. Times are monotonic. */
export function judgeLiveness(samples: readonly LagSample[], dueAt: Instant, now: Instant): LivenessVerdict {
  let worstLag = Math.max(0, now - dueAt);
  for (const sample of samples) {
    if (now - sample.at <= LAG_WINDOW) worstLag = Math.max(worstLag, sample.lag);
  }
  if (worstLag <= LAG_MAX) return { kind: "live", worstLag };
  return { kind: "hung", worstLag, because: `the event loop stood still for ${Math.round(worstLag)} ms` };
}
