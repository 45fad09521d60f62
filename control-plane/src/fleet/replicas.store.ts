/** The control plane's own processes, and the nodes whose replica has gone. */
import { type NodeId, nodeId } from "../kernel/ids.js";
import type { Duration, Instant } from "../kernel/time.js";
import type { Queryable } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import type { Liveness } from "./domain/agent.js";

/** Says that this replica lives; by the database's clock, so that replicas with different clocks agree. */
export async function beat(db: Queryable, replicaId: string): Promise<void> {
  await db.query(sql`
    insert into replica (replica_id, started_at, beat_at) values (${replicaId}, clock_timestamp(), clock_timestamp())
    on conflict (replica_id) do update set beat_at = excluded.beat_at`);
}

/** Forgets replicas that have been gone for long. */
export async function forgetReplicas(db: Queryable): Promise<void> {
  await db.query(sql`delete from replica where beat_at < clock_timestamp() - interval '7 days'`);
}

/** A node whose stream was held by a replica that has stopped beating. */
export interface Orphan {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly generation: number;
  readonly liveness: Liveness;
  readonly heardAt: Instant;
  readonly certificateExpiresAt: Instant | undefined;
  /** When its replica last beat; undefined when that was long ago. */
  readonly replicaBeatAt: Instant | undefined;
}

/** Nodes that count as heard and whose replica has not beaten for `goneAfter`. */
export async function listOrphans(
  db: Queryable,
  goneAfter: Duration,
  limit: number,
): Promise<readonly Orphan[]> {
  const rows = await db.query<{
    node_id: string;
    name: string;
    session_generation: string;
    liveness: Liveness;
    heard_at: Date | null;
    expires_at: Date | null;
    beat_at: Date | null;
  }>(sql`
    select n.node_id, n.name, n.session_generation, n.liveness, n.heard_at, r.beat_at,
      (select max(c.expires_at) from node_certificate c
        where c.node_id = n.node_id and c.revoked_at is null) as expires_at
    from node n left join replica r using (replica_id)
    where n.liveness in ('live', 'late')
      and (r.beat_at is null or r.beat_at < clock_timestamp() - ${goneAfter} * interval '1 millisecond')
    order by n.heard_at nulls first limit ${limit}`);
  return rows.map((row) => ({
    nodeId: nodeId(row.node_id),
    name: row.name,
    generation: Number(row.session_generation),
    liveness: row.liveness,
    heardAt: row.heard_at?.getTime() ?? 0,
    certificateExpiresAt: row.expires_at?.getTime(),
    replicaBeatAt: row.beat_at?.getTime(),
  }));
}

/** Names of the nodes that are lost, for their `up` series. */
export async function listLostNames(db: Queryable, limit: number): Promise<readonly string[]> {
  const rows = await db.query<{ name: string }>(sql`
    select name from node where liveness = 'lost' and revoked_at is null order by liveness_since desc limit ${limit}`);
  return rows.map((row) => row.name);
}

/** Where a replica is reached. */
export interface ReplicaAddresses {
  /** `http://host:port` or `https://host:port`; empty while its doors are closed. */
  readonly restUrl: string;
  /** `host:port` of the agents' door; empty while it is closed. */
  readonly agents: string;
}

/** Says where this replica is reached. */
export async function saveAddresses(db: Queryable, replicaId: string, at: ReplicaAddresses): Promise<void> {
  await db.query(sql`
    update replica set rest_url = ${at.restUrl}, agents_address = ${at.agents} where replica_id = ${replicaId}`);
}

/** A replica that leads, or that lives beside us. */
export interface KnownReplica extends ReplicaAddresses {
  readonly replicaId: string;
}

export interface OtherReplicas {
  /** The one that holds the lease `lease`, when it is another and its lease counts. */
  readonly leader: KnownReplica | undefined;
  /** Others that have beaten lately. */
  readonly live: number;
}

/** The replicas besides `replicaId`. */
export async function readOthers(
  db: Queryable,
  replicaId: string,
  lease: string,
  goneAfter: Duration,
): Promise<OtherReplicas> {
  const rows = await db.query<{
    replica_id: string;
    rest_url: string;
    agents_address: string;
    leads: boolean;
    live: boolean;
  }>(sql`
    select r.replica_id, r.rest_url, r.agents_address, l.holder is not null as leads,
      r.beat_at >= clock_timestamp() - ${goneAfter} * interval '1 millisecond' as live
    from replica r
    left join lease l on l.name = ${lease} and l.holder = r.replica_id and l.until > clock_timestamp()
    where r.replica_id <> ${replicaId}
      and (l.holder is not null or r.beat_at >= clock_timestamp() - ${goneAfter} * interval '1 millisecond')`);
  const leader = rows.find((row) => row.leads);
  return {
    leader: leader && {
      replicaId: leader.replica_id,
      restUrl: leader.rest_url,
      agents: leader.agents_address,
    },
    live: rows.filter((row) => row.live).length,
  };
}
