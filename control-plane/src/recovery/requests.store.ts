/** What people ask of clusters, in PostgreSQL. */
import type { Actor } from "../kernel/actor.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import type { FailoverRequest, RequestKind, RequestState } from "./domain/failover-request.js";

interface RequestRow {
  id: string;
  cluster: string;
  kind: RequestKind;
  to_node: string;
  reason: string;
  epoch: string | null;
  accept_loss: boolean;
  requested_by: Actor;
  requested_at: Date;
  state: RequestState;
  because: string;
  decided_by: Actor | null;
  plan_hash: string;
  drill: string;
}

const COLUMNS = sql`id, cluster, kind, to_node, reason, epoch, accept_loss, requested_by, requested_at, state, because,
  decided_by, plan_hash, drill`;

const toRequest = (row: RequestRow): FailoverRequest => ({
  id: row.id,
  cluster: row.cluster,
  kind: row.kind,
  to: row.to_node,
  reason: row.reason,
  epoch: row.epoch === null ? undefined : Number(row.epoch),
  acceptLoss: row.accept_loss,
  requestedBy: row.requested_by,
  requestedAt: row.requested_at.getTime(),
  state: row.state,
  because: row.because,
  decidedBy: row.decided_by ?? undefined,
  planHash: row.plan_hash,
  drill: row.drill,
});

export async function insertRequest(db: Queryable, request: FailoverRequest): Promise<void> {
  const { id, cluster, kind, to, reason, epoch, acceptLoss, requestedBy, requestedAt, state } = request;
  await db.query(sql`
    insert into recovery_request (id, cluster, kind, to_node, reason, epoch, accept_loss, requested_by, requested_at,
      state, because, plan_hash, drill)
    values (${id}, ${cluster}, ${kind}, ${to}, ${reason}, ${epoch ?? null}, ${acceptLoss},
      ${JSON.stringify(requestedBy)}, ${new Date(requestedAt)}, ${state}, ${request.because}, ${request.planHash},
      ${request.drill})`);
}

export async function readRequest(db: Queryable, id: string): Promise<FailoverRequest | undefined> {
  const [row] = await db.query<RequestRow>(sql`select ${COLUMNS} from recovery_request where id = ${id}`);
  return row === undefined ? undefined : toRequest(row);
}

/** Newest first; of one cluster, or of all. */
export async function readRequests(
  db: Queryable,
  filter: { readonly cluster?: string; readonly limit: number },
): Promise<readonly FailoverRequest[]> {
  const one = filter.cluster === undefined ? sql`` : sql`where cluster = ${filter.cluster}`;
  const rows = await db.query<RequestRow>(sql`
    select ${COLUMNS} from recovery_request ${one} order by requested_at desc, id desc limit ${filter.limit}`);
  return rows.map(toRequest);
}

/** What is to be taken up, oldest first; what nobody answered since `lapsed` has lapsed with this. */
export async function takeUpRequests(
  db: Queryable,
  now: Instant,
  lapsed: Instant,
): Promise<readonly FailoverRequest[]> {
  await db.query(sql`
    update recovery_request set state = 'lapsed', because = 'nobody took it up in time', ended_at = ${new Date(now)}
    where ended_at is null and requested_at < ${new Date(lapsed)}`);
  const rows = await db.query<RequestRow>(sql`
    select ${COLUMNS} from recovery_request where ended_at is null and state = 'waiting'
    order by requested_at, id limit 100`);
  return rows.map(toRequest);
}

/** Approved or refused by another person. False when it does not wait for that any more. */
export async function decideRequest(
  db: Queryable,
  id: string,
  decision: {
    readonly approved: boolean;
    readonly by: Actor;
    readonly because: string;
    readonly now: Instant;
  },
): Promise<boolean> {
  const { approved, by, because, now } = decision;
  const rows = await db.query(sql`
    update recovery_request set state = ${approved ? "waiting" : "refused"}, decided_by = ${JSON.stringify(by)},
      because = ${because}, ended_at = ${approved ? null : new Date(now)}
    where id = ${id} and state = 'waiting-for-approval' returning id`);
  return rows.length === 1;
}

/** It was taken up. False when another had ended it: then nothing of it may be done. */
export async function endRequest(
  db: Queryable,
  id: string,
  end: {
    readonly state: "done" | "refused";
    readonly because: string;
    readonly epoch: number | undefined;
    readonly now: Instant;
  },
): Promise<boolean> {
  const rows = await db.query(sql`
    update recovery_request set state = ${end.state}, because = ${end.because}, ended_at = ${new Date(end.now)},
      epoch = coalesce(${end.epoch ?? null}::bigint, epoch)
    where id = ${id} and state = 'waiting' returning id`);
  return rows.length === 1;
}

/** Who asked for what a decision does; undefined when nobody did. */
export async function readRequestOf(
  db: Queryable,
  cluster: string,
  epoch: number,
): Promise<FailoverRequest | undefined> {
  const [row] = await db.query<RequestRow>(sql`
    select ${COLUMNS} from recovery_request
    where cluster = ${cluster} and epoch = ${epoch} and kind in ('switchover', 'force') limit 1`);
  return row === undefined ? undefined : toRequest(row);
}

/** Those of one drill, newest first. */
export async function readDrillRequests(
  db: Queryable,
  drill: string,
  limit: number,
): Promise<readonly FailoverRequest[]> {
  const rows = await db.query<RequestRow>(sql`
    select ${COLUMNS} from recovery_request where drill = ${drill} order by requested_at desc limit ${limit}`);
  return rows.map(toRequest);
}

/** Taken back by whoever asked, while nothing of it was begun. False when it was. */
export async function withdrawRequest(
  db: Queryable,
  id: string,
  because: string,
  now: Instant,
): Promise<boolean> {
  const rows = await db.query(sql`
    update recovery_request set state = 'refused', because = ${because}, ended_at = ${new Date(now)}
    where id = ${id} and state in ('waiting', 'waiting-for-approval') returning id`);
  return rows.length === 1;
}
