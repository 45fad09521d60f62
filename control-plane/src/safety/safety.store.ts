/** The account of actions, the brake, storms and cases in PostgreSQL. */
import type { Actor } from "../kernel/actor.js";
import { DAY, HOUR, type Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { type Sql, sql } from "../platform/postgres/sql.js";
import type { Case } from "./domain/case.js";
import { type ActionQuestion, type Brake, BUDGET_WINDOW, type Spent } from "./domain/judge-action.js";
import type { Storm } from "./domain/storm.js";

/** The advisory lock under which limits are read and used up, so that two askers never share the last place. */
const SAFETY_LOCK = 7_301_014;

/** A command ends within its longest expiry and its longest run; what is older is under way no more, whatever is known. */
const IN_FLIGHT_MAX = 26 * HOUR;
const KEPT = 30 * DAY;

/** Transactions that have it. None has parts that could be rolled back alone and lose it. */
const HOLDERS = new WeakSet<Transaction>();

/** Held to the end of the transaction. Take it after the command's row and before the journal's lock; again costs nothing. */
export async function lockSafety(tx: Transaction): Promise<void> {
  if (HOLDERS.has(tx)) return;
  await tx.query(sql`select pg_advisory_xact_lock(${SAFETY_LOCK})`);
  HOLDERS.add(tx);
}

interface BrakeRow {
  tripped: boolean;
  at: Date;
  actor_kind: string;
  actor_name: string;
  because: string;
}

const brakeOf = (row: BrakeRow): Brake => ({
  kind: row.tripped ? "tripped" : "released",
  at: row.at.getTime(),
  by: { kind: row.actor_kind as Actor["kind"], name: row.actor_name },
  because: row.because,
});

export async function readBrake(db: Queryable): Promise<Brake> {
  const [row] = await db.query<BrakeRow>(
    sql`select tripped, at, actor_kind, actor_name, because from safety_brake`,
  );
  if (row === undefined) throw new Error("safety_brake has no row");
  return brakeOf(row);
}

/** False when it stood there already: then it stays as it was. */
export async function saveBrake(tx: Transaction, brake: Brake): Promise<boolean> {
  const tripped = brake.kind === "tripped";
  const rows = await tx.query(sql`
    update safety_brake set tripped = ${tripped}, at = ${new Date(brake.at)},
      actor_kind = ${brake.by.kind}, actor_name = ${brake.by.name}, because = ${brake.because}
    where tripped <> ${tripped} returning one`);
  return rows.length === 1;
}

/**
 * The brake, and what was done within the budget's window and since the brake was last released, less `except`. In one
 * statement, for it is asked under the lock.
 */
export async function readBudget(
  db: Queryable,
  now: Instant,
  except: string,
): Promise<{ readonly brake: Brake; readonly spent: Spent }> {
  const from = new Date(now - BUDGET_WINDOW);
  const [row] = await db.query<BrakeRow & Spent>(sql`
    select b.tripped, b.at, b.actor_kind, b.actor_name, b.because, s.taken, s.ended, s.failed
    from safety_brake b
    cross join lateral (select greatest(${from}::timestamptz, case when b.tripped then null else b.at end) as at) f
    cross join lateral (
      select count(*) filter (where taken_at > f.at)::int as taken,
        count(*) filter (where ended_at > f.at)::int as ended,
        count(*) filter (where ended_at > f.at and failed)::int as failed
      from safety_action where (taken_at > f.at or ended_at > f.at) and command_id <> ${except}) s`);
  if (row === undefined) throw new Error("safety_brake has no row");
  const { taken, ended, failed } = row;
  return { brake: brakeOf(row), spent: { taken, ended, failed } };
}

/** Notes an action. The same command noted again changes nothing. */
export async function insertAction(
  tx: Transaction,
  question: ActionQuestion,
  commandId: string,
  target: string,
  domains: readonly string[],
): Promise<void> {
  const { node, actor } = question;
  await tx.query(sql`
    insert into safety_action (command_id, target, node_id, node_name, action, actor_kind, actor_name, automatic,
      domains, taken_at)
    values (${commandId}, ${target}, ${node.id}, ${node.name}, ${question.action}, ${actor.kind}, ${actor.name},
      ${question.automatic}, ${domains}::text[], ${new Date(question.now)})
    on conflict (command_id) do nothing`);
}

/** An action has ended, or (`ended` undefined) goes on after all. */
export async function saveEnd(
  tx: Transaction,
  commandId: string,
  ended: { readonly at: Instant; readonly failed: boolean } | undefined,
): Promise<void> {
  await tx.query(
    ended === undefined
      ? sql`update safety_action set ended_at = null, failed = false
          where command_id = ${commandId} and ended_at is not null`
      : sql`update safety_action set ended_at = ${new Date(ended.at)}, failed = ${ended.failed}
          where command_id = ${commandId}`,
  );
}

/** An action that ended well did not help. */
export async function saveFailed(tx: Transaction, commandId: string): Promise<void> {
  await tx.query(sql`update safety_action set failed = true where command_id = ${commandId}`);
}

/** How many nodes other than `node` something is under way on, by domain. */
export async function readInFlight(
  db: Queryable,
  domains: readonly string[],
  node: string,
  now: Instant,
): Promise<ReadonlyMap<string, number>> {
  const rows = await db.query<{ domain: string; nodes: number }>(sql`
    select d.domain, count(distinct a.node_id)::int as nodes
    from safety_action a cross join unnest(a.domains) as d (domain)
    where a.ended_at is null and a.taken_at > ${new Date(now - IN_FLIGHT_MAX)} and a.node_id <> ${node}
      and (${domains.length === 0} or d.domain = any(${domains}::text[]))
    group by d.domain`);
  return new Map(rows.map(({ domain, nodes }) => [domain, nodes]));
}

/**
 * When the same was done to a target, newest first; what came before its last case was closed does not count. And why its
 * case is open, if one is.
 */
export async function readRepeats(
  db: Queryable,
  target: string,
  after: Instant,
  except: string,
): Promise<{ readonly repeats: readonly Instant[]; readonly openCase: string | undefined }> {
  const [row] = await db.query<{ repeats: Date[]; open_case: string | null }>(sql`
    select array(
        select taken_at from safety_action
        where target = ${target} and command_id <> ${except} and taken_at > greatest(${new Date(after)}::timestamptz,
          (select max(closed_at) from safety_case where target = ${target} and closed_at is not null))
        order by taken_at desc limit 100) as repeats,
      (select because from safety_case where target = ${target} and closed_at is null) as open_case`);
  return {
    repeats: (row?.repeats ?? []).map((at) => at.getTime()),
    openCase: row?.open_case ?? undefined,
  };
}

interface StormRow {
  domain: string;
  kind: "gathering" | "storm";
  since: Date;
  exceeded_at: Date;
}

/** Domains that are not calm. */
export async function readStorms(db: Queryable): Promise<ReadonlyMap<string, Storm>> {
  const rows = await db.query<StormRow>(sql`select domain, kind, since, exceeded_at from safety_storm`);
  return new Map(
    rows.map(({ domain, kind, since, exceeded_at }) => [
      domain,
      { kind, since: since.getTime(), exceededAt: exceeded_at.getTime() },
    ]),
  );
}

export async function saveStorm(
  tx: Transaction,
  domain: string,
  storm: Storm,
  because: string,
): Promise<void> {
  await tx.query(
    storm.kind === "calm"
      ? sql`delete from safety_storm where domain = ${domain}`
      : sql`insert into safety_storm (domain, kind, since, exceeded_at, because)
          values (${domain}, ${storm.kind}, ${new Date(storm.since)}, ${new Date(storm.exceededAt)}, ${because})
          on conflict (domain) do update set kind = excluded.kind, since = excluded.since,
            exceeded_at = excluded.exceeded_at, because = excluded.because`,
  );
}

interface CaseRow {
  case_id: string;
  target: string;
  node_name: string;
  action: string;
  opened_at: Date;
  because: string;
  closed_at: Date | null;
  closed_kind: string | null;
  closed_name: string | null;
  closed_because: string;
}

function toCase(row: CaseRow): Case {
  return {
    id: row.case_id,
    target: row.target,
    nodeName: row.node_name,
    action: row.action,
    openedAt: row.opened_at.getTime(),
    because: row.because,
    closed:
      row.closed_at === null
        ? undefined
        : {
            at: row.closed_at.getTime(),
            by: { kind: row.closed_kind as Actor["kind"], name: row.closed_name ?? "" },
            because: row.closed_because,
          },
  };
}

async function oneCase(db: Queryable, where: Sql): Promise<Case | undefined> {
  const [row] = await db.query<CaseRow>(sql`select * from safety_case where ${where}`);
  return row && toCase(row);
}

/** The case, locked until the transaction ends. */
export function lockCase(tx: Transaction, id: string): Promise<Case | undefined> {
  return oneCase(tx, sql`case_id = ${id} for update`);
}

/** Opens a case; false when the target has one. */
export async function insertCase(tx: Transaction, opened: Case): Promise<boolean> {
  const rows = await tx.query(sql`
    insert into safety_case (case_id, target, node_name, action, opened_at, because)
    values (${opened.id}, ${opened.target}, ${opened.nodeName}, ${opened.action}, ${new Date(opened.openedAt)},
      ${opened.because})
    on conflict (target) where closed_at is null do nothing returning case_id`);
  return rows.length === 1;
}

export async function saveClosed(tx: Transaction, { id, closed }: Case): Promise<void> {
  if (closed === undefined) return;
  await tx.query(sql`
    update safety_case set closed_at = ${new Date(closed.at)}, closed_kind = ${closed.by.kind},
      closed_name = ${closed.by.name}, closed_because = ${closed.because} where case_id = ${id}`);
}

/** Cases, newest first. */
export async function readCases(
  db: Queryable,
  filter: {
    readonly openOnly: boolean;
    readonly before?: { readonly at: Instant; readonly id: string };
    readonly limit: number;
  },
): Promise<readonly Case[]> {
  const { before } = filter;
  const rows = await db.query<CaseRow>(sql`
    select * from safety_case where (not ${filter.openOnly} or closed_at is null)
      and (${before === undefined} or (opened_at, case_id) < (${new Date(before?.at ?? 0)}, ${before?.id ?? ""}))
    order by opened_at desc, case_id desc limit ${filter.limit}`);
  return rows.map(toCase);
}

/** Forgets what no window reaches any more. */
export async function forgetActions(db: Queryable, now: Instant): Promise<void> {
  await db.query(sql`delete from safety_action where taken_at < ${new Date(now - KEPT)}`);
}
