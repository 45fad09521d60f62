/** Decision logs in PostgreSQL. A record is there before anything that it announces is done. */
import { applyRecord, refusalOf } from "@mainstay/proto/failover/apply-record";
import { type ClusterState, firstCluster, type LogRecord } from "@mainstay/proto/failover/decision";
import { type FailoverPolicy, faultsOfPolicy } from "@mainstay/proto/failover/policy";
import { appendEntries } from "../journal/journal.module.js";
import { SYSTEM } from "../kernel/actor.js";
import { canonicalJson, type Json } from "../kernel/canonical-json.js";
import { OpsError } from "../kernel/errors.js";
import type { Instant } from "../kernel/time.js";
import type { Database, Queryable, Transaction } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import type { AnyRecord } from "./domain/account-decision.js";
import type { Observation } from "./domain/observation.js";
import { tellRecord } from "./domain/tell-record.js";

/** A log is checked and told as a whole up to so many records; holders change far more often than owners. */
export const RECORDS_READ_MAX = 50_000;

export interface RecoveryCluster {
  readonly cluster: string;
  readonly policy: FailoverPolicy;
  readonly firstPrimary: string;
  readonly state: ClusterState;
  /** As whoever drives it last saw it. */
  readonly observed: { readonly at: Instant; readonly seen: Observation } | undefined;
  readonly releasedAt: Instant | undefined;
}

/**
 * Takes a cluster under failover; `primary` owns epoch 1. False when it was there already: then it stays as it was. One that
 * was let go comes back with the owner that its log ends with, and goes on with its epochs: they are never used twice.
 */
export async function registerCluster(
  tx: Transaction,
  cluster: string,
  policy: FailoverPolicy,
  primary: string,
  now: Instant,
): Promise<boolean> {
  const faults = [...faultsOfPolicy(policy)];
  if (!policy.members.includes(primary)) faults.push(`primary: ${primary} is no member`);
  if (faults.length > 0) {
    throw new OpsError("INVALID_ARGUMENT", `failover policy of ${cluster}: ${faults.join("; ")}`);
  }
  const rows = await tx.query(sql`
    insert into recovery_cluster (cluster, term, records, policy, first_primary, state, registered_at)
    values (${cluster}, 0, 0, ${JSON.stringify(policy)}, ${primary}, ${JSON.stringify(firstCluster(primary))},
      ${new Date(now)})
    on conflict (cluster) do update set policy = excluded.policy, released_at = null, registered_at = excluded.registered_at
      where recovery_cluster.kept_by = 'agents' and recovery_cluster.released_at is not null and recovery_cluster.state->>'primary' = ${primary}
    returning cluster`);
  return rows.length === 1;
}

interface ClusterRow {
  cluster: string;
  policy: FailoverPolicy;
  first_primary: string;
  state: ClusterState;
  observed: Observation | null;
  observed_at: Date | null;
  released_at: Date | null;
}

const COLUMNS = sql`cluster, policy, first_primary, state, observed, observed_at, released_at`;

const toCluster = (row: ClusterRow): RecoveryCluster => ({
  cluster: row.cluster,
  policy: row.policy,
  firstPrimary: row.first_primary,
  state: row.state,
  observed:
    row.observed === null || row.observed_at === null
      ? undefined
      : { at: row.observed_at.getTime(), seen: row.observed },
  releasedAt: row.released_at?.getTime(),
});

/** All that were ever registered and whose lease the agents keep, by name. */
export async function readClusters(db: Queryable): Promise<readonly RecoveryCluster[]> {
  const rows = await db.query<ClusterRow>(sql`
    select ${COLUMNS} from recovery_cluster where kept_by = 'agents' order by cluster`);
  return rows.map(toCluster);
}

/** Undefined when it is not registered, or was let go. */
export async function readCluster(db: Queryable, cluster: string): Promise<RecoveryCluster | undefined> {
  const [row] = await db.query<ClusterRow>(sql`
    select ${COLUMNS} from recovery_cluster
    where cluster = ${cluster} and kept_by = 'agents' and released_at is null`);
  return row === undefined ? undefined : toCluster(row);
}

/** Since when it is under failover; undefined when it is not. */
export async function readRegisteredAt(db: Queryable, cluster: string): Promise<Instant | undefined> {
  const [row] = await db.query<{ registered_at: Date }>(sql`
    select registered_at from recovery_cluster where cluster = ${cluster} and released_at is null`);
  return row?.registered_at.getTime();
}

/** Lets go of a cluster: whoever drives it finds its term gone. False while a decision is open, or when it is not there. */
export async function releaseCluster(db: Queryable, cluster: string, now: Instant): Promise<boolean> {
  const rows = await db.query(sql`
    update recovery_cluster set released_at = ${new Date(now)}, term = term + 1
    where cluster = ${cluster} and released_at is null and state->'decision' = 'null'::jsonb returning cluster`);
  return rows.length === 1;
}

/** Whether `term` is the last; then `seen` is kept, when it is given. */
export async function confirmTerm(
  db: Queryable,
  cluster: string,
  term: number,
  seen: Observation | undefined,
  now: Instant,
): Promise<boolean> {
  const mine = sql`cluster = ${cluster} and term = ${term} and released_at is null`;
  const rows = await db.query(
    seen === undefined
      ? sql`select 1 from recovery_cluster where ${mine}`
      : sql`update recovery_cluster set observed = ${JSON.stringify(seen)}, observed_at = ${new Date(now)}
          where ${mine} returning cluster`,
  );
  return rows.length === 1;
}

