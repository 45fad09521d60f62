/** Groups of rules that were put in force through the API: each change is a version, and versions are kept. */
import type { Actor } from "../kernel/actor.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";

export interface StoredRuleGroup {
  readonly name: string;
  /** Rises by one with each change. */
  readonly version: number;
  /** A Prometheus rule file with this one group. */
  readonly content: string;
  readonly changedAt: Instant;
  readonly changedBy: Actor;
}

interface Row {
  name: string;
  version: string;
  content: string | null;
  changed_at: Date;
  actor_kind: Actor["kind"];
  actor_name: string;
}

/** Groups that are in force, by name. */
export async function readRuleGroups(db: Queryable): Promise<readonly StoredRuleGroup[]> {
  const rows = await db.query<Row>(sql`
    select name, version, content, changed_at, actor_kind, actor_name from rule_group
    where content is not null order by name`);
  return rows.map((row) => ({
    name: row.name,
    version: Number(row.version),
    content: row.content ?? "",
    changedAt: row.changed_at.getTime(),
    changedBy: { kind: row.actor_kind, name: row.actor_name },
  }));
}

/** A text that is another one whenever a group has changed. */
export async function readRuleGroupsStamp(db: Queryable): Promise<string> {
  const [row] = await db.query<{ count: string; versions: string | null }>(
    sql`select count(*) as count, sum(version) as versions from rule_group`,
  );
  return `${row?.count}/${row?.versions}`;
}

/** The version a group is at, locked until the transaction ends; of one that was deleted `exists` is false. */
export async function lockRuleGroup(
  tx: Transaction,
  name: string,
): Promise<{ readonly version: number; readonly exists: boolean }> {
  // One change of rules at a time: a name that is not there yet has no row to lock.
  await tx.query(sql`lock table rule_group in share row exclusive mode`);
  const [row] = await tx.query<Row>(sql`select * from rule_group where name = ${name}`);
  return { version: Number(row?.version ?? 0), exists: row !== undefined && row.content !== null };
}

/** Writes a version; without content the group is in force no more. */
export async function saveRuleGroup(
  tx: Transaction,
  group: Omit<StoredRuleGroup, "content"> & { readonly content: string | undefined },
  reason: string,
): Promise<void> {
  const { name, version, changedAt, changedBy } = group;
  const content = group.content ?? null;
  const at = new Date(changedAt);
  await tx.query(sql`
    insert into rule_group (name, version, content, changed_at, actor_kind, actor_name)
    values (${name}, ${version}, ${content}, ${at}, ${changedBy.kind}, ${changedBy.name})
    on conflict (name) do update set version = excluded.version, content = excluded.content,
      changed_at = excluded.changed_at, actor_kind = excluded.actor_kind, actor_name = excluded.actor_name`);
  await tx.query(sql`
    insert into rule_group_version (name, version, content, changed_at, actor_kind, actor_name, reason)
    values (${name}, ${version}, ${content}, ${at}, ${changedBy.kind}, ${changedBy.name}, ${reason})`);
}
