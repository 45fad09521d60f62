/** Join tokens and the certificates that were given out, in PostgreSQL. */
import { type NodeId, nodeId } from "../kernel/ids.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import type { JoinToken } from "./domain/join-token.js";

/** A join token with what its secret is compared to. */
export interface StoredJoinToken {
  readonly token: JoinToken;
  /** SHA-256 of the secret part. */
  readonly secretHash: Uint8Array;
}

export async function insertJoinToken(
  tx: Transaction,
  { token, secretHash }: StoredJoinToken,
  createdBy: string,
  now: Instant,
): Promise<void> {
  await tx.query(sql`
    insert into join_token (join_token_id, secret_hash, node_name, created_at, created_by, expires_at)
    values (${token.id}, ${Buffer.from(secretHash)}, ${token.nodeName ?? null}, ${new Date(now)}, ${createdBy},
      ${new Date(token.expiresAt)})`);
}

/** The token, locked: of two that use it at once, the second sees the first. */
export async function lockJoinToken(tx: Transaction, id: string): Promise<StoredJoinToken | undefined> {
  const [row] = await tx.query<{
    join_token_id: string;
    secret_hash: Buffer;
    node_name: string | null;
    expires_at: Date;
    used_at: Date | null;
    used_by_node: string | null;
    used_by_key: string | null;
  }>(sql`
    select join_token_id, secret_hash, node_name, expires_at, used_at, used_by_node, used_by_key
    from join_token where join_token_id = ${id} for update`);
  if (row === undefined) return undefined;
  return {
    secretHash: row.secret_hash,
    token: {
      id: row.join_token_id,
      nodeName: row.node_name ?? undefined,
      expiresAt: row.expires_at.getTime(),
      usedAt: row.used_at?.getTime(),
      usedByNode: row.used_by_node === null ? undefined : nodeId(row.used_by_node),
      usedByKey: row.used_by_key ?? undefined,
    },
  };
}

export async function useJoinToken(
  tx: Transaction,
  id: string,
  by: { readonly nodeId: NodeId; readonly keyHash: string },
  now: Instant,
): Promise<void> {
  await tx.query(sql`
    update join_token set used_at = coalesce(used_at, ${new Date(now)}), used_by_node = ${by.nodeId},
      used_by_key = ${by.keyHash} where join_token_id = ${id}`);
}

/** Join tokens that ended before `before` are forgotten. */
export async function forgetJoinTokens(db: Queryable, before: Instant): Promise<void> {
  await db.query(sql`delete from join_token where expires_at < ${new Date(before)}`);
}

export interface NewCertificate {
  readonly serial: string;
  readonly nodeId: NodeId;
  readonly issuedAt: Instant;
  readonly expiresAt: Instant;
}

/** Stores a certificate, and forgets those of the node that ended long ago: a day's certificates are enough history. */
export async function insertCertificate(tx: Transaction, certificate: NewCertificate): Promise<void> {
  await tx.query(sql`
    insert into node_certificate (serial, node_id, issued_at, expires_at)
    values (${certificate.serial}, ${certificate.nodeId}, ${new Date(certificate.issuedAt)},
      ${new Date(certificate.expiresAt)})`);
  await tx.query(sql`
    delete from node_certificate where node_id = ${certificate.nodeId} and serial <> ${certificate.serial}
      and expires_at < ${new Date(certificate.issuedAt)}::timestamptz - interval '30 days'`);
}

/** Ends all certificates of the node that were given out so far. */
export async function revokeCertificates(tx: Transaction, id: NodeId, now: Instant): Promise<void> {
  await tx.query(sql`
    update node_certificate set revoked_at = ${new Date(now)} where node_id = ${id} and revoked_at is null`);
}
