/** Tokens in PostgreSQL: their hashes, roles and ends. */
import type { Role } from "../kernel/caller.js";
import { type TokenId, tokenId } from "../kernel/ids.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import type { Token } from "./domain/token.js";

interface Row {
  token_id: string;
  name: string;
  kind: Token["kind"];
  roles: Role[];
  secret_hash: Buffer;
  created_at: Date;
  expires_at: Date | null;
  revoked_at: Date | null;
  last_used_at: Date | null;
}

/** A token with what its secret is compared to. */
export interface StoredToken {
  readonly token: Token;
  /** SHA-256 of the secret part. */
  readonly secretHash: Uint8Array;
}

const COLUMNS = sql`token_id, name, kind, roles, secret_hash, created_at, expires_at, revoked_at, last_used_at`;

function toToken(row: Row): Token {
  return {
    tokenId: tokenId(row.token_id),
    name: row.name,
    kind: row.kind,
    roles: row.roles,
    createdAt: row.created_at.getTime(),
    expiresAt: row.expires_at?.getTime(),
    revokedAt: row.revoked_at?.getTime(),
    lastUsedAt: row.last_used_at?.getTime(),
  };
}

export async function insertToken(tx: Transaction, { token, secretHash }: StoredToken): Promise<void> {
  await tx.query(sql`
    insert into access_token (token_id, name, kind, roles, secret_hash, created_at, expires_at)
    values (${token.tokenId}, ${token.name}, ${token.kind}, ${token.roles}, ${Buffer.from(secretHash)},
      ${new Date(token.createdAt)}, ${token.expiresAt === undefined ? null : new Date(token.expiresAt)})`);
}

export async function findToken(db: Queryable, id: TokenId): Promise<StoredToken | undefined> {
  const [row] = await db.query<Row>(sql`select ${COLUMNS} from access_token where token_id = ${id}`);
  return row && { token: toToken(row), secretHash: row.secret_hash };
}

/** All tokens, newest first; at most `limit`. */
export async function listTokens(db: Queryable, limit: number): Promise<readonly Token[]> {
  const rows = await db.query<Row>(sql`
    select ${COLUMNS} from access_token order by created_at desc, token_id limit ${limit}`);
  return rows.map(toToken);
}

/** Ends the token. Answers it as it was before, undefined when there is none; ending it again changes nothing. */
export async function revokeToken(tx: Transaction, id: TokenId, now: Instant): Promise<Token | undefined> {
  const [row] = await tx.query<Row>(
    sql`select ${COLUMNS} from access_token where token_id = ${id} for update`,
  );
  if (row === undefined) return undefined;
  await tx.query(sql`
    update access_token set revoked_at = ${new Date(now)} where token_id = ${id} and revoked_at is null`);
  return toToken(row);
}

/** Notes the use of a token, unless one was noted since `unlessAfter`. */
export async function noteTokenUse(
  db: Queryable,
  id: TokenId,
  at: Instant,
  unlessAfter: Instant,
): Promise<void> {
  await db.query(sql`
    update access_token set last_used_at = ${new Date(at)}
    where token_id = ${id} and (last_used_at is null or last_used_at <= ${new Date(unlessAfter)})`);
}
