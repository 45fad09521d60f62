/** Runs of drills, in PostgreSQL. */
import type { Actor } from "../kernel/actor.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import type { DrillKind } from "./domain/drill.js";
import type { DrillRun, DrillRunState } from "./domain/drill-run.js";
import type { RestoreReport } from "./domain/restore-report.js";

interface RunRow {
  id: string;
  drill: string;
  component: string;
  kind: DrillKind;
  begun_by: Actor;
  reason: string;
  begun_at: Date;
  reach: string;
  to_moment: string;
  state: DrillRunState;
  reference: string;
  abort_because: string;
  because: string;
  score: number;
  report: RestoreReport | null;
  ended_at: Date | null;
}

const COLUMNS = sql`id, drill, component, kind, begun_by, reason, begun_at, reach, to_moment, state, reference, abort_because,
  because, score, report, ended_at`;

const toRun = (row: RunRow): DrillRun => ({
  id: row.id,
  drill: row.drill,
  component: row.component,
  kind: row.kind,
  begunBy: row.begun_by,
  reason: row.reason,
  begunAt: row.begun_at.getTime(),
  reach: row.reach,
  to: row.to_moment === "" ? undefined : row.to_moment,
  state: row.state,
  reference: row.reference,
  abortBecause: row.abort_because,
  because: row.because,
  score: row.score,
  report: row.report ?? undefined,
  endedAt: row.ended_at?.getTime(),
});

/** False when another run is open: then this one is not stored. */
export async function insertRun(tx: Transaction, run: DrillRun): Promise<boolean> {
  const rows = await tx.query(sql`
    insert into drill_run (id, drill, component, kind, begun_by, reason, begun_at, reach, to_moment, state, reference,
      abort_because, because, score)
    values (${run.id}, ${run.drill}, ${run.component}, ${run.kind}, ${JSON.stringify(run.begunBy)}, ${run.reason},
      ${new Date(run.begunAt)}, ${run.reach}, ${run.to ?? ""}, ${run.state}, ${run.reference}, ${run.abortBecause},
      ${run.because}, ${run.score})
    on conflict do nothing returning id`);
  return rows.length === 1;
}

export async function readRun(db: Queryable, id: string): Promise<DrillRun | undefined> {
  const [row] = await db.query<RunRow>(sql`select ${COLUMNS} from drill_run where id = ${id}`);
  return row === undefined ? undefined : toRun(row);
}

export async function readOpenRun(db: Queryable): Promise<DrillRun | undefined> {
  const [row] = await db.query<RunRow>(sql`select ${COLUMNS} from drill_run where ended_at is null`);
  return row === undefined ? undefined : toRun(row);
}

/** Newest first; of one drill, or of all. */
export async function readRuns(
  db: Queryable,
  filter: { readonly drill?: string; readonly limit: number },
): Promise<readonly DrillRun[]> {
  const one = filter.drill === undefined ? sql`` : sql`where drill = ${filter.drill}`;
  const rows = await db.query<RunRow>(sql`
    select ${COLUMNS} from drill_run ${one} order by begun_at desc, id desc limit ${filter.limit}`);
  return rows.map(toRun);
}

/** Those of restores of one component that measured something, newest first. */
export async function readRestores(
  db: Queryable,
  component: string,
  limit: number,
): Promise<readonly DrillRun[]> {
  const rows = await db.query<RunRow>(sql`
    select ${COLUMNS} from drill_run
    where component = ${component} and kind = 'restore' and report is not null
    order by begun_at desc, id desc limit ${limit}`);
  return rows.map(toRun);
}

/** What it was asked for as. */
export async function saveReference(
  db: Queryable,
  id: string,
  reference: string,
  because: string,
): Promise<void> {
  await db.query(sql`
    update drill_run set reference = ${reference}, because = ${because} where id = ${id} and ended_at is null`);
}

/** False when it has ended already. */
export async function saveAbort(tx: Transaction, id: string, because: string): Promise<boolean> {
  const rows = await tx.query(sql`
    update drill_run set abort_because = case when abort_because = '' then ${because} else abort_because end
    where id = ${id} and ended_at is null returning id`);
  return rows.length === 1;
}

/** False when it had ended already: then nothing more is told of it. */
export async function endRun(
  tx: Transaction,
  id: string,
  end: {
    readonly state: Exclude<DrillRunState, "open">;
    readonly because: string;
    readonly score: number;
    readonly report: RestoreReport | undefined;
    readonly at: Instant;
  },
): Promise<boolean> {
  const report = end.report === undefined ? null : JSON.stringify(end.report);
  const rows = await tx.query(sql`
    update drill_run set state = ${end.state}, because = ${end.because}, score = ${end.score}, report = ${report}::jsonb,
      ended_at = ${new Date(end.at)}
    where id = ${id} and ended_at is null returning id`);
  return rows.length === 1;
}

/** Since when a drill is defined; from now on when it was not known. */
export async function seenSince(db: Queryable, drill: string, now: Instant): Promise<Instant> {
  const [known] = await db.query<{ since: Date }>(sql`select since from drill_seen where drill = ${drill}`);
  if (known !== undefined) return known.since.getTime();
  await db.query(sql`
    insert into drill_seen (drill, since) values (${drill}, ${new Date(now)}) on conflict do nothing`);
  return now;
}
