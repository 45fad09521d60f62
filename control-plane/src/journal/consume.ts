/**
 * Hands each new entry to a room once: the position moves in the same transaction as the room's effect.
 */
import type { Database, Transaction } from "../platform/postgres/database.js";
import type { Entry } from "./domain/entry.js";
import { lockPosition, readEntries, savePosition } from "./journal.store.js";

export interface Consumer {
  /** Names the position; stable over releases. */
  readonly name: string;
  /** A kind, or with a trailing dot a family of kinds. */
  readonly kind: string;
  /** Handles one entry within the transaction. Throwing leaves the position where it was; the entry comes again. */
  readonly take: (tx: Transaction, entry: Entry) => Promise<void>;
}

/** Entries handled in one transaction, so that a failure repeats little. */
const BATCH = 50;

/** Handles what is new, at most `BATCH` entries; answers how many. Replicas take turns by the position's row lock. */
export function consumeOnce(database: Database, consumer: Consumer): Promise<number> {
  return database.transaction(async (tx) => {
    const position = await lockPosition(tx, consumer.name);
    const entries = await readEntries(tx, { after: position, kind: consumer.kind, limit: BATCH });
    for (const entry of entries) await consumer.take(tx, entry);
    const last = entries.at(-1);
    if (last !== undefined) await savePosition(tx, consumer.name, last.position);
    return entries.length;
  });
}
