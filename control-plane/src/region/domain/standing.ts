/** How a part of a region was last seen, here and there; kept, so that what a move would cost now is known beforehand. */
import type { Duration, Instant } from "../../kernel/time.js";
import type { Missing } from "./cascade.js";

export interface Seen {
  /** Whether the part in the region that may be lost still does its work; `none`: there is none, or nothing can be seen of it. */
  readonly from: "alive" | "lost" | "none";
  /** `active`: it does the work there already. */
  readonly to: "active" | "ready" | "not-ready";
  /** Up to when `to` has what was written; null: nothing tells; absent: nothing can be lost, or it cannot be seen now. */
  readonly asOf?: Instant | null;
  readonly because: string;
}

export interface Standing extends Seen {
  readonly at: Instant;
  /** When the part was last seen to do its work; undefined while it does. */
  readonly lostSince?: Instant;
}

export function nextStanding(before: Standing | undefined, seen: Seen, at: Instant): Standing {
  const lostSince =
    seen.from !== "lost" ? undefined : before?.from === "alive" ? before.at : (before?.lostSince ?? at);
  // What cannot be asked any more still has what it had.
  const asOf = seen.asOf === undefined ? before?.asOf : seen.asOf;
  const { from, to, because } = seen;
  return {
    at,
    from,
    to,
    because,
    ...(lostSince === undefined ? {} : { lostSince }),
    ...(asOf === undefined ? {} : { asOf }),
  };
}

/** What was written from `asOf` until the loss is missing, at most; until now while it is not lost. */
export function missingOf({ asOf, lostSince, at }: Standing): Missing | undefined {
  if (asOf === undefined || asOf === null) return asOf;
  return Math.max(0, (lostSince ?? at) - asOf);
}

/** What was seen longer ago says nothing about now. */
export const SEEN_WITHIN: Duration = 20_000;
