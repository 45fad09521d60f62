/** Who was told of what over a stretch of the past, counted in PostgreSQL. */
import type { Labels } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import type { ToldBefore } from "./domain/telling-tally.js";

/** Rows of one answer; more are a question for a shorter time. */
export const PAST_ROWS_MAX = 20_000;

/** Each receiver and alert of notices made between two times; what was overtaken or withdrawn told nobody. */
export async function readTold(db: Queryable, from: Instant, to: Instant): Promise<readonly ToldBefore[]> {
  const rows = await db.query<{
    receiver: string;
    fingerprint: string;
    labels: Labels;
    notices: number;
    first_at: Date;
  }>(sql`
    select n.receiver, a ->> 'fingerprint' as fingerprint, (array_agg(a -> 'labels'))[1] as labels,
      count(distinct n.notice_id)::int as notices, min(n.created_at) as first_at
    from notice n, jsonb_array_elements(n.data -> 'alerts') a
    where n.created_at between ${new Date(from)} and ${new Date(to)} and n.state not in ('superseded', 'withdrawn')
    group by 1, 2 order by 1, 2 limit ${PAST_ROWS_MAX}`);
  return rows.map(({ first_at, ...row }) => ({ ...row, firstAt: first_at.getTime() }));
}

export async function countNotices(
  db: Queryable,
  from: Instant,
  to: Instant,
): Promise<ReadonlyMap<string, number>> {
  const rows = await db.query<{ receiver: string; notices: number }>(sql`
    select receiver, count(*)::int as notices from notice
    where created_at between ${new Date(from)} and ${new Date(to)} and state not in ('superseded', 'withdrawn')
    group by 1`);
  return new Map(rows.map(({ receiver, notices }) => [receiver, notices]));
}

export interface PostedFiring {
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly startsAt: Instant;
  readonly endsAt: Instant | undefined;
}

/** Alerts that others posted, of which a part lies between two times: those that are kept, and those that notices named. */
export async function readPostedFirings(
  db: Queryable,
  from: Instant,
  to: Instant,
): Promise<readonly PostedFiring[]> {
  const rows = await db.query<{
    fingerprint: string;
    labels: Labels;
    starts_at: Date;
    ends_at: Date | null;
  }>(sql`
    select fingerprint, (array_agg(labels))[1] as labels, starts_at, max(ends_at) as ends_at from (
      select fingerprint, labels, starts_at, case when ends_at <= ${new Date(to)} then ends_at end as ends_at from posted_alert
      union all
      select a ->> 'fingerprint', a -> 'labels', to_timestamp((a ->> 'startsAt')::float8 / 1000),
        to_timestamp((a ->> 'endsAt')::float8 / 1000)
      from notice n, jsonb_array_elements(n.data -> 'alerts') a
      where n.created_at between ${new Date(from)} and ${new Date(to)}
    ) as posted
    where starts_at <= ${new Date(to)}
    group by fingerprint, starts_at
    having max(ends_at) is null or max(ends_at) >= ${new Date(from)}
    order by starts_at limit ${PAST_ROWS_MAX}`);
  return rows.map((row) => ({
    fingerprint: row.fingerprint,
    labels: row.labels,
    startsAt: row.starts_at.getTime(),
    endsAt: row.ends_at?.getTime(),
  }));
}
