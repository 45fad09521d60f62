/** Steerings in PostgreSQL. What is done is written there before it is done. */
import type { Actor } from "../kernel/actor.js";
import type { Duration, Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import type { Steer, SteerBegun, SteerOrigin, SteerState } from "./domain/steer.js";

interface SteerRow {
  id: string;
  target: string;
  to_destination: string;
  origin: string;
  origin_epoch: string;
  reason: string;
  requested_by: Actor;
  requested_at: Date;
  state: SteerState;
  because: string;
  decided_by: Actor | null;
  plan_hash: string;
  epoch: string | null;
  from_destinations: string[] | null;
  hold_ms: string | null;
  begun_at: Date | null;
  steered_at: Date | null;
  ended_at: Date | null;
}

const COLUMNS = sql`id, target, to_destination, origin, origin_epoch, reason, requested_by, requested_at, state, because,
  decided_by, plan_hash, epoch, from_destinations, hold_ms, begun_at, steered_at, ended_at`;

const toSteer = (row: SteerRow): Steer => ({
  id: row.id,
  target: row.target,
  to: row.to_destination,
  origin: row.origin === "" ? undefined : { name: row.origin, epoch: Number(row.origin_epoch) },
  reason: row.reason,
  requestedBy: row.requested_by,
  requestedAt: row.requested_at.getTime(),
  state: row.state,
  because: row.because,
  decidedBy: row.decided_by ?? undefined,
  planHash: row.plan_hash,
  begun:
    row.epoch === null || row.begun_at === null
      ? undefined
      : {
          epoch: Number(row.epoch),
          from: row.from_destinations ?? [],
          hold: Number(row.hold_ms ?? 0),
          at: row.begun_at.getTime(),
        },
  steeredAt: row.steered_at?.getTime(),
  endedAt: row.ended_at?.getTime(),
});

/** False when the same origin has asked for it before. */
export async function insertSteer(db: Queryable, steer: Steer): Promise<boolean> {
  const { id, target, to, origin, reason, requestedBy, requestedAt, state, because, planHash } = steer;
  const rows = await db.query(sql`
    insert into traffic_steer (id, target, to_destination, origin, origin_epoch, reason, requested_by, requested_at, state,
      because, plan_hash)
    values (${id}, ${target}, ${to}, ${origin?.name ?? ""}, ${origin?.epoch ?? 0}, ${reason},
      ${JSON.stringify(requestedBy)}, ${new Date(requestedAt)}, ${state}, ${because}, ${planHash})
    on conflict (target, origin, origin_epoch) where origin <> '' do nothing
    returning id`);
  return rows.length === 1;
}

export async function readSteer(db: Queryable, id: string): Promise<Steer | undefined> {
  const [row] = await db.query<SteerRow>(sql`select ${COLUMNS} from traffic_steer where id = ${id}`);
  return row && toSteer(row);
}

export async function readSteerOf(
  db: Queryable,
  target: string,
  origin: SteerOrigin,
): Promise<Steer | undefined> {
  const [row] = await db.query<SteerRow>(sql`
    select ${COLUMNS} from traffic_steer
    where target = ${target} and origin = ${origin.name} and origin_epoch = ${origin.epoch}`);
  return row && toSteer(row);
}

/** The highest epoch by which this origin has steered the target, or asked to; undefined when it never did. */
export async function readNewestOrigin(
  db: Queryable,
  target: string,
  name: string,
): Promise<number | undefined> {
  const [row] = await db.query<{ newest: string | null }>(sql`
    select max(origin_epoch) as newest from traffic_steer where target = ${target} and origin = ${name}`);
  return row?.newest == null ? undefined : Number(row.newest);
}

/** Newest first; of one target, or of all. */
export async function readSteers(
  db: Queryable,
  filter: { readonly target?: string; readonly limit: number },
): Promise<readonly Steer[]> {
  const one = filter.target === undefined ? sql`` : sql`where target = ${filter.target}`;
  const rows = await db.query<SteerRow>(sql`
    select ${COLUMNS} from traffic_steer ${one} order by requested_at desc, id desc limit ${filter.limit}`);
  return rows.map(toSteer);
}

/** Those that have not ended, oldest first. */
export async function readOpenSteers(db: Queryable, limit: number): Promise<readonly Steer[]> {
  const rows = await db.query<SteerRow>(sql`
    select ${COLUMNS} from traffic_steer where ended_at is null order by requested_at, id limit ${limit}`);
  return rows.map(toSteer);
}

/** What waits since before `since` has lapsed with this; answers what did. */
export async function lapseSteers(db: Queryable, since: Instant, now: Instant): Promise<readonly Steer[]> {
  const rows = await db.query<SteerRow>(sql`
    update traffic_steer set state = 'lapsed', because = 'nobody took it up in time', ended_at = ${new Date(now)}
    where ended_at is null and state in ('waiting', 'waiting-for-approval') and origin = ''
      and requested_at < ${new Date(since)}
    returning ${COLUMNS}`);
  return rows.map(toSteer);
}

/**
 * Gives the steering the next epoch of its target: higher than all before it, and than what was seen to stand there.
 * Undefined when it was begun, or ended, by another. What was begun before it is superseded.
 */
export async function beginSteer(
  tx: Transaction,
  steer: Steer,
  begun: { readonly from: readonly string[]; readonly hold: Duration; readonly at: Instant },
  seenEpoch: number,
): Promise<SteerBegun | undefined> {
  const [given] = await tx.query<{ epoch: string }>(sql`
    insert into traffic_epoch (target, epoch) values (${steer.target}, ${seenEpoch + 1})
    on conflict (target) do update set epoch = greatest(traffic_epoch.epoch, ${seenEpoch}::bigint) + 1
    returning epoch`);
  const epoch = Number(given?.epoch ?? 0);
  const rows = await tx.query(sql`
    update traffic_steer set state = 'steering', because = '', epoch = ${epoch}, from_destinations = ${[...begun.from]},
      hold_ms = ${Math.round(begun.hold)}, begun_at = ${new Date(begun.at)}
    where id = ${steer.id} and state = 'waiting' returning id`);
  if (rows.length === 0) return undefined;
  await tx.query(sql`
    update traffic_steer set state = 'superseded', because = ${`${steer.id} began after it`}, ended_at = ${new Date(begun.at)}
    where target = ${steer.target} and ended_at is null and epoch < ${epoch}`);
  return { epoch, ...begun };
}

/** From one state to another, with what is known by then. False when it is not in that state any more. */
export async function moveSteer(
  db: Queryable,
  id: string,
  from: SteerState,
  to: {
    readonly state: SteerState;
    readonly because: string;
    readonly steeredAt?: Instant;
    readonly endedAt?: Instant;
    readonly decidedBy?: Actor;
  },
): Promise<boolean> {
  const { state, because, steeredAt, endedAt, decidedBy } = to;
  const rows = await db.query(sql`
    update traffic_steer set state = ${state}, because = ${because},
      steered_at = coalesce(${steeredAt === undefined ? null : new Date(steeredAt)}::timestamptz, steered_at),
      ended_at = coalesce(${endedAt === undefined ? null : new Date(endedAt)}::timestamptz, ended_at),
      decided_by = coalesce(${decidedBy === undefined ? null : JSON.stringify(decidedBy)}::jsonb, decided_by)
    where id = ${id} and state = ${from} and ended_at is null returning id`);
  return rows.length === 1;
}
