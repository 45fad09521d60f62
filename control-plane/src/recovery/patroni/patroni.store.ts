/** Adopted clusters in PostgreSQL: beside those that the agents keep, in the same tables, with records of their own form. */
import { appendEntries } from "../../journal/journal.module.js";
import { SYSTEM } from "../../kernel/actor.js";
import { canonicalJson, type Json } from "../../kernel/canonical-json.js";
import { OpsError } from "../../kernel/errors.js";
import type { Instant } from "../../kernel/time.js";
import type { Database, Queryable, Transaction } from "../../platform/postgres/database.js";
import { sql } from "../../platform/postgres/sql.js";
import {
  applyRecord,
  NEVER_ADOPTED,
  type PatroniPolicy,
  type PatroniRecord,
  type PatroniState,
  refusalOf,
} from "../domain/patroni/patroni-cluster.js";
import type { PatroniSeen } from "../domain/patroni/patroni-seen.js";
import { tellPatroni } from "../domain/patroni/tell-patroni.js";

/** A log is told and checked as a whole up to so many records. */
const RECORDS_READ_MAX = 50_000;

/** What is kept of the last look. */
export interface PatroniObservation {
  readonly because: string;
  readonly seen: PatroniSeen;
  /** When the owner was last seen open, and how far its log was; absent when it never was. */
  readonly open?: {
    readonly leader: string;
    readonly timeline: number;
    readonly lsn?: number;
    readonly at: Instant;
  };
}

export interface AdoptedCluster {
  readonly cluster: string;
  readonly policy: PatroniPolicy;
  readonly state: PatroniState;
  readonly observed: { readonly at: Instant; readonly seen: PatroniObservation } | undefined;
  readonly releasedAt: Instant | undefined;
}

interface AdoptedRow {
  cluster: string;
  policy: PatroniPolicy;
  state: PatroniState;
  observed: PatroniObservation | null;
  observed_at: Date | null;
  released_at: Date | null;
}

const COLUMNS = sql`cluster, policy, state, observed, observed_at, released_at`;

const toCluster = (row: AdoptedRow): AdoptedCluster => ({
  cluster: row.cluster,
  policy: row.policy,
  state: row.state,
  observed:
    row.observed === null || row.observed_at === null
      ? undefined
      : { at: row.observed_at.getTime(), seen: row.observed },
  releasedAt: row.released_at?.getTime(),
});

/** All that were ever adopted, by name. */
export async function readAdopted(db: Queryable): Promise<readonly AdoptedCluster[]> {
  const rows = await db.query<AdoptedRow>(
    sql`select ${COLUMNS} from recovery_cluster where kept_by = 'patroni' order by cluster`,
  );
  return rows.map(toCluster);
}

/** Undefined when it is not adopted, or was let go. */
export async function readAdoptedCluster(
  db: Queryable,
  cluster: string,
): Promise<AdoptedCluster | undefined> {
  const [row] = await db.query<AdoptedRow>(sql`
    select ${COLUMNS} from recovery_cluster
    where cluster = ${cluster} and kept_by = 'patroni' and released_at is null`);
  return row === undefined ? undefined : toCluster(row);
}

/** Whether the cluster is, or last was, one that Patroni keeps. */
export async function isKeptByPatroni(db: Queryable, cluster: string): Promise<boolean> {
  const rows = await db.query(
    sql`select 1 from recovery_cluster where cluster = ${cluster} and kept_by = 'patroni'`,
  );
  return rows.length === 1;
}

/** Adopts it. False when the name is taken; one that was let go comes back, and its decisions go on counting. */
export async function adoptCluster(
  tx: Transaction,
  cluster: string,
  policy: PatroniPolicy,
  record: PatroniRecord & { readonly kind: "patroni-adopted" },
): Promise<boolean> {
  const now = new Date(record.at);
  const fresh = JSON.stringify(NEVER_ADOPTED);
  const rows = await tx.query(sql`
    insert into recovery_cluster (cluster, term, records, policy, first_primary, state, registered_at, kept_by)
    values (${cluster}, 0, 0, ${JSON.stringify(policy)}, ${record.leader}, ${fresh}, ${now}, 'patroni')
    on conflict (cluster) do update set policy = excluded.policy, released_at = null, observed = null,
      observed_at = null, registered_at = excluded.registered_at, term = recovery_cluster.term + 1
      where recovery_cluster.released_at is not null and recovery_cluster.kept_by = 'patroni'
    returning cluster`);
  if (rows.length === 0) return false;
  await append(tx, cluster, [record]);
  return true;
}

