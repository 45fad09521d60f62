/** When alerts of rules fired over a stretch of the past, as far as it is stored. */
import { labelsKey } from "../kernel/labels.js";
import { DAY, type Duration, type Instant } from "../kernel/time.js";
import type { Database } from "../platform/postgres/database.js";
import { readAlerts } from "./alerts.store.js";
import { FIRINGS_MAX, type Firing, firingsOf } from "./domain/firings.js";
import { readChanges } from "./journalled-changes.js";

export interface PastFirings {
  readonly firings: readonly Firing[];
  /** What is not among them, and why; empty when they are whole. */
  readonly notes: readonly string[];
}

/** What began before that is known only while its alert is kept. */
const LOOKED_BACK: Duration = 2 * DAY;

/** All firings of which a part lies between `from` and `to`. */
export async function readFirings(database: Database, from: Instant, to: Instant): Promise<PastFirings> {
  const changes = await readChanges(database, "all", from - LOOKED_BACK, to);
  const firings = new Map<string, Firing>();
  const notes: string[] = [];
  for (const [rule, its] of changes.byRule) {
    const found = firingsOf(its);
    if (found.length >= FIRINGS_MAX)
      notes.push(`only the first ${FIRINGS_MAX} firings of rule ${rule} are taken`);
    for (const firing of found) firings.set(keyOf(firing), firing);
  }
  for (const { labels, state, value } of await readAlerts(database, from)) {
    if (state.kind === "pending" || state.firedAt > to) continue;
    const resolvedAt = state.kind === "resolved" ? state.resolvedAt : undefined;
    const firing: Firing = { labels, firedAt: state.firedAt, resolvedAt, value };
    const key = keyOf(firing);
    if (!firings.has(key)) firings.set(key, firing);
  }
  if (!changes.complete)
    notes.push("the journal holds more changes than could be read: early firings are missing");
  const touching = ({ resolvedAt }: Firing): boolean => resolvedAt === undefined || resolvedAt >= from;
  return { firings: [...firings.values()].filter(touching), notes };
}

const keyOf = ({ labels, firedAt }: Firing): string => `${labelsKey(labels)}\n${firedAt}`;
