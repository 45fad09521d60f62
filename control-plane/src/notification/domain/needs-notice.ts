/**
 * Whether a group's receiver has to be told something, and why. The rules are Alertmanager's: at once when something
 * new fires, when all is over, and when something is over that the receiver wants to hear of; else again after
 * `repeat_interval`.
 */
import { type Duration, formatDuration, type Instant } from "../../kernel/time.js";

/** What a receiver was told last of a group; fingerprints. */
export interface Told {
  readonly firing: readonly string[];
  readonly resolved: readonly string[];
  readonly at: Instant;
  /** The notice was given up: nobody heard it. */
  readonly undelivered?: boolean;
}

export interface NoticeWishes {
  readonly sendResolved: boolean;
  readonly repeatInterval: Duration;
}

export type NoticeReason = "first" | "changed" | "resolved" | "repeat" | "undelivered";

export type NoticeNeed =
  | { readonly kind: "send"; readonly reason: NoticeReason; readonly because: string }
  /** Nothing is sent, and what was told counts as this from now on. */
  | { readonly kind: "note"; readonly because: string }
  | { readonly kind: "nothing"; readonly because: string };

/** `firing` and `resolved` are what the receiver may hear of the group now. Never throws. */
export function needsNotice(
  told: Told | undefined,
  firing: ReadonlySet<string>,
  resolved: ReadonlySet<string>,
  { sendResolved, repeatInterval }: NoticeWishes,
  now: Instant,
): NoticeNeed {
  if (told === undefined) {
    if (firing.size === 0) return { kind: "nothing", because: "it was over before anyone was told of it" };
    return { kind: "send", reason: "first", because: `${count(firing.size)} and nobody has been told` };
  }
  const known = new Set(told.firing);
  const fresh = [...firing].filter((fingerprint) => !known.has(fingerprint)).length;
  // Something fires that the last notice did not name.
  if (fresh > 0) return { kind: "send", reason: "changed", because: `${count(fresh)} that was not told of` };
  if (firing.size === 0) {
    if (known.size === 0) return { kind: "nothing", because: "that all is over has been told" };
    // Muted alerts come here as none at all; only what is known to be over ends a group.
    if (resolved.size === 0) return { kind: "nothing", because: "nothing of it may be heard" };
    return sendResolved
      ? { kind: "send", reason: "resolved", because: "all that was told of is over" }
      : { kind: "note", because: "all is over, and this receiver does not ask to hear of it" };
  }
  const ended = [...resolved].filter((fingerprint) => !told.resolved.includes(fingerprint)).length;
  if (sendResolved && ended > 0)
    return { kind: "send", reason: "resolved", because: `${ended} of what was told of is over` };
  if (told.undelivered === true)
    return { kind: "send", reason: "undelivered", because: "the last notice was given up undelivered" };
  const since = now - told.at;
  if (since >= repeatInterval) {
    const because = `told ${formatDuration(since)} ago, repeat_interval is ${formatDuration(repeatInterval)}`;
    return { kind: "send", reason: "repeat", because };
  }
  return { kind: "nothing", because: `told ${formatDuration(since)} ago and nothing has changed` };
}

const count = (alerts: number): string => (alerts === 1 ? "1 alert fires" : `${alerts} alerts fire`);