/**
 * A new term for whoever leads now, and what to go on with. Whoever had the term before can append no more.
 * NOT_FOUND when the cluster is not registered.
 */
export async function takeTerm(
  db: Queryable,
  cluster: string,
): Promise<RecoveryCluster & { readonly term: number }> {
  const [row] = await db.query<ClusterRow & { term: string }>(sql`
    update recovery_cluster set term = term + 1 where cluster = ${cluster} and released_at is null
    returning ${COLUMNS}, term`);
  if (row === undefined) throw new OpsError("NOT_FOUND", `failover of ${cluster}: it is not registered`);
  return { ...toCluster(row), term: Number(row.term) };
}

/**
 * Writes records down, with the journal's entries, in one transaction: all or none. `deposed` when the term is not the
 * last any more: then nothing of what they announce may be done. `skipped` when `together`, which is done in the same
 * transaction, says no. Throws INTERNAL for a record that may not follow.
 */
export async function appendRecords(
  database: Database,
  cluster: string,
  term: number,
  records: readonly LogRecord[],
  together: (tx: Transaction) => Promise<boolean> = async () => true,
): Promise<
  | { readonly kind: "written"; readonly state: ClusterState }
  | { readonly kind: "deposed" }
  | { readonly kind: "skipped" }
> {
  return database.transaction(async (tx) => {
    const [row] = await tx.query<{ records: string; state: ClusterState }>(sql`
      select records, state from recovery_cluster where cluster = ${cluster} and term = ${term} for update`);
    if (row === undefined) return { kind: "deposed" };
    if (!(await together(tx))) return { kind: "skipped" };
    let position = Number(row.records);
    let { state } = row;
    for (const record of records) {
      const refusal = refusalOf(state, record);
      if (refusal !== null) {
        throw new OpsError("INTERNAL", `decision log of ${cluster}: "${record.kind}" refused: ${refusal}`);
      }
      const epoch = epochOf(state, record);
      state = applyRecord(state, record);
      position += 1;
      await insertRecord(tx, cluster, { position, term, epoch, record });
    }
    await tx.query(sql`
      update recovery_cluster set records = ${position}, state = ${JSON.stringify(state)}
      where cluster = ${cluster}`);
    await appendEntries(
      tx,
      records.map((record) => ({
        at: record.at,
        kind: `recovery.${record.kind}`,
        subject: `cluster:${cluster}`,
        actor: SYSTEM,
        because: tellRecord(record),
        facts: { term, record: JSON.parse(canonicalJson(JSON.parse(JSON.stringify(record)))) as Json },
      })),
    );
    return { kind: "written", state };
  });
}

const epochOf = (state: ClusterState, record: LogRecord): number | null =>
  record.kind === "intended" ? record.epoch : (state.decision?.epoch ?? null);

async function insertRecord(
  tx: Transaction,
  cluster: string,
  {
    position,
    term,
    epoch,
    record,
  }: { position: number; term: number; epoch: number | null; record: LogRecord },
): Promise<void> {
  const at = new Date(record.at);
  await tx.query(sql`
    insert into recovery_record (cluster, position, term, epoch, kind, at, record)
    values (${cluster}, ${position}, ${term}, ${epoch}, ${record.kind}, ${at}, ${JSON.stringify(record)})`);
  if (record.kind === "intended") {
    await tx.query(sql`
      insert into recovery_decision (cluster, epoch, kind, started_at)
      values (${cluster}, ${record.epoch}, ${record.decision}, ${at})`);
  }
  if (record.kind === "closed" || record.kind === "aborted") {
    await tx.query(sql`
      update recovery_decision set ended_at = ${at} where cluster = ${cluster} and epoch = ${record.epoch}`);
  }
}

/** The whole log, or one decision's part of it, oldest first; the oldest {@link RECORDS_READ_MAX}. */
export async function readRecords(
  db: Queryable,
  cluster: string,
  epoch?: number,
): Promise<readonly LogRecord[]> {
  const one = epoch === undefined ? sql`` : sql`and epoch = ${epoch}`;
  const rows = await db.query<{ record: LogRecord }>(sql`
    select record from recovery_record where cluster = ${cluster} ${one}
    order by position limit ${RECORDS_READ_MAX}`);
  return rows.map(({ record }) => record);
}

export interface DecisionRecords {
  readonly cluster: string;
  readonly records: readonly AnyRecord[];
}

/** The records of the newest decisions, newest first; of one cluster, or of all. */
export async function readDecisions(
  db: Queryable,
  filter: { readonly cluster?: string; readonly limit: number },
): Promise<readonly DecisionRecords[]> {
  const one = filter.cluster === undefined ? sql`` : sql`where cluster = ${filter.cluster}`;
  return db.query<{ cluster: string; records: readonly AnyRecord[] }>(sql`
    select d.cluster, r.records
    from (select cluster, epoch, started_at from recovery_decision ${one}
      order by started_at desc, epoch desc limit ${filter.limit}) d
    cross join lateral (
      select jsonb_agg(record order by position) as records from recovery_record
      where cluster = d.cluster and epoch = d.epoch) r
    order by d.started_at desc, d.epoch desc`);
}
