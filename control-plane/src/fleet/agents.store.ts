/** Nodes in PostgreSQL: who was let in, what each last said, and whether it is heard. */
import { type NodeId, nodeId } from "../kernel/ids.js";
import type { Labels } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { prepared, type Sql, sql } from "../platform/postgres/sql.js";
import type { AdmissionFacts } from "./domain/admit-agent.js";
import type { Liveness, Node } from "./domain/agent.js";
import type { NameHolder } from "./domain/join-token.js";
import { FLEET_CHANNEL, type FleetNews } from "./fleet-news.js";

interface Row {
  node_id: string;
  name: string;
  hostname: string;
  enrolled_at: Date;
  revoked_at: Date | null;
  revoked_because: string;
  agent_version: string;
  os: string;
  machine_id: string;
  boot_id: string;
  labels: Labels;
  actions: string[];
  policy_hash: string;
  session_generation: string;
  replica_id: string | null;
  connected_at: Date | null;
  heard_at: Date | null;
  liveness: Liveness;
  liveness_because: string;
  liveness_since: Date;
  certificate_expires_at: Date | null;
}

const SELECT: Sql = sql`
  select n.*, (select max(c.expires_at) from node_certificate c
    where c.node_id = n.node_id and c.revoked_at is null) as certificate_expires_at
  from node n`;

function toNode(row: Row): Node {
  return {
    nodeId: nodeId(row.node_id),
    name: row.name,
    hostname: row.hostname,
    enrolledAt: row.enrolled_at.getTime(),
    revokedAt: row.revoked_at?.getTime(),
    revokedBecause: row.revoked_because,
    agentVersion: row.agent_version,
    os: row.os,
    machineId: row.machine_id,
    bootId: row.boot_id,
    labels: row.labels,
    actions: row.actions,
    policyHash: row.policy_hash,
    sessionGeneration: Number(row.session_generation),
    replicaId: row.replica_id ?? undefined,
    connectedAt: row.connected_at?.getTime(),
    heardAt: row.heard_at?.getTime(),
    liveness: row.liveness,
    livenessBecause: row.liveness_because,
    livenessSince: row.liveness_since.getTime(),
    certificateExpiresAt: row.certificate_expires_at?.getTime(),
  };
}

/** The node by its id or its name; of those that had the name, the one not revoked, else the last that was. */
export async function findNode(db: Queryable, idOrName: string): Promise<Node | undefined> {
  return (await findNamedNodes(db, [idOrName])).get(idOrName);
}

/** The same for many at once: by what was asked for, those that there are. */
export async function findNamedNodes(
  db: Queryable,
  idsOrNames: readonly string[],
): Promise<ReadonlyMap<string, Node>> {
  const wanted = [...new Set(idsOrNames)];
  // Each half by its index: names are indexed of nodes that are not revoked.
  const rows = await db.query<Row & { wanted: string }>(
    prepared(sql`
    select distinct on (f.wanted) f.wanted, n.* from (
      select w.wanted, n.node_id, true as by_id from unnest(${wanted}::text[]) as w (wanted)
        join node n on n.node_id = w.wanted
      union all
      select w.wanted, n.node_id, false from unnest(${wanted}::text[]) as w (wanted)
        join node n on n.name = w.wanted and n.revoked_at is null) f
    join lateral (${SELECT} where n.node_id = f.node_id) n on true order by f.wanted, f.by_id desc`),
  );
  const found = new Map(rows.map((row) => [row.wanted, toNode(row)]));
  const missing = wanted.filter((one) => !found.has(one));
  if (missing.length === 0) return found;
  // Seldom: somebody asks for a node that is no more, or never was.
  const gone = await db.query<Row>(
    prepared(sql`${SELECT} where n.name = any(${missing}::text[]) order by n.revoked_at`),
  );
  for (const row of gone) found.set(row.name, toNode(row));
  return found;
}

/** Those of these nodes that there are. */
export async function findNodes(db: Queryable, ids: readonly NodeId[]): Promise<readonly Node[]> {
  const rows = await db.query<Row>(prepared(sql`${SELECT} where n.node_id = any(${[...ids]}::text[])`));
  return rows.map(toNode);
}

export interface NodeFilter {
  /** Only nodes that come after this name and id. */
  readonly after: { readonly name: string; readonly nodeId: string } | undefined;
  readonly liveness: Liveness | undefined;
  readonly limit: number;
}

/** Nodes by name, then id. */
export async function listNodes(db: Queryable, filter: NodeFilter): Promise<readonly Node[]> {
  const { name, nodeId: id } = filter.after ?? { name: "", nodeId: "" };
  const rows = await db.query<Row>(sql`
    ${SELECT} where (n.name, n.node_id) > (${name}, ${id})
      and (${filter.liveness ?? null}::text is null or n.liveness = ${filter.liveness ?? null})
    order by n.name, n.node_id limit ${filter.limit}`);
  return rows.map(toNode);
}

/** More nodes than one installation is made for. */
const NAMES_MAX = 100_000;

