/** Whether an alert comes and goes so often that telling of each time would say less than telling once. */
import { formatDuration, type Instant } from "../../kernel/time.js";
import { type Flapping, TURNS_MAX } from "./rule-extensions.js";

/** The times that still count, `now` among them when the alert fires anew; oldest first, at most TURNS_MAX. */
export function recentTurns(
  turns: readonly Instant[],
  firesAnew: boolean,
  { within }: Flapping,
  now: Instant,
): readonly Instant[] {
  const recent = turns.filter((at) => now - at < within);
  return (firesAnew ? [...recent, now] : recent).slice(-TURNS_MAX);
}

/** One sentence when it flaps; undefined when it does not. */
export function flapReason(turns: readonly Instant[], { times, within }: Flapping): string | undefined {
  if (turns.length < times) return undefined;
  return `it fired ${turns.length} times within ${formatDuration(within)}, ${times} count as flapping`;
}
