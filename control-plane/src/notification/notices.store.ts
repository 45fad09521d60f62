/** Notices in PostgreSQL: stored with the decision, handed out for delivery, settled once. */
import type { Duration, Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { type Sql, sql } from "../platform/postgres/sql.js";
import type { GroupName } from "./domain/group.js";
import type { WaitingNotice } from "./domain/group-state.js";
import type { Told } from "./domain/needs-notice.js";
import type { NoticeData } from "./domain/notice-data.js";
import type { NoticeFilter, ShownNotice } from "./notification-door.js";

export interface NewNotice extends GroupName {
  readonly id: string;
  readonly integration: string;
  readonly reason: string;
  readonly because: string;
  readonly data: NoticeData;
  readonly before: Told | undefined;
}

export async function saveNotices(
  tx: Transaction,
  notices: readonly NewNotice[],
  now: Instant,
): Promise<void> {
  for (const n of notices) {
    await tx.query(sql`
      insert into notice (notice_id, group_key, receiver, integration, reason, because, state, fingerprints, data, before,
        next_attempt_at, created_at)
      values (${n.id}, ${n.groupKey}, ${n.receiver}, ${n.integration}, ${n.reason}, ${n.because}, 'queued',
        ${n.data.alerts.map(({ fingerprint }) => fingerprint)}, ${JSON.stringify(n.data)}::jsonb,
        ${n.before === undefined ? null : JSON.stringify(n.before)}::jsonb, ${new Date(now)}, ${new Date(now)})`);
  }
}

/** The waiting notices of some groups, kept from being handed out until the transaction ends. */
export async function lockQueued(
  tx: Transaction,
  groups: readonly GroupName[],
): Promise<readonly WaitingNotice[]> {
  if (groups.length === 0) return [];
  const rows = await tx.query<{
    notice_id: string;
    group_key: string;
    receiver: string;
    integration: string;
    attempts: number;
    before: Told | null;
  }>(sql`
    select n.notice_id, n.group_key, n.receiver, n.integration, n.attempts, n.before from notice n
    join unnest(${groups.map((g) => g.groupKey)}::text[], ${groups.map((g) => g.receiver)}::text[])
      as g (group_key, receiver) using (group_key, receiver)
    where n.state = 'queued' order by n.notice_id for update of n`);
  return rows.map((row) => ({
    id: row.notice_id,
    groupKey: row.group_key,
    receiver: row.receiver,
    integration: row.integration,
    untried: row.attempts === 0,
    before: row.before ?? undefined,
  }));
}

/** Ends waiting notices that are not to be sent any more. */
export async function endNotices(
  tx: Transaction,
  ids: readonly string[],
  state: "superseded" | "withdrawn",
  now: Instant,
): Promise<void> {
  if (ids.length === 0) return;
  await tx.query(sql`
    update notice set state = ${state}, settled_at = ${new Date(now)}
    where notice_id = any(${[...ids]}) and state = 'queued'`);
}

/** One way to one receiver. */
export interface ChannelName {
  readonly receiver: string;
  readonly integration: string;
}

export interface OutgoingNotice extends GroupName {
  readonly id: string;
  readonly integration: string;
  readonly reason: string;
  readonly data: NoticeData;
  readonly before: Told | undefined;
  /** This attempt counted. */
  readonly attempts: number;
  readonly createdAt: Instant;
}

/** Channels with something due at `now`, and how much waits in each. */
export async function readWaiting(
  db: Queryable,
  now: Instant,
): Promise<readonly (ChannelName & { readonly due: number; readonly queued: number })[]> {
  return db.query(sql`
    select receiver, integration, (count(*) filter (where next_attempt_at <= ${new Date(now)}))::int as due,
      count(*)::int as queued
    from notice where state = 'queued' group by receiver, integration`);
}

/**
 * Hands out the next notice of a channel and counts the attempt before it is made, so that a notice that may have been
 * heard is known as such after a kill. It comes again after `visibleAfter`.
 */
export async function takeNotice(
  tx: Transaction,
  { receiver, integration }: ChannelName,
  /** Groups of which this channel is telling something just now: what is told of one group is told in order. */
  busyGroups: readonly string[],
  now: Instant,
  visibleAfter: Duration,
): Promise<OutgoingNotice | undefined> {
  const [row] = await tx.query<{
    notice_id: string;
    group_key: string;
    reason: string;
    data: NoticeData;
    before: Told | null;
    attempts: number;
    created_at: Date;
  }>(sql`
    update notice set attempts = attempts + 1, in_flight = true, next_attempt_at = ${new Date(now + visibleAfter)}
    where notice_id = (
      select notice_id from notice
      where state = 'queued' and receiver = ${receiver} and integration = ${integration}
        and next_attempt_at <= ${new Date(now)} and not (group_key = any(${[...busyGroups]}))
      order by next_attempt_at, notice_id limit 1 for update skip locked)
    returning notice_id, group_key, reason, data, before, attempts, created_at`);
  return (
    row && {
      id: row.notice_id,
      groupKey: row.group_key,
      receiver,
      integration,
      reason: row.reason,
      data: row.data,
      before: row.before ?? undefined,
      attempts: row.attempts,
      createdAt: row.created_at.getTime(),
    }
  );
}

/** The outcome of an attempt. A notice that was overtaken meanwhile may still be noted as delivered: it was. */
export async function settleNotice(
  tx: Transaction,
  id: string,
  outcome: { readonly state: "delivered" | "failed"; readonly answer: string; readonly at: Instant },
): Promise<boolean> {
  const rows = await tx.query(sql`
    update notice set state = ${outcome.state}, in_flight = false, last_answer = ${outcome.answer}, settled_at = ${new Date(outcome.at)}
    where notice_id = ${id}
      and (state = 'queued' or (${outcome.state} = 'delivered' and state in ('superseded', 'withdrawn')))
    returning notice_id`);
  return rows.length > 0;
}

export async function postponeNotice(
  db: Queryable,
  id: string,
  nextAttemptAt: Instant,
  answer: string,
): Promise<void> {
  await db.query(sql`
    update notice set next_attempt_at = ${new Date(nextAttemptAt)}, in_flight = false, last_answer = ${answer}
    where notice_id = ${id} and state = 'queued'`);
}

/** Makes due at once what a replica that is gone was sending. */
export async function reviveNotices(tx: Transaction, now: Instant): Promise<void> {
  await tx.query(sql`
    update notice set in_flight = false, next_attempt_at = ${new Date(now)} where state = 'queued' and in_flight`);
}

interface ShownRow {
  notice_id: string;
  group_key: string;
  receiver: string;
  integration: string;
  reason: string;
  because: string;
  state: ShownNotice["state"];
  fingerprints: readonly string[];
  attempts: number;
  last_answer: string;
  created_at: Date;
  settled_at: Date | null;
}

const SHOWN_DEFAULT = 100;
const SHOWN_MAX = 1_000;

/** Newest first. */
export async function readNotices(db: Queryable, filter: NoticeFilter): Promise<readonly ShownNotice[]> {
  const limit = Math.min(filter.limit ?? SHOWN_DEFAULT, SHOWN_MAX);
  const where: readonly Sql[] = [
    filter.fingerprint === undefined ? sql`true` : sql`fingerprints @> ${[filter.fingerprint]}::text[]`,
    filter.receiver === undefined ? sql`true` : sql`receiver = ${filter.receiver}`,
    filter.state === undefined ? sql`true` : sql`state = ${filter.state}`,
  ];
  const rows = await db.query<ShownRow>(sql`
    select notice_id, group_key, receiver, integration, reason, because, state, fingerprints, attempts, last_answer,
      created_at, settled_at
    from notice where ${where[0]} and ${where[1]} and ${where[2]}
    order by created_at desc, notice_id desc limit ${limit}`);
  return rows.map((row) => ({
    id: row.notice_id,
    groupKey: row.group_key,
    receiver: row.receiver,
    integration: row.integration,
    reason: row.reason,
    because: row.because,
    state: row.state,
    fingerprints: row.fingerprints,
    attempts: row.attempts,
    lastAnswer: row.last_answer,
    createdAt: row.created_at.getTime(),
    settledAt: row.settled_at?.getTime(),
  }));
}

/** Forgets notices that were settled before `before`. */
export async function pruneNotices(db: Queryable, before: Instant): Promise<void> {
  await db.query(sql`delete from notice where state <> 'queued' and settled_at < ${new Date(before)}`);
}