/** Names of the nodes that are enrolled and not revoked, in order. */
export async function readNodeNames(db: Queryable): Promise<readonly string[]> {
  const rows = await db.query<{ name: string }>(
    sql`select name from node where revoked_at is null order by name limit ${NAMES_MAX}`,
  );
  return rows.map(({ name }) => name);
}

/** A node and where it stands. */
export interface PlacedNode {
  readonly id: NodeId;
  readonly name: string;
  readonly labels: Labels;
}

/** The nodes that are enrolled and not revoked, with their labels, in order of name. */
export async function readPlacedNodes(db: Queryable): Promise<readonly PlacedNode[]> {
  const rows = await db.query<{ node_id: string; name: string; labels: Labels }>(
    sql`select node_id, name, labels from node where revoked_at is null order by name limit ${NAMES_MAX}`,
  );
  return rows.map(({ node_id, name, labels }) => ({ id: nodeId(node_id), name, labels }));
}

/** How many nodes have one value of a label, and how many of them are unhealthy. */
export interface LabelHealth {
  readonly label: string;
  readonly value: string;
  readonly nodes: number;
  readonly unhealthy: number;
}

/**
 * Nodes by the values of these labels (with `of`: by its values alone), and how many of them are unhealthy: not live, or
 * named in `troubled`. Nodes that were never seen or are revoked serve nothing and count for nothing.
 */
export async function readHealthByLabel(
  db: Queryable,
  labels: readonly string[],
  of: Labels | undefined,
  troubled: readonly string[],
): Promise<readonly LabelHealth[]> {
  const counts = sql`count(*)::int as nodes,
    count(*) filter (where n.liveness <> 'live' or n.name = any(${troubled}::text[]))::int as unhealthy`;
  const serving = sql`n.liveness in ('live', 'late', 'lost') and n.revoked_at is null`;
  if (of === undefined) {
    return db.query<LabelHealth>(sql`
      select l.key as label, l.value, ${counts} from node n cross join jsonb_each_text(n.labels) l
      where ${serving} and l.key = any(${labels}::text[]) and l.value <> '' group by l.key, l.value`);
  }
  const wanted = labels.filter((label) => (of[label] ?? "") !== "");
  if (wanted.length === 0) return [];
  return db.query<LabelHealth>(sql`
    select d.label, d.value, h.nodes, h.unhealthy
    from unnest(${wanted}::text[], ${wanted.map((label) => of[label])}::text[]) as d (label, value)
    cross join lateral (
      select ${counts} from node n where ${serving} and n.labels @> jsonb_build_object(d.label, d.value)) h`);
}

/** How many nodes that are not revoked have a label of this value. */
export async function countNodes(db: Queryable, label: string, value: string): Promise<number> {
  const [row] = await db.query<{ count: number }>(
    sql`select count(*)::int as count from node where revoked_at is null
      and labels @> jsonb_build_object(${label}::text, ${value}::text)`,
  );
  return row?.count ?? 0;
}

/** How many nodes are in each state. */
export async function countByLiveness(db: Queryable): Promise<Readonly<Record<Liveness, number>>> {
  const rows = await db.query<{ liveness: Liveness; count: string }>(sql`
    select liveness, count(*) from node group by liveness`);
  const counts = { live: 0, late: 0, lost: 0, revoked: 0, "never-seen": 0 };
  for (const row of rows) counts[row.liveness] = Number(row.count);
  return counts;
}

export async function insertNode(
  tx: Transaction,
  node: {
    readonly nodeId: NodeId;
    readonly name: string;
    readonly keyHash: string;
    readonly hostname: string;
  },
  now: Instant,
): Promise<void> {
  await tx.query(sql`
    insert into node (node_id, name, key_hash, hostname, enrolled_at, liveness_because, liveness_since)
    values (${node.nodeId}, ${node.name}, ${node.keyHash}, ${node.hostname}, ${new Date(now)},
      'it has never connected', ${new Date(now)})`);
}

/** The family of advisory locks under which enrolments of one name take turns. */
const NAME_LOCK = 7_301_003;

/** Who bears the name among those not revoked; two enrolments of one name take turns, whether or not it is borne. */
export async function lockNameHolder(tx: Transaction, name: string): Promise<NameHolder | undefined> {
  await tx.query(sql`select pg_advisory_xact_lock(${NAME_LOCK}, hashtext(${name}))`);
  const [row] = await tx.query<{ node_id: string; key_hash: string; liveness: Liveness }>(sql`
    select node_id, key_hash, liveness from node where name = ${name} and revoked_at is null for update`);
  return row && { nodeId: nodeId(row.node_id), keyHash: row.key_hash, liveness: row.liveness };
}

/** The node's key is another one now. Answers its name, or undefined when it is not there or was revoked. */
export async function changeKey(tx: Transaction, id: NodeId, keyHash: string): Promise<string | undefined> {
  const [row] = await tx.query<{ name: string }>(sql`
    update node set key_hash = ${keyHash} where node_id = ${id} and revoked_at is null returning name`);
  return row?.name;
}

