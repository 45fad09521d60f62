/** What the journal is told of the safety budget. */
import type { NewEntry } from "../journal/domain/entry.js";
import type { Actor } from "../kernel/actor.js";
import type { Instant } from "../kernel/time.js";

export function entry(
  kind: string,
  subject: string,
  actor: Actor,
  because: string,
  at: Instant,
  facts: NewEntry["facts"] = {},
): NewEntry {
  return { at, kind, subject, actor, because, facts };
}
