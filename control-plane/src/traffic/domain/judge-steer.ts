/** Whether traffic is to be steered, is there already, or was steered by someone later; and whether all of it has moved. */
import { type Duration, formatDuration, type Instant, SECOND } from "../../kernel/time.js";
import type { TrafficObservation } from "./observation.js";

export type SteerVerdict =
  | { readonly kind: "steer"; readonly because: string }
  | { readonly kind: "there"; readonly because: string }
  /** What was asked is older than what stands there. */
  | { readonly kind: "stale"; readonly because: string };

/** Before anything is done, and again after it. */
export function judgeSteer(
  { to, epoch }: { readonly to: string; readonly epoch: number },
  seen: TrafficObservation,
): SteerVerdict {
  if (seen.epoch !== undefined && seen.epoch > epoch)
    return { kind: "stale", because: `epoch ${seen.epoch} stands there, this is epoch ${epoch}` };
  const goes = seen.goesTo.join(", ") || "nowhere";
  if (!goesOnlyTo(seen, to)) return { kind: "steer", because: `traffic goes to ${goes}` };
  if (seen.keepsEpoch && seen.epoch !== epoch) {
    const stands = seen.epoch === undefined ? "no epoch stands" : `epoch ${seen.epoch} stands`;
    return { kind: "steer", because: `traffic goes to ${to}, but ${stands} there and not ${epoch}` };
  }
  const since = seen.keepsEpoch ? ` since epoch ${epoch}` : "";
  return { kind: "there", because: `traffic goes to ${to}${since}` };
}

export const goesOnlyTo = ({ goesTo }: TrafficObservation, to: string): boolean =>
  goesTo.length === 1 && goesTo[0] === to;

export type MoveVerdict =
  | { readonly kind: "moved"; readonly because: string }
  | { readonly kind: "moving"; readonly because: string }
  /** It was steered and goes elsewhere now. */
  | { readonly kind: "lost"; readonly because: string };

/**
 * Whether the last client has moved: what it was told before has run out, and no connection is left elsewhere. `hold` is
 * how long clients might keep what they were told before `steeredAt`.
 */
export function judgeMoved(
  {
    to,
    epoch,
    steeredAt,
    hold,
  }: { readonly to: string; readonly epoch: number; readonly steeredAt: Instant; readonly hold: Duration },
  seen: TrafficObservation,
  now: Instant,
): MoveVerdict {
  const verdict = judgeSteer({ to, epoch }, seen);
  if (verdict.kind !== "there") return { kind: "lost", because: verdict.because };
  const left = steeredAt + hold - now;
  if (left > 0) {
    const rounded = Math.ceil(left / SECOND) * SECOND;
    return { kind: "moving", because: `clients may keep the old answer for ${formatDuration(rounded)} more` };
  }
  if (seen.elsewhere !== undefined && seen.elsewhere > 0)
    return { kind: "moving", because: `${seen.elsewhere} connections elsewhere are still open` };
  return { kind: "moved", because: `all clients have moved to ${to}` };
}
