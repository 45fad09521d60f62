/** Runs of region plans in PostgreSQL. A record is there before anything that it announces is done. */
import { appendEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import type { Role } from "../kernel/caller.js";
import { canonicalJson, type Json } from "../kernel/canonical-json.js";
import type { Instant } from "../kernel/time.js";
import type { Database, Queryable, Transaction } from "../platform/postgres/database.js";
import { type Sql, sql } from "../platform/postgres/sql.js";
import { applyRecord, type CascadeRecord, type CascadeState, FIRST, isOver } from "./domain/cascade.js";
import type { RegionPlan } from "./domain/region-plan.js";
import type { Standing } from "./domain/standing.js";
import { tellCascade } from "./domain/tell-cascade.js";

export interface RegionRun {
  readonly region: string;
  readonly epoch: number;
  readonly plan: RegionPlan;
  readonly planHash: string;
  readonly state: CascadeState;
  readonly requestedBy: Actor;
  readonly roles: readonly Role[];
  readonly reason: string;
  readonly startedAt: Instant;
  readonly endedAt: Instant | undefined;
}

interface RunRow {
  region: string;
  epoch: string;
  plan: RegionPlan;
  plan_hash: string;
  state: CascadeState;
  records: string;
  requested_by: Actor;
  requested_roles: Role[];
  reason: string;
  started_at: Date;
  ended_at: Date | null;
}

const toRun = (row: RunRow): RegionRun => ({
  region: row.region,
  epoch: Number(row.epoch),
  plan: row.plan,
  planHash: row.plan_hash,
  state: row.state,
  requestedBy: row.requested_by,
  roles: row.requested_roles,
  reason: row.reason,
  startedAt: row.started_at.getTime(),
  endedAt: row.ended_at?.getTime(),
});

/** Stores a run with its first records. False when one of the region is open, or the epoch was taken meanwhile. */
export async function insertRun(
  tx: Transaction,
  run: Omit<RegionRun, "state" | "endedAt">,
  records: readonly CascadeRecord[],
): Promise<boolean> {
  const { region, epoch, plan, planHash, requestedBy, roles, reason, startedAt } = run;
  const state = records.reduce(applyRecord, FIRST);
  const rows = await tx.query(sql`
    insert into region_run (region, epoch, plan, plan_hash, state, records, requested_by, requested_roles, reason, started_at)
    values (${region}, ${epoch}, ${JSON.stringify(plan)}, ${planHash}, ${JSON.stringify(state)}, ${records.length},
      ${JSON.stringify(requestedBy)}, ${[...roles]}, ${reason}, ${new Date(startedAt)})
    on conflict do nothing
    returning epoch`);
  if (rows.length === 0) return false;
  await writeRecords(tx, { region, epoch, from: 0 }, records, requestedBy);
  return true;
}

/**
 * Lets `decide` say what follows from the run as it is now, and writes it down: the run is locked meanwhile, so nobody
 * decides on what another has changed. Undefined when there is no such run.
 */
export async function changeRun(
  database: Database,
  { region, epoch }: { readonly region: string; readonly epoch: number },
  by: Actor,
  decide: (run: RegionRun, tx: Transaction) => Promise<readonly CascadeRecord[]>,
): Promise<{ readonly run: RegionRun; readonly records: readonly CascadeRecord[] } | undefined> {
  return database.transaction(async (tx) => {
    const [row] = await tx.query<RunRow>(sql`
      select * from region_run where region = ${region} and epoch = ${epoch} for update`);
    if (row === undefined) return undefined;
    const run = toRun(row);
    const records = await decide(run, tx);
    const last = records.at(-1);
    if (last === undefined) return { run, records };
    const state = records.reduce(applyRecord, run.state);
    const endedAt = isOver(state) ? new Date(last.at) : null;
    const count = Number(row.records);
    await tx.query(sql`
      update region_run set state = ${JSON.stringify(state)}, records = ${count + records.length}, ended_at = ${endedAt}
      where region = ${region} and epoch = ${epoch}`);
    await writeRecords(tx, { region, epoch, from: count }, records, by);
    return { run: { ...run, state, endedAt: endedAt?.getTime() }, records };
  });
}

async function writeRecords(
  tx: Transaction,
  { region, epoch, from }: { readonly region: string; readonly epoch: number; readonly from: number },
  records: readonly CascadeRecord[],
  actor: Actor,
): Promise<void> {
  for (const [index, record] of records.entries()) {
    await tx.query(sql`
      insert into region_record (region, epoch, position, kind, at, record)
      values (${region}, ${epoch}, ${from + index + 1}, ${record.kind}, ${new Date(record.at)}, ${JSON.stringify(record)})`);
  }
  await appendEntries(
    tx,
    records.map((record) => ({
      at: record.at,
      kind: `region.${record.kind}`,
      subject: `region:${region}`,
      actor,
      because: tellCascade(record),
      facts: { epoch, record: JSON.parse(canonicalJson(JSON.parse(JSON.stringify(record)))) as Json },
    })),
  );
}

async function runs(db: Queryable, where: Sql): Promise<readonly RegionRun[]> {
  return (await db.query<RunRow>(sql`select * from region_run where ${where}`)).map(toRun);
}

export const readOpenRuns = (db: Queryable): Promise<readonly RegionRun[]> => runs(db, sql`ended_at is null`);

/** The newest of each region. */
export const readNewestRuns = (db: Queryable): Promise<readonly RegionRun[]> =>
  runs(db, sql`epoch = (select max(epoch) from region_run other where other.region = region_run.region)`);

/** The newest of a region when `epoch` is 0. */
export async function readRun(db: Queryable, region: string, epoch: number): Promise<RegionRun | undefined> {
  const [run] = await runs(
    db,
    epoch === 0
      ? sql`region = ${region} order by epoch desc limit 1`
      : sql`region = ${region} and epoch = ${epoch}`,
  );
  return run;
}

/** Oldest first. */
export async function readRecords(
  db: Queryable,
  region: string,
  epoch: number,
): Promise<readonly CascadeRecord[]> {
  const rows = await db.query<{ record: CascadeRecord }>(sql`
    select record from region_record where region = ${region} and epoch = ${epoch} order by position`);
  return rows.map(({ record }) => record);
}

/** What each step took when it was last done, by step. */
export async function readTook(db: Queryable, region: string): Promise<ReadonlyMap<string, number>> {
  const rows = await db.query<{ step: string; took: number }>(sql`
    select distinct on (record->>'step') record->>'step' as step, (record->>'tookMs')::float8 as took
    from region_record where region = ${region} and kind = 'done'
    order by record->>'step', epoch desc`);
  return new Map(rows.map(({ step, took }) => [step, took]));
}

export async function readStandings(db: Queryable, region: string): Promise<ReadonlyMap<string, Standing>> {
  const rows = await db.query<{ step: string; standing: Standing }>(sql`
    select step, standing from region_standing where region = ${region}`);
  return new Map(rows.map(({ step, standing }) => [step, standing]));
}

export async function saveStanding(
  db: Queryable,
  region: string,
  step: string,
  standing: Standing,
): Promise<void> {
  await db.query(sql`
    insert into region_standing (region, step, standing) values (${region}, ${step}, ${JSON.stringify(standing)})
    on conflict (region, step) do update set standing = excluded.standing`);
}
