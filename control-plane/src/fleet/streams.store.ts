/** Streams in PostgreSQL: who holds a node's newest one. */
import { type NodeId, nodeId } from "../kernel/ids.js";
import type { Instant } from "../kernel/time.js";
import type { Transaction } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import type { AgentDescription, Liveness } from "./domain/agent.js";
import { FLEET_CHANNEL, type FleetNews } from "./fleet-news.js";

/** A stream that begins. */
export interface Beginning {
  readonly nodeId: NodeId;
  /** The replica that holds it. */
  readonly replicaId: string;
  readonly description: AgentDescription;
  readonly at: Instant;
}

export interface OpenedStream {
  readonly generation: number;
  /** What the node was before. */
  readonly before: Liveness;
}

/**
 * Notes who holds the nodes' streams from now on: each generation rises, each node is live, and other replicas are told
 * to let an older stream go. A node may be named once. Those that are not there or were revoked meanwhile are not in
 * the answer.
 */
export async function openStreams(
  tx: Transaction,
  streams: readonly Beginning[],
): Promise<ReadonlyMap<NodeId, OpenedStream>> {
  const of = <T>(read: (stream: Beginning) => T): T[] => streams.map(read);
  const ids = of((stream) => stream.nodeId);
  const rows = await tx.query<{ node_id: string; session_generation: string; before: Liveness }>(sql`
    with old as (
      select node_id, liveness from node where node_id = any(${ids}::text[]) and revoked_at is null
      order by node_id for update)
    update node set
      session_generation = session_generation + 1, replica_id = b.replica_id,
      connected_at = b.at, heard_at = b.at,
      liveness = 'live', liveness_because = 'heard within two heartbeats',
      liveness_since = case when node.liveness = 'live' then node.liveness_since else b.at end,
      agent_version = b.agent_version, hostname = b.hostname, os = b.os, machine_id = b.machine_id,
      boot_id = b.boot_id, labels = b.labels::jsonb,
      actions = array(select jsonb_array_elements_text(b.actions::jsonb)), policy_hash = b.policy_hash
    from old join unnest(
      ${ids}::text[], ${of((stream) => stream.replicaId)}::text[], ${of(({ at }) => new Date(at))}::timestamptz[],
      ${of(({ description }) => description.agentVersion)}::text[],
      ${of(({ description }) => description.hostname)}::text[], ${of(({ description }) => description.os)}::text[],
      ${of(({ description }) => description.machineId)}::text[],
      ${of(({ description }) => description.bootId)}::text[],
      ${of(({ description }) => JSON.stringify(description.labels))}::text[],
      ${of(({ description }) => JSON.stringify(description.actions))}::text[],
      ${of(({ description }) => description.policyHash)}::text[])
      as b (node_id, replica_id, at, agent_version, hostname, os, machine_id, boot_id, labels, actions, policy_hash)
      using (node_id)
    where node.node_id = old.node_id
    returning node.node_id, session_generation, old.liveness as before`);
  const opened = new Map(
    rows.map((row) => [
      nodeId(row.node_id),
      { generation: Number(row.session_generation), before: row.before },
    ]),
  );
  const news = [...opened].map(([id, { generation }]): FleetNews => ({ nodeId: id, generation }));
  // Told when the transaction commits.
  await tx.query(sql`
    select pg_notify(${FLEET_CHANNEL}, told) from unnest(${news.map((each) => JSON.stringify(each))}::text[]) as t (told)`);
  return opened;
}
