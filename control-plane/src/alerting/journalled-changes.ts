/** What alerts did, as the journal has it. */
import { z } from "zod";
import type { Entry } from "../journal/domain/entry.js";
import { readEntries } from "../journal/journal.module.js";
import type { Instant } from "../kernel/time.js";
import type { Database } from "../platform/postgres/database.js";
import type { StateChange } from "./domain/firings.js";

const TO: Readonly<Record<string, StateChange["to"]>> = {
  "alert.pending": "pending",
  "alert.fired": "firing",
  "alert.resolved": "resolved",
  "alert.inactive": "inactive",
};
const FACTS = z.looseObject({ labels: z.record(z.string(), z.string()), value: z.string().default("") });

/** Entries read at a time, and at most. */
const BATCH = 2_000;
const ENTRIES_MAX = 50_000;

function changeOf({ kind, facts, at }: Entry): StateChange | undefined {
  const to = TO[kind];
  const parsed = FACTS.safeParse(facts);
  if (to === undefined || !parsed.success) return undefined;
  return { at, to, labels: parsed.data.labels, value: Number(parsed.data.value) };
}

export interface JournalledChanges {
  /** By rule name; each in order of time. */
  readonly byRule: ReadonlyMap<string, readonly StateChange[]>;
  /** False: there was more than could be read. */
  readonly complete: boolean;
}

/** The changes of state of alerts of these rules, or of all, between two times, both inclusive. */
export async function readChanges(
  database: Database,
  rules: ReadonlySet<string> | "all",
  from: Instant,
  to: Instant,
): Promise<JournalledChanges> {
  const byRule = new Map<string, StateChange[]>();
  const entries = await newestEntries(database, from);
  for (const entry of entries.found) {
    if (entry.at < from || entry.at > to) continue;
    if (rules !== "all" && !rules.has(entry.actor.name)) continue;
    const change = changeOf(entry);
    if (change === undefined) continue;
    const its = byRule.get(entry.actor.name);
    if (its === undefined) byRule.set(entry.actor.name, [change]);
    else its.push(change);
  }
  return { byRule, complete: entries.complete };
}

/** Entries on alerts since `from`, oldest first; the newest of them when they are too many. */
async function newestEntries(
  database: Database,
  from: Instant,
): Promise<{ readonly found: readonly Entry[]; readonly complete: boolean }> {
  for (let limit = BATCH; ; limit *= 5) {
    const found = await readEntries(database, {
      kind: "alert.",
      limit: Math.min(limit, ENTRIES_MAX),
      tail: true,
    });
    const first = found[0];
    if (found.length < Math.min(limit, ENTRIES_MAX) || first === undefined || first.at < from)
      return { found, complete: true };
    if (limit >= ENTRIES_MAX) return { found, complete: false };
  }
}
