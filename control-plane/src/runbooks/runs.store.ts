/** Runs and schedules in PostgreSQL. A run is read whole and written whole; its revision tells whether it has moved on. */
import type { Actor } from "../kernel/actor.js";
import type { Role } from "../kernel/caller.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { type Sql, sql } from "../platform/postgres/sql.js";
import type { ParameterValues } from "./domain/parameter.js";
import type { Program } from "./domain/program.js";
import type { Run, RunState, StepRun } from "./domain/run.js";

interface Row {
  run_id: string;
  runbook: string;
  digest: string;
  program: Program;
  parameters: ParameterValues;
  dry_run: boolean;
  state: string;
  because: string;
  requested_kind: string;
  requested_name: string;
  requested_roles: Role[];
  reason: string;
  traceparent: string;
  started_at: Date;
  changed_at: Date;
  ended_at: Date | null;
  cancel_because: string | null;
  steps: Record<string, StepRun>;
  revision: string;
}

const toRun = (row: Row): Run => ({
  id: row.run_id,
  runbook: row.runbook,
  digest: row.digest,
  program: row.program,
  parameters: row.parameters,
  dryRun: row.dry_run,
  state: row.state as RunState,
  because: row.because,
  requestedBy: { kind: row.requested_kind as Actor["kind"], name: row.requested_name },
  roles: row.requested_roles,
  reason: row.reason,
  traceparent: row.traceparent,
  startedAt: row.started_at.getTime(),
  changedAt: row.changed_at.getTime(),
  endedAt: row.ended_at?.getTime(),
  cancelBecause: row.cancel_because ?? undefined,
  steps: row.steps,
  revision: Number(row.revision),
});

/** Stores a new run; false when this request was stored before. */
export async function insertRun(tx: Transaction, run: Run, requestKey: string): Promise<boolean> {
  const rows = await tx.query(sql`
    insert into runbook_run (run_id, request_key, runbook, digest, program, parameters, dry_run, state, because,
      requested_kind, requested_name, requested_roles, reason, traceparent, started_at, changed_at, steps, revision)
    values (${run.id}, ${requestKey}, ${run.runbook}, ${run.digest}, ${JSON.stringify(run.program)}::jsonb,
      ${JSON.stringify(run.parameters)}::jsonb, ${run.dryRun}, ${run.state}, ${run.because}, ${run.requestedBy.kind},
      ${run.requestedBy.name}, ${[...run.roles]}, ${run.reason}, ${run.traceparent}, ${new Date(run.startedAt)},
      ${new Date(run.changedAt)}, ${JSON.stringify(run.steps)}::jsonb, ${run.revision})
    on conflict (request_key) do nothing
    returning run_id`);
  return rows.length === 1;
}

/** Writes what may change of a run, over the revision before; false when another has written meanwhile. */
export async function saveRun(tx: Transaction, run: Run): Promise<boolean> {
  const rows = await tx.query(sql`
    update runbook_run set state = ${run.state}, because = ${run.because}, changed_at = ${new Date(run.changedAt)},
      ended_at = ${run.endedAt === undefined ? null : new Date(run.endedAt)}, cancel_because = ${run.cancelBecause ?? null},
      steps = ${JSON.stringify(run.steps)}::jsonb, revision = ${run.revision}
    where run_id = ${run.id} and revision = ${run.revision - 1}
    returning run_id`);
  return rows.length === 1;
}

async function one(db: Queryable, where: Sql): Promise<Run | undefined> {
  const [row] = await db.query<Row>(sql`select * from runbook_run where ${where}`);
  return row && toRun(row);
}

export const readRun = (db: Queryable, id: string): Promise<Run | undefined> => one(db, sql`run_id = ${id}`);

export const readRunByRequest = (db: Queryable, requestKey: string): Promise<Run | undefined> =>
  one(db, sql`request_key = ${requestKey}`);

/** Runs that have not ended, oldest first. */
export async function readOpenRuns(db: Queryable, limit: number): Promise<readonly Run[]> {
  const rows = await db.query<Row>(sql`
    select * from runbook_run where ended_at is null order by started_at, run_id limit ${limit}`);
  return rows.map(toRun);
}

export async function countOpenRuns(db: Queryable): Promise<number> {
  const [row] = await db.query<{ open: number }>(sql`
    select count(*)::int as open from runbook_run where ended_at is null`);
  return row?.open ?? 0;
}

export interface RunFilter {
  readonly runbook?: string;
  readonly state?: RunState;
  readonly before?: { readonly startedAt: Instant; readonly id: string };
  readonly limit: number;
}

/** Runs, newest first. */
export async function readRuns(
  db: Queryable,
  { runbook, state, before, limit }: RunFilter,
): Promise<readonly Run[]> {
  const rows = await db.query<Row>(sql`
    select * from runbook_run
    where (${runbook ?? ""} = '' or runbook = ${runbook ?? ""})
      and (${state ?? ""} = '' or state = ${state ?? ""})
      and (${before === undefined} or (started_at, run_id) < (${new Date(before?.startedAt ?? 0)}, ${before?.id ?? ""}))
    order by started_at desc, run_id desc limit ${limit}`);
  return rows.map(toRun);
}

/** Since when this schedule is known: since now, when it is new or another than before. */
export async function knownSince(
  db: Queryable,
  schedule: { readonly runbook: string; readonly cron: string; readonly timeZone: string },
  now: Instant,
): Promise<Instant> {
  const { runbook, cron, timeZone } = schedule;
  const [row] = await db.query<{ known_since: Date }>(sql`
    insert into runbook_schedule (runbook, cron, time_zone, known_since)
    values (${runbook}, ${cron}, ${timeZone}, ${new Date(now)})
    on conflict (runbook) do update set
      known_since = case when runbook_schedule.cron = excluded.cron and runbook_schedule.time_zone = excluded.time_zone
        then runbook_schedule.known_since else excluded.known_since end,
      cron = excluded.cron, time_zone = excluded.time_zone
    returning known_since`);
  return row?.known_since.getTime() ?? now;
}
