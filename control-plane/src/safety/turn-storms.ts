/** Stores what becomes of storms, with their beginning and end in the journal. */
import type { NewEntry } from "../journal/domain/entry.js";
import { appendEntries } from "../journal/journal.module.js";
import { SYSTEM } from "../kernel/actor.js";
import type { Instant } from "../kernel/time.js";
import type { Transaction } from "../platform/postgres/database.js";
import { domainName, type SafetyPolicy } from "./domain/safety-policy.js";
import { CALM, type DomainHealth, explainStorm, nextStorm, type Storm } from "./domain/storm.js";
import { entry } from "./journalled-safety.js";
import { readStorms, saveStorm } from "./safety.store.js";

/** Under the safety lock. `found` are all domains there are. */
export async function turnStorms(
  tx: Transaction,
  found: readonly (DomainHealth & { readonly label: string; readonly value: string })[],
  policy: SafetyPolicy,
  now: Instant,
): Promise<void> {
  const storms = await readStorms(tx);
  const entries: NewEntry[] = [];
  const known = new Set<string>();
  for (const { label, value, nodes, unhealthy } of found) {
    const name = domainName(label, value);
    known.add(name);
    entries.push(...(await turn(tx, name, storms.get(name) ?? CALM, { nodes, unhealthy }, policy, now)));
  }
  // A domain without nodes, or one that the policy names no more, has no storm.
  for (const [name, storm] of storms) {
    if (!known.has(name))
      entries.push(...(await turn(tx, name, storm, { nodes: 0, unhealthy: 0 }, policy, now)));
  }
  await appendEntries(tx, entries);
}

/** Stores what becomes of one domain's storm; answers what the journal is to be told. */
async function turn(
  tx: Transaction,
  name: string,
  before: Storm,
  health: DomainHealth,
  policy: SafetyPolicy,
  now: Instant,
): Promise<readonly NewEntry[]> {
  const storm = nextStorm(before, health, policy.storm, now);
  if (storm === before) return [];
  const because =
    storm.kind === "calm"
      ? `${name} has been within its limit for long enough`
      : explainStorm(name, storm, health, policy.storm, now);
  await saveStorm(tx, name, storm, because);
  // What only gathers and passes is no news.
  if ((storm.kind === "storm") === (before.kind === "storm")) return [];
  const kind = storm.kind === "storm" ? "safety.storm-began" : "safety.storm-ended";
  return [entry(kind, `domain:${name}`, SYSTEM, because, now, { ...health })];
}
