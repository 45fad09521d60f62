/**
 * The journal in PostgreSQL. Appends come one after another, under a lock held to the end of their transaction, so
 * that position order is commit order and a reader never passes over an entry that commits late.
 */
import type { Actor } from "../kernel/actor.js";
import type { Json } from "../kernel/canonical-json.js";
import { canonicalJson } from "../kernel/canonical-json.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { prepared, type Sql, sql } from "../platform/postgres/sql.js";
import { sha256Hex } from "../platform/system.js";
import {
  type ChainVerdict,
  chainEntries,
  type Entry,
  GENESIS,
  type Head,
  type NewEntry,
  verifyEntries,
} from "./domain/entry.js";

/** The advisory lock of appends, and the channel that says there is something new. */
const JOURNAL_LOCK = 7_301_002;
export const JOURNAL_CHANNEL = "journal";

/** Entries read at once while verifying. */
const VERIFY_BATCH = 5_000;

interface Row {
  position: string;
  at: Date;
  kind: string;
  subject: string;
  actor_kind: string;
  actor_name: string;
  because: string;
  facts: string;
  traceparent: string;
  hash: string;
}

function toEntry(row: Row): Entry {
  return {
    position: Number(row.position),
    at: row.at.getTime(),
    kind: row.kind,
    subject: row.subject,
    actor: { kind: row.actor_kind as Actor["kind"], name: row.actor_name },
    because: row.because,
    facts: JSON.parse(row.facts) as { [name: string]: Json },
    ...(row.traceparent === "" ? {} : { traceparent: row.traceparent }),
    hash: row.hash,
  };
}

const COLUMNS: Sql = sql`position, at, kind, subject, actor_kind, actor_name, because, facts, traceparent, hash`;

/** Appends in the caller's transaction, so that a change and its entry are stored together or not at all. */
export async function appendEntries(
  tx: Transaction,
  entries: readonly NewEntry[],
): Promise<readonly Entry[]> {
  if (entries.length === 0) return [];
  await tx.query(prepared(sql`select pg_advisory_xact_lock(${JOURNAL_LOCK})`));
  const chained = chainEntries(await readHead(tx), entries.map(whole), sha256Hex);
  await tx.query(
    prepared(sql`
    with told as (select pg_notify(${JOURNAL_CHANNEL}, ${String(chained.at(-1)?.position)}))
    insert into journal_entry (position, at, kind, subject, actor_kind, actor_name, because, facts, traceparent, hash)
    select e.* from told, unnest(
      ${chained.map((e) => e.position)}::bigint[], ${chained.map((e) => new Date(e.at))}::timestamptz[],
      ${chained.map((e) => e.kind)}::text[], ${chained.map((e) => e.subject)}::text[],
      ${chained.map((e) => e.actor.kind)}::text[], ${chained.map((e) => e.actor.name)}::text[],
      ${chained.map((e) => e.because)}::text[], ${chained.map((e) => canonicalJson(e.facts))}::text[],
      ${chained.map((e) => e.traceparent ?? "")}::text[], ${chained.map((e) => e.hash)}::text[]) as e`),
  );
  return chained;
}

/** Times are stored to the millisecond and texts without NUL (PostgreSQL has none): the hash is over what can be read back. */
function whole(entry: NewEntry): NewEntry {
  const facts = JSON.parse(canonicalJson(entry.facts)) as { [name: string]: Json };
  const clean = (text: string): string => text.replaceAll("\0", "").toWellFormed();
  return {
    ...entry,
    at: Math.floor(entry.at),
    subject: clean(entry.subject),
    because: clean(entry.because),
    actor: { kind: entry.actor.kind, name: clean(entry.actor.name) },
    facts,
  };
}

async function readHead(db: Queryable): Promise<Head> {
  const [row] = await db.query<{ position: string; hash: string }>(
    prepared(sql`select position, hash from journal_entry order by position desc limit 1`),
  );
  return row === undefined ? GENESIS : { position: Number(row.position), hash: row.hash };
}

/** Which entries; all conditions hold together. */
export interface EntryFilter {
  readonly after?: number;
  readonly subject?: string;
  /** A kind, or with a trailing dot a family of kinds. */
  readonly kind?: string;
  /** At most this many. */
  readonly limit: number;
  /** The newest instead of the oldest. */
  readonly tail?: boolean;
}

/** Entries, oldest first. */
export async function readEntries(db: Queryable, filter: EntryFilter): Promise<readonly Entry[]> {
  const after = filter.after ?? 0;
  const subject = filter.subject ?? "";
  const kind = filter.kind ?? "";
  const pattern = `${kind.replace(/[\\%_]/g, "\\$&")}%`;
  const where = sql`
    position > ${after}
    and (${subject} = '' or subject = ${subject})
    and (${kind} = '' or kind = ${kind} or (${kind} like '%.' and kind like ${pattern}))`;
  const rows = filter.tail
    ? await db.query<Row>(sql`select * from (
        select ${COLUMNS} from journal_entry where ${where} order by position desc limit ${filter.limit}) t order by position`)
    : await db.query<Row>(
        sql`select ${COLUMNS} from journal_entry where ${where} order by position limit ${filter.limit}`,
      );
  return rows.map(toEntry);
}

/** Recomputes the whole chain, in batches. A row that cannot be read as an entry counts as broken. */
export async function verifyJournal(db: Queryable): Promise<ChainVerdict> {
  let head = GENESIS;
  for (;;) {
    const rows = await db.query<Row>(sql`
      select ${COLUMNS} from journal_entry where position > ${head.position} order by position limit ${VERIFY_BATCH}`);
    if (rows.length === 0) return { kind: "intact", head };
    const entries: Entry[] = [];
    for (const row of rows) {
      try {
        entries.push(toEntry(row));
      } catch {
        const before = verifyEntries(head, entries, sha256Hex);
        if (before.kind === "broken") return before;
        return {
          kind: "broken",
          at: Number(row.position),
          because: `entry ${row.position}: its facts are not JSON`,
        };
      }
    }
    const verdict = verifyEntries(head, entries, sha256Hex);
    if (verdict.kind === "broken") return verdict;
    head = verdict.head;
  }
}

/** Where `consumer` stands, locked until the transaction ends. A new consumer begins at the start. */
export async function lockPosition(tx: Transaction, consumer: string): Promise<number> {
  await tx.query(
    sql`insert into journal_position (consumer, position) values (${consumer}, 0) on conflict do nothing`,
  );
  const [row] = await tx.query<{ position: string }>(sql`
    select position from journal_position where consumer = ${consumer} for update`);
  return Number(row?.position ?? 0);
}

/** Moves `consumer` on. */
export async function savePosition(tx: Transaction, consumer: string, position: number): Promise<void> {
  await tx.query(sql`update journal_position set position = ${position} where consumer = ${consumer}`);
}
