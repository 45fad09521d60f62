/** Posted alerts in PostgreSQL. Writers take turns, so that revisions rise in the order of commits and a reader misses none. */
import type { Labels } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import { type KeptAlert, mergePosted } from "./domain/posted-alert.js";

/** The advisory lock of those who write posted alerts. */
const POSTED_LOCK = 7_301_007;
/** Alerts read at once. */
const READ_MAX = 20_000;

interface Row {
  fingerprint: string;
  labels: Labels;
  annotations: Labels;
  starts_at: Date;
  ends_at: Date;
  times_out: boolean;
  generator_url: string;
  updated_at: Date;
  revision: string;
}

export interface PostedRow {
  readonly alert: KeptAlert;
  readonly revision: number;
}

const toRow = (row: Row): PostedRow => ({
  revision: Number(row.revision),
  alert: {
    fingerprint: row.fingerprint,
    labels: row.labels,
    annotations: row.annotations,
    startsAt: row.starts_at.getTime(),
    endsAt: row.ends_at.getTime(),
    timesOut: row.times_out,
    generatorUrl: row.generator_url,
    updatedAt: row.updated_at.getTime(),
  },
});

/** Those that changed after `revision`, oldest change first, at most 20,000. */
export async function readPostedSince(db: Queryable, revision: number): Promise<readonly PostedRow[]> {
  const rows = await db.query<Row>(sql`
    select * from posted_alert where revision > ${revision} order by revision limit ${READ_MAX}`);
  return rows.map(toRow);
}

/** Stores alerts, each merged with what is known of it; of several with one fingerprint the last counts. */
export async function savePosted(tx: Transaction, alerts: readonly KeptAlert[], now: Instant): Promise<void> {
  if (alerts.length === 0) return;
  await tx.query(sql`select pg_advisory_xact_lock(${POSTED_LOCK})`);
  const byFingerprint = new Map<string, KeptAlert>();
  for (const { alert } of await readByFingerprint(tx, alerts)) byFingerprint.set(alert.fingerprint, alert);
  const changed = new Map<string, KeptAlert>();
  for (const alert of alerts) {
    const known = changed.get(alert.fingerprint) ?? byFingerprint.get(alert.fingerprint);
    changed.set(alert.fingerprint, known === undefined ? alert : mergePosted(known, alert, now));
  }
  const all = [...changed.values()];
  await tx.query(sql`
    insert into posted_alert (fingerprint, labels, annotations, starts_at, ends_at, times_out, generator_url, updated_at, revision)
    select a.fingerprint, a.labels::jsonb, a.annotations::jsonb, a.starts_at, a.ends_at, a.times_out, a.generator_url,
      ${new Date(now)}, nextval('posted_alert_revision')
    from unnest(
      ${all.map((a) => a.fingerprint)}::text[], ${all.map((a) => JSON.stringify(a.labels))}::text[],
      ${all.map((a) => JSON.stringify(a.annotations))}::text[], ${all.map((a) => new Date(a.startsAt))}::timestamptz[],
      ${all.map((a) => new Date(a.endsAt))}::timestamptz[], ${all.map((a) => a.timesOut)}::boolean[],
      ${all.map((a) => a.generatorUrl)}::text[]
    ) as a (fingerprint, labels, annotations, starts_at, ends_at, times_out, generator_url)
    on conflict (fingerprint) do update set annotations = excluded.annotations, starts_at = excluded.starts_at,
      ends_at = excluded.ends_at, times_out = excluded.times_out, generator_url = excluded.generator_url,
      updated_at = excluded.updated_at, revision = excluded.revision`);
}

async function readByFingerprint(
  tx: Transaction,
  alerts: readonly KeptAlert[],
): Promise<readonly PostedRow[]> {
  const rows = await tx.query<Row>(sql`
    select * from posted_alert where fingerprint = any(${alerts.map((a) => a.fingerprint)})`);
  return rows.map(toRow);
}

/** Forgets those that ended before `before`. */
export async function prunePosted(db: Queryable, before: Instant): Promise<void> {
  await db.query(sql`delete from posted_alert where ends_at < ${new Date(before)}`);
}