/** What the admission of a stream is judged by. */
export async function readAdmission(db: Queryable, serial: string): Promise<AdmissionFacts["known"]> {
  const [row] = await db.query<{
    node_id: string;
    name: string;
    revoked_at: Date | null;
    revoked_because: string;
    certificate_revoked_at: Date | null;
    expires_at: Date;
  }>(sql`
    select n.node_id, n.name, n.revoked_at, n.revoked_because, c.revoked_at as certificate_revoked_at, c.expires_at
    from node_certificate c join node n using (node_id) where c.serial = ${serial}`);
  return (
    row && {
      nodeId: row.node_id,
      name: row.name,
      revokedAt: row.revoked_at?.getTime(),
      revokedBecause: row.revoked_because,
      certificateRevokedAt: row.certificate_revoked_at?.getTime(),
      certificateExpiresAt: row.expires_at.getTime(),
    }
  );
}

/** Told when the transaction commits. */
async function tellFleet(tx: Transaction, news: FleetNews): Promise<void> {
  await tx.query(sql`select pg_notify(${FLEET_CHANNEL}, ${JSON.stringify(news)})`);
}

export interface Heard {
  readonly nodeId: NodeId;
  readonly generation: number;
  readonly heardAt: Instant;
}

/** Notes when nodes were heard. Answers the ids of those whose stream is still the newest. */
export async function noteHeard(db: Queryable, heard: readonly Heard[]): Promise<ReadonlySet<string>> {
  const rows = await db.query<{ node_id: string }>(sql`
    update node n set heard_at = h.at
    from unnest(${heard.map((h) => h.nodeId)}::text[], ${heard.map((h) => h.generation)}::bigint[],
      ${heard.map((h) => new Date(h.heardAt))}::timestamptz[]) as h (node_id, generation, at)
    where n.node_id = h.node_id and n.session_generation = h.generation and n.revoked_at is null
    returning n.node_id`);
  return new Set(rows.map((row) => row.node_id));
}

export interface LivenessChange extends Heard {
  readonly liveness: Liveness;
  readonly because: string;
}

/** Stores judgements. Answers the ids of those that count: a node with a newer stream is judged by who holds that. */
export async function saveLiveness(
  tx: Transaction,
  changes: readonly LivenessChange[],
  now: Instant,
): Promise<ReadonlySet<string>> {
  const rows = await tx.query<{ node_id: string }>(sql`
    update node n set
      liveness = c.liveness, liveness_because = c.because, liveness_since = ${new Date(now)}, heard_at = c.heard_at
    from unnest(${changes.map((c) => c.nodeId)}::text[], ${changes.map((c) => c.generation)}::bigint[],
      ${changes.map((c) => c.liveness)}::text[], ${changes.map((c) => c.because)}::text[],
      ${changes.map((c) => new Date(c.heardAt))}::timestamptz[])
      as c (node_id, generation, liveness, because, heard_at)
    where n.node_id = c.node_id and n.session_generation = c.generation and n.revoked_at is null
      and n.liveness <> c.liveness
    returning n.node_id`);
  return new Set(rows.map((row) => row.node_id));
}

/** Takes the node's identity away, and that of all its certificates. Answers the node as it was, and tells the replicas. */
export async function revokeNode(
  tx: Transaction,
  idOrName: string,
  because: string,
  now: Instant,
): Promise<Node | undefined> {
  const before = await findNode(tx, idOrName);
  if (before === undefined || before.revokedAt !== undefined) return before;
  const at = new Date(now);
  await tx.query(sql`
    update node set revoked_at = ${at}, revoked_because = ${because}, liveness = 'revoked',
      liveness_because = ${because}, liveness_since = ${at} where node_id = ${before.nodeId}`);
  await tx.query(sql`
    update node_certificate set revoked_at = ${at} where node_id = ${before.nodeId} and revoked_at is null`);
  await tellFleet(tx, { nodeId: before.nodeId });
  return before;
}

export interface Revoked {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly revokedAt: Instant;
}

/** Nodes among `ids` that are revoked. */
export async function revokedAmong(db: Queryable, ids: readonly NodeId[]): Promise<readonly Revoked[]> {
  const rows = await db.query<{ node_id: string; name: string; revoked_at: Date }>(sql`
    select node_id, name, revoked_at from node where node_id = any(${ids}::text[]) and revoked_at is not null`);
  return rows.map((row) => ({
    nodeId: nodeId(row.node_id),
    name: row.name,
    revokedAt: row.revoked_at.getTime(),
  }));
}

/** The nodes revoked last; a poll beside the NOTIFY that may be missed. By order and not by time: clocks differ. */
export async function revokedLately(db: Queryable, limit: number): Promise<readonly Revoked[]> {
  const rows = await db.query<{ node_id: string; name: string; revoked_at: Date }>(sql`
    select node_id, name, revoked_at from node where revoked_at is not null
    order by revoked_at desc limit ${limit}`);
  return rows.map((row) => ({
    nodeId: nodeId(row.node_id),
    name: row.name,
    revokedAt: row.revoked_at.getTime(),
  }));
}
