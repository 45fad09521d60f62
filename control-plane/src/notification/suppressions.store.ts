/** What was hidden, by what, and how often it would have been told; in PostgreSQL. */
import type { Labels } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import type { Hidden } from "./domain/flush-group.js";
import type { GroupName } from "./domain/group.js";
import type { Suppression, SuppressionFilter } from "./notification-door.js";

export type HiddenInGroup = Hidden & GroupName;

export async function saveHidden(
  tx: Transaction,
  hidden: readonly HiddenInGroup[],
  now: Instant,
): Promise<void> {
  if (hidden.length === 0) return;
  await tx.query(sql`
    insert into suppression as s (kind, name, group_key, receiver, fingerprint, labels, notices, reason, first_at, last_at)
    select h.kind, h.name, h.group_key, h.receiver, h.fingerprint, h.labels::jsonb, 1, h.reason, ${new Date(now)}, ${new Date(now)}
    from unnest(
      ${hidden.map((h) => h.muter.kind)}::text[], ${hidden.map((h) => h.muter.name)}::text[],
      ${hidden.map((h) => h.groupKey)}::text[], ${hidden.map((h) => h.receiver)}::text[],
      ${hidden.map((h) => h.alert.fingerprint)}::text[], ${hidden.map((h) => JSON.stringify(h.alert.labels))}::text[],
      ${hidden.map((h) => h.reason)}::text[]
    ) as h (kind, name, group_key, receiver, fingerprint, labels, reason)
    on conflict (kind, name, group_key, receiver, fingerprint) do update
      set notices = s.notices + 1, reason = excluded.reason, last_at = excluded.last_at`);
}

const LIMIT_DEFAULT = 500;
const LIMIT_MAX = 5_000;

/** Newest first. */
export async function readSuppressions(
  db: Queryable,
  filter: SuppressionFilter,
): Promise<readonly Suppression[]> {
  const { name = "", fingerprint = "", limit = LIMIT_DEFAULT } = filter;
  const kind: string = filter.kind ?? "";
  const rows = await db.query<{
    kind: Suppression["by"]["kind"];
    name: string;
    group_key: string;
    receiver: string;
    fingerprint: string;
    labels: Labels;
    notices: string;
    reason: string;
    first_at: Date;
    last_at: Date;
  }>(sql`
    select * from suppression
    where (${kind} = '' or kind = ${kind}) and (${name} = '' or name = ${name})
      and (${fingerprint} = '' or fingerprint = ${fingerprint})
    order by last_at desc, kind, name, fingerprint limit ${Math.min(limit, LIMIT_MAX)}`);
  return rows.map((row) => ({
    by: { kind: row.kind, name: row.name },
    fingerprint: row.fingerprint,
    labels: row.labels,
    receiver: row.receiver,
    groupKey: row.group_key,
    notices: Number(row.notices),
    reason: row.reason,
    firstAt: row.first_at.getTime(),
    lastAt: row.last_at.getTime(),
  }));
}

export async function pruneSuppressions(db: Queryable, before: Instant): Promise<void> {
  await db.query(sql`delete from suppression where last_at < ${new Date(before)}`);
}
