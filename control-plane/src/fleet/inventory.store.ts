/** What was found on hosts, in PostgreSQL; cleaned before it comes here. */
import { type NodeId, nodeId } from "../kernel/ids.js";
import type { Instant } from "../kernel/time.js";
import type { Database, Queryable, Transaction } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import { sha256Hex } from "../platform/system.js";
import type { FoundCertificate, Inventory, ServiceState, TopProcess } from "./domain/inventory.js";

/** A certificate and where it was found. */
export interface PlacedCertificate extends FoundCertificate {
  readonly nodeId: NodeId;
  readonly nodeName: string;
  /** Its place in the node's inventory. */
  readonly position: number;
}

interface CertificateRow {
  node_id: string;
  node_name: string;
  position: number;
  source: string;
  subject: string;
  issuer: string;
  names: string[];
  serial: string;
  fingerprint: string;
  not_before: Date | null;
  /** `infinity` is read as the number. */
  not_after: Date | number;
  chain_index: number;
  verification_error: string;
  read_error: string;
}

/** Replaces the node's inventory. Certificates are written again only when they changed: processes change all the time. */
export function saveInventory(database: Database, id: NodeId, found: Inventory, now: Instant): Promise<void> {
  const digest = sha256Hex(JSON.stringify(found.certificates));
  return database.transaction(async (tx) => {
    const [before] = await tx.query<{ certificates_digest: string }>(sql`
      select certificates_digest from node_inventory where node_id = ${id} for update`);
    const services = JSON.stringify(found.services);
    const processes = JSON.stringify(found.processes);
    await tx.query(sql`
      insert into node_inventory (node_id, hash, taken_at, received_at, certificates_digest, services, processes)
      values (${id}, ${found.hash}, ${new Date(found.takenAt)}, ${new Date(now)}, ${digest}, ${services}, ${processes})
      on conflict (node_id) do update set hash = excluded.hash, taken_at = excluded.taken_at,
        received_at = excluded.received_at, certificates_digest = excluded.certificates_digest,
        services = excluded.services, processes = excluded.processes`);
    if (before?.certificates_digest !== digest) await replaceCertificates(tx, id, found.certificates);
  });
}

async function replaceCertificates(
  tx: Transaction,
  id: NodeId,
  certificates: readonly FoundCertificate[],
): Promise<void> {
  await tx.query(sql`delete from found_certificate where node_id = ${id}`);
  const rows = certificates.map((c, position) => ({
    position,
    source: c.source,
    subject: c.subject,
    issuer: c.issuer,
    names: c.names,
    serial: c.serial,
    fingerprint: c.fingerprint,
    not_before: c.notBefore === undefined ? null : new Date(c.notBefore).toISOString(),
    not_after: c.notAfter === undefined ? "infinity" : new Date(c.notAfter).toISOString(),
    chain_index: c.chainIndex,
    verification_error: c.verificationError,
    read_error: c.readError,
  }));
  await tx.query(sql`
    insert into found_certificate
    select ${id}, r.position, r.source, r.subject, r.issuer, r.names, r.serial, r.fingerprint, r.not_before,
      r.not_after, r.chain_index, r.verification_error, r.read_error
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r (position int, source text, subject text, issuer text,
      names text[], serial text, fingerprint text, not_before timestamptz, not_after timestamptz, chain_index int,
      verification_error text, read_error text)`);
}

export interface CertificateFilter {
  /** Only this node's. */
  readonly nodeId: NodeId | undefined;
  /** Only those that expire before this. */
  readonly expiresBefore: Instant | undefined;
  /** Only those that come after this place. */
  readonly after: CertificatePlace | undefined;
  readonly limit: number;
}

/** A place in the listing: expiry (null: unreadable, at the end), node and position. */
export interface CertificatePlace {
  readonly notAfter: Instant | null;
  readonly nodeId: string;
  readonly position: number;
}

/** Certificates of nodes that are not revoked, soonest expiry first; those that could not be read come last. */
export async function listCertificates(
  db: Queryable,
  filter: CertificateFilter,
): Promise<readonly PlacedCertificate[]> {
  const { after } = filter;
  const afterExpiry =
    after === undefined ? "-infinity" : after.notAfter === null ? "infinity" : new Date(after.notAfter);
  const before = filter.expiresBefore === undefined ? null : new Date(filter.expiresBefore);
  const rows = await db.query<CertificateRow>(sql`
    select c.*, n.name as node_name from found_certificate c join node n using (node_id)
    where n.revoked_at is null
      and (c.not_after, c.node_id, c.position) >
        (${afterExpiry}::timestamptz, ${after?.nodeId ?? ""}::text, ${after?.position ?? -1}::int)
      and (${filter.nodeId ?? null}::text is null or c.node_id = ${filter.nodeId ?? null})
      and (${before}::timestamptz is null or c.not_after < ${before})
    order by c.not_after, c.node_id, c.position limit ${filter.limit}`);
  return rows.map(toCertificate);
}

function toCertificate(row: CertificateRow): PlacedCertificate {
  return {
    nodeId: nodeId(row.node_id),
    nodeName: row.node_name,
    position: row.position,
    source: row.source,
    subject: row.subject,
    issuer: row.issuer,
    names: row.names,
    serial: row.serial,
    fingerprint: row.fingerprint,
    notBefore: row.not_before?.getTime(),
    notAfter: row.not_after instanceof Date ? row.not_after.getTime() : undefined,
    chainIndex: row.chain_index,
    verificationError: row.verification_error,
    readError: row.read_error,
  };
}

/** How many certificates there are on the fleet, and when the first of the leaves expires. */
export async function certificateFigures(
  db: Queryable,
): Promise<{ readonly count: number; readonly nearestExpiry: Instant | undefined }> {
  const [row] = await db.query<{ count: string; nearest: Date | null }>(sql`
    select count(*), min(c.not_after) filter (where c.chain_index = 0) as nearest
    from found_certificate c join node n using (node_id)
    where n.revoked_at is null and c.not_after < 'infinity'`);
  return { count: Number(row?.count ?? 0), nearestExpiry: row?.nearest?.getTime() };
}

/** The node's services and processes as last told. */
export async function readHostState(
  db: Queryable,
  id: NodeId,
): Promise<{ readonly services: readonly ServiceState[]; readonly processes: readonly TopProcess[] }> {
  const [row] = await db.query<{ services: ServiceState[]; processes: TopProcess[] }>(sql`
    select services, processes from node_inventory where node_id = ${id}`);
  return row ?? { services: [], processes: [] };
}
