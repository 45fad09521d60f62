/** Silences in PostgreSQL, each change with its journal entry. */
import { appendEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import { cleanText } from "../kernel/clean-text.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import { formatMatchers, type LabelMatcher } from "./domain/matcher.js";
import type { Silence } from "./domain/silence.js";

/** Silences read at once; more than that at a time is no silence but a switch. */
const READ_MAX = 10_000;
/** How much of a comment the journal keeps. */
const COMMENT_MAX = 500;

interface Row {
  silence_id: string;
  matchers: readonly LabelMatcher[];
  starts_at: Date;
  ends_at: Date;
  updated_at: Date;
  created_by: string;
  comment: string;
}

const toSilence = (row: Row): Silence => ({
  id: row.silence_id,
  matchers: row.matchers,
  startsAt: row.starts_at.getTime(),
  endsAt: row.ends_at.getTime(),
  updatedAt: row.updated_at.getTime(),
  createdBy: row.created_by,
  comment: row.comment,
});

/** Those that end after `endsAfter`. */
export async function readSilences(db: Queryable, endsAfter: Instant): Promise<readonly Silence[]> {
  const rows = await db.query<Row>(sql`
    select * from silence where ends_at > ${new Date(endsAfter)} order by ends_at, silence_id limit ${READ_MAX}`);
  return rows.map(toSilence);
}

export async function readSilence(db: Queryable, id: string): Promise<Silence | undefined> {
  const [row] = await db.query<Row>(sql`select * from silence where silence_id = ${id}`);
  return row && toSilence(row);
}

/** The same, kept from changing until the transaction ends. */
export async function lockSilence(tx: Transaction, id: string): Promise<Silence | undefined> {
  const [row] = await tx.query<Row>(sql`select * from silence where silence_id = ${id} for update`);
  return row && toSilence(row);
}

export interface SilenceChange {
  readonly kind: "silence.created" | "silence.changed" | "silence.expired";
  readonly silence: Silence;
  readonly by: Actor;
  readonly because: string;
}

export async function saveSilences(
  tx: Transaction,
  changes: readonly SilenceChange[],
  now: Instant,
): Promise<void> {
  for (const { silence: s } of changes) {
    await tx.query(sql`
      insert into silence (silence_id, matchers, starts_at, ends_at, updated_at, created_by, comment)
      values (${s.id}, ${JSON.stringify(s.matchers)}::jsonb, ${new Date(s.startsAt)}, ${new Date(s.endsAt)},
        ${new Date(s.updatedAt)}, ${s.createdBy}, ${s.comment})
      on conflict (silence_id) do update set matchers = excluded.matchers, starts_at = excluded.starts_at,
        ends_at = excluded.ends_at, updated_at = excluded.updated_at, created_by = excluded.created_by,
        comment = excluded.comment`);
  }
  await appendEntries(
    tx,
    changes.map(({ kind, silence, by, because }) => ({
      at: now,
      kind,
      subject: `silence:${silence.id}`,
      actor: by,
      because,
      facts: {
        matchers: cleanText(formatMatchers(silence.matchers), COMMENT_MAX),
        startsAt: silence.startsAt,
        endsAt: silence.endsAt,
        createdBy: cleanText(silence.createdBy, COMMENT_MAX),
        comment: cleanText(silence.comment, COMMENT_MAX),
      },
    })),
  );
}

/** Forgets silences that ended before `before`; the journal keeps their story. */
export async function pruneSilences(db: Queryable, before: Instant): Promise<void> {
  await db.query(sql`delete from silence where ends_at < ${new Date(before)}`);
}
