/** Groups and what was told of them, in PostgreSQL. */
import type { Labels } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import type { GroupName } from "./domain/group.js";
import type { GroupState } from "./domain/group-state.js";
import type { Told } from "./domain/needs-notice.js";

interface Row {
  group_key: string;
  receiver: string;
  labels: Labels;
  created_at: Date;
  flushed_at: Date | null;
  shadow: Told | null;
  told: Readonly<Record<string, Told>> | null;
}

export async function readGroups(db: Queryable): Promise<readonly GroupState[]> {
  const rows = await db.query<Row>(sql`
    select g.*, (
      select jsonb_object_agg(t.integration, t.told) from notice_target t
      where t.group_key = g.group_key and t.receiver = g.receiver and t.told is not null) as told
    from notice_group g`);
  return rows.map((row) => ({
    groupKey: row.group_key,
    receiver: row.receiver,
    labels: row.labels,
    createdAt: row.created_at.getTime(),
    flushedAt: row.flushed_at?.getTime(),
    shadow: row.shadow ?? undefined,
    told: new Map(Object.entries(row.told ?? {})),
  }));
}

export async function saveGroups(tx: Transaction, groups: readonly GroupState[]): Promise<void> {
  if (groups.length === 0) return;
  const date = (at: Instant | undefined): Date | null => (at === undefined ? null : new Date(at));
  const json = (told: Told | undefined): string | null => (told === undefined ? null : JSON.stringify(told));
  await tx.query(sql`
    insert into notice_group (group_key, receiver, labels, created_at, flushed_at, shadow)
    select g.group_key, g.receiver, g.labels::jsonb, g.created_at, g.flushed_at, g.shadow::jsonb
    from unnest(
      ${groups.map((g) => g.groupKey)}::text[], ${groups.map((g) => g.receiver)}::text[],
      ${groups.map((g) => JSON.stringify(g.labels))}::text[], ${groups.map((g) => date(g.createdAt))}::timestamptz[],
      ${groups.map((g) => date(g.flushedAt))}::timestamptz[], ${groups.map((g) => json(g.shadow))}::text[]
    ) as g (group_key, receiver, labels, created_at, flushed_at, shadow)
    on conflict (group_key, receiver) do update set flushed_at = excluded.flushed_at, shadow = excluded.shadow`);
  const targets = groups.flatMap((g) =>
    [...g.told].map(([integration, told]) => ({ ...g, integration, told })),
  );
  if (targets.length > 0) {
    await tx.query(sql`
      insert into notice_target (group_key, receiver, integration, told)
      select t.group_key, t.receiver, t.integration, t.told::jsonb
      from unnest(
        ${targets.map((t) => t.groupKey)}::text[], ${targets.map((t) => t.receiver)}::text[],
        ${targets.map((t) => t.integration)}::text[], ${targets.map((t) => JSON.stringify(t.told))}::text[]
      ) as t (group_key, receiver, integration, told)
      on conflict (group_key, receiver, integration) do update set told = excluded.told`);
  }
  const untold = groups.filter((g) => g.told.size === 0);
  if (untold.length > 0) {
    await tx.query(sql`
      delete from notice_target t using unnest(
        ${untold.map((g) => g.groupKey)}::text[], ${untold.map((g) => g.receiver)}::text[]) as g (group_key, receiver)
      where t.group_key = g.group_key and t.receiver = g.receiver`);
  }
}

/** What one receiver was told, changed alone: a notice was given up. */
export async function saveTold(
  tx: Transaction,
  group: GroupName,
  integration: string,
  told: Told,
): Promise<void> {
  await tx.query(sql`
    update notice_target set told = ${JSON.stringify(told)}::jsonb
    where group_key = ${group.groupKey} and receiver = ${group.receiver} and integration = ${integration}`);
}

export async function deleteGroups(tx: Transaction, groups: readonly GroupName[]): Promise<void> {
  if (groups.length === 0) return;
  await tx.query(sql`
    delete from notice_group g using unnest(
      ${groups.map((g) => g.groupKey)}::text[], ${groups.map((g) => g.receiver)}::text[]) as d (group_key, receiver)
    where g.group_key = d.group_key and g.receiver = d.receiver`);
}
