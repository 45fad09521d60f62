/** What a primary owes to its holders, and what follows from it about who may be promoted. */
import type { Holders, Lsn, NodeId } from "./words.js";

export const nobody = (version: number): Holders => ({ version, members: [], required: 0 });

/** Whatever fulfils `one` fulfils `other`: any `one.required` of its members have `other.required` among them. */
export function implies(one: Holders, other: Holders): boolean {
  const outside = one.members.filter((member) => !other.members.includes(member)).length;
  return Math.max(0, one.required - outside) >= other.required;
}

/**
 * One demand that fulfils each of `several`: PostgreSQL takes a single list. Where none of them implies the others, all
 * members of all of them.
 */
export function strictest(several: readonly Holders[]): Holders {
  const version = several.reduce((highest, holders) => Math.max(highest, holders.version), 0);
  const one = several.find((holders) => several.every((other) => implies(holders, other)));
  if (one !== undefined) return { ...one, version };
  const members = [...new Set(several.flatMap((holders) => holders.members))].sort();
  return { version, members, required: members.length };
}

/** How far the holders have everything: the position that at least `required` of them have reached. */
export function heldUpTo(holders: Holders, flushed: Readonly<Record<NodeId, Lsn>>): Lsn {
  if (holders.required === 0) return Number.POSITIVE_INFINITY;
  const positions = holders.members.map((member) => flushed[member] ?? 0).sort((a, b) => b - a);
  return positions[holders.required - 1] ?? 0;
}

/** How many of them must be asked so that at least one of those asked has every write that counts. */
export const askedToKnowAll = (holders: Holders): number => holders.members.length - holders.required + 1;

/** Everyone in `members`, of whom `required`, or as many as there are, must hold a write. */
export const holdersOf = (version: number, members: readonly NodeId[], required: number): Holders => ({
  version,
  members,
  required: Math.min(required, members.length),
});