/** A new term for whoever leads now. NOT_FOUND when it is not adopted. */
export async function takeAdoptedTerm(
  db: Queryable,
  cluster: string,
): Promise<AdoptedCluster & { readonly term: number }> {
  const [row] = await db.query<AdoptedRow & { term: string }>(sql`
    update recovery_cluster set term = term + 1
    where cluster = ${cluster} and kept_by = 'patroni' and released_at is null returning ${COLUMNS}, term`);
  if (row === undefined) throw new OpsError("NOT_FOUND", `cluster ${cluster} is not adopted`);
  return { ...toCluster(row), term: Number(row.term) };
}

/** Keeps what was seen. False when the term is not the last any more. */
export async function keepObservation(
  db: Queryable,
  cluster: string,
  term: number,
  seen: PatroniObservation,
  now: Instant,
): Promise<boolean> {
  const rows = await db.query(sql`
    update recovery_cluster set observed = ${JSON.stringify(seen)}, observed_at = ${new Date(now)}
    where cluster = ${cluster} and term = ${term} and released_at is null returning cluster`);
  return rows.length === 1;
}

export type Appended =
  | { readonly kind: "written"; readonly state: PatroniState }
  | { readonly kind: "deposed" }
  | { readonly kind: "skipped" };

/** As `appendRecords` of the clusters that agents keep: all or none, with the journal's entries. */
export async function appendPatroniRecords(
  database: Database,
  cluster: string,
  term: number,
  records: readonly PatroniRecord[],
  together: (tx: Transaction) => Promise<boolean> = async () => true,
): Promise<Appended> {
  return database.transaction(async (tx) => {
    const rows = await tx.query(sql`
      select 1 from recovery_cluster
      where cluster = ${cluster} and term = ${term} and released_at is null for update`);
    if (rows.length === 0) return { kind: "deposed" };
    if (!(await together(tx))) return { kind: "skipped" };
    return { kind: "written", state: await append(tx, cluster, records) };
  });
}

async function append(
  tx: Transaction,
  cluster: string,
  records: readonly PatroniRecord[],
): Promise<PatroniState> {
  const [row] = await tx.query<{ records: string; state: PatroniState; term: string }>(
    sql`select records, state, term from recovery_cluster where cluster = ${cluster} for update`,
  );
  if (row === undefined) throw new OpsError("INTERNAL", `cluster ${cluster} is gone`);
  let position = Number(row.records);
  let { state } = row;
  const term = Number(row.term);
  for (const record of records) {
    const refusal = refusalOf(state, record);
    if (refusal !== undefined) {
      throw new OpsError("INTERNAL", `log of ${cluster}: "${record.kind}" refused: ${refusal}`);
    }
    state = applyRecord(state, record);
    position += 1;
    await insertRecord(tx, cluster, position, term, record);
  }
  await tx.query(sql`
    update recovery_cluster set records = ${position}, state = ${JSON.stringify(state)} where cluster = ${cluster}`);
  await appendEntries(
    tx,
    records.map((record) => ({
      at: record.at,
      kind: `recovery.${record.kind}`,
      subject: `cluster:${cluster}`,
      actor: SYSTEM,
      because: tellPatroni(record),
      facts: { term, record: JSON.parse(canonicalJson(JSON.parse(JSON.stringify(record)))) as Json },
    })),
  );
  return state;
}

async function insertRecord(
  tx: Transaction,
  cluster: string,
  position: number,
  term: number,
  record: PatroniRecord,
): Promise<void> {
  const at = new Date(record.at);
  const epoch = "epoch" in record ? record.epoch : null;
  await tx.query(sql`
    insert into recovery_record (cluster, position, term, epoch, kind, at, record)
    values (${cluster}, ${position}, ${term}, ${epoch}, ${record.kind}, ${at}, ${JSON.stringify(record)})`);
  if (record.kind === "patroni-intended") {
    await tx.query(sql`
      insert into recovery_decision (cluster, epoch, kind, started_at)
      values (${cluster}, ${record.epoch}, ${record.decision}, ${at})`);
  }
  if (record.kind === "patroni-closed" || record.kind === "patroni-aborted") {
    await tx.query(sql`
      update recovery_decision set ended_at = ${at} where cluster = ${cluster} and epoch = ${record.epoch}`);
  }
}

/** The whole log of an adopted cluster, oldest first. */
export async function readPatroniLog(db: Queryable, cluster: string): Promise<readonly PatroniRecord[]> {
  const rows = await db.query<{ record: PatroniRecord }>(sql`
    select record from recovery_record where cluster = ${cluster} order by position limit ${RECORDS_READ_MAX}`);
  return rows.map(({ record }) => record);
}
