/** When a group is looked at: `group_wait` after it appeared, then every `group_interval`. */
import { formatDuration, type Instant } from "../../kernel/time.js";
import type { Route } from "./config.js";

export interface GroupTimes {
  readonly createdAt: Instant;
  /** Undefined: never yet. */
  readonly flushedAt: Instant | undefined;
}

/** Since when this process could know of all alerts. */
export interface StartTimes {
  readonly startedAt: Instant;
  /** Every rule has been judged since the start. */
  readonly rulesJudged: boolean;
}

export interface GroupDue {
  readonly due: boolean;
  /** When it is looked at next, as far as time alone decides. */
  readonly at: Instant;
  readonly because: string;
}

/**
 * A group that was never told waits its `group_wait` anew after a start, however old its alerts are: right after a
 * start alerts arrive in no order, and what inhibits them may come last. Nobody is told anything before the rules have
 * been judged once.
 */
export function groupDue(
  { groupWait, groupInterval }: Pick<Route, "groupWait" | "groupInterval">,
  { createdAt, flushedAt }: GroupTimes,
  { startedAt, rulesJudged }: StartTimes,
  now: Instant,
): GroupDue {
  const first = flushedAt === undefined;
  const at = first ? Math.max(createdAt, startedAt) + groupWait : flushedAt + groupInterval;
  if (now < at) {
    const named = first ? "group_wait" : "group_interval";
    return { due: false, at, because: `${formatDuration(at - now)} of ${named} are left` };
  }
  if (!rulesJudged) return { due: false, at, because: "the rules have not all been judged since the start" };
  return { due: true, at, because: first ? "group_wait has passed" : "group_interval has passed" };
}
