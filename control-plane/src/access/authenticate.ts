/** A bearer token in, a caller out. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Caller } from "../kernel/caller.js";
import { OpsError } from "../kernel/errors.js";
import type { TokenId } from "../kernel/ids.js";
import { type Duration, HOUR, type Instant, MINUTE, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import type { Queryable } from "../platform/postgres/database.js";
import { type Clock, sha256Hex } from "../platform/system.js";
import { findDelegation } from "./delegation.store.js";
import {
  judgeToken,
  parseDelegationText,
  parseTokenText,
  type Token,
  type TokenText,
} from "./domain/token.js";
import { findToken, noteTokenUse, type StoredToken } from "./principals.store.js";

/** How long an answer is kept: a token revoked elsewhere is refused here after this at the latest. */
const KEPT: Duration = 5 * SECOND;

/**
 * How long an answer still counts while PostgreSQL is away, so that the house can be asked what is wrong with it.
 * Nothing can be revoked in that time either, and a token's own end still counts.
 */
const KEPT_WHILE_AWAY: Duration = HOUR;

/** After a failure PostgreSQL is not asked again for this long about a token that is kept: each ask may take seconds. */
const ASKED_AGAIN_AFTER: Duration = 2 * SECOND;

/** How long a look-up may take when the token is kept: a database that hangs must not make whoever asks about it wait. */
const ASKED_WITHIN: Duration = SECOND / 2;

/** How often the use of a token is noted. */
const USE_NOTED: Duration = MINUTE;

/** Answers that are kept at once; the oldest goes first. */
const KEPT_MAX = 10_000;

export interface AuthenticatorDeps {
  readonly database: Queryable;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Kept {
  readonly token: Token;
  readonly readAt: Instant;
  readonly notedAt: Instant;
}

/** The SHA-256 of a secret, as it is stored and compared. */
export function secretHash(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

export class Authenticator {
  readonly #deps: AuthenticatorDeps;
  /** By the hash of the whole text, so that no secret stands in memory. */
  readonly #kept = new Map<string, Kept>();
  #failedAt: Instant | undefined;

  constructor(deps: AuthenticatorDeps) {
    this.#deps = deps;
  }

  /**
   * The caller that `text` (a token, without "Bearer ") speaks for.
   * Throws UNAUTHENTICATED when it is missing, malformed, unknown, expired or revoked, saying which of the last two
   * only to who knew the secret; UNAVAILABLE when PostgreSQL is away and the token was not seen in the last hour.
   */
  async authenticate(text: string | undefined): Promise<Caller> {
    if (text === undefined || text === "") throw new OpsError("UNAUTHENTICATED", "a bearer token is needed");
    const delegated = parseDelegationText(text);
    const parsed = delegated ?? parseTokenText(text);
    if (parsed === undefined) {
      throw new OpsError("UNAUTHENTICATED", "the bearer token is malformed: expected mst_<id>_<secret>");
    }
    const now = this.#deps.clock.now();
    const key = sha256Hex(text);
    const kept = this.#kept.get(key);
    const token =
      kept !== undefined && now - kept.readAt < KEPT && now >= kept.readAt
        ? kept.token
        : await this.#read(parsed, delegated === undefined ? findToken : findDelegation, key, kept, now);
    const verdict = judgeToken(token, now);
    if (verdict.kind === "refused") throw new OpsError("UNAUTHENTICATED", verdict.because);
    if (delegated === undefined) this.#noteUse(key, token, now);
    return { actor: { kind: token.kind, name: token.name }, roles: token.roles, tokenId: token.tokenId };
  }

  /** Forgets what is kept of a token, so that its end counts here at once. */
  forget(id: TokenId): void {
    for (const [key, kept] of this.#kept) if (kept.token.tokenId === id) this.#kept.delete(key);
  }

  async #read(
    parsed: TokenText,
    find: typeof findToken,
    key: string,
    kept: Kept | undefined,
    now: Instant,
  ): Promise<Token> {
    const spare = kept !== undefined && now - kept.readAt < KEPT_WHILE_AWAY ? kept.token : undefined;
    const failedOfLate = this.#failedAt !== undefined && now - this.#failedAt < ASKED_AGAIN_AFTER;
    if (spare !== undefined && failedOfLate) return spare;
    // An answer that comes too late for this call still counts for the next one.
    const read = find(this.#deps.database, parsed.tokenId).then((stored) => {
      this.#failedAt = undefined;
      return this.#keep(stored, parsed, key, now);
    });
    try {
      return await (spare === undefined ? read : this.#soon(read));
    } catch (error) {
      if (error instanceof OpsError && error.code === "UNAUTHENTICATED") throw error;
      this.#failedAt = now;
      if (spare === undefined) throw error;
      return spare;
    }
  }

  /** Keeps what was read. Throws UNAUTHENTICATED when there is no such token, or its secret is another. */
  #keep(stored: StoredToken | undefined, parsed: TokenText, key: string, now: Instant): Token {
    // Compared even when the id is unknown, so that the time taken does not tell which it was.
    const right = timingSafeEqual(secretHash(parsed.secret), stored?.secretHash ?? Buffer.alloc(32));
    const notedAt = this.#kept.get(key)?.notedAt ?? stored?.token.lastUsedAt ?? 0;
    this.#kept.delete(key);
    if (stored === undefined || !right) throw new OpsError("UNAUTHENTICATED", "the bearer token is unknown");
    if (this.#kept.size >= KEPT_MAX) {
      const oldest = this.#kept.keys().next().value;
      if (oldest !== undefined) this.#kept.delete(oldest);
    }
    this.#kept.set(key, { token: stored.token, readAt: now, notedAt });
    return stored.token;
  }

  /** What `asked` gives, or UNAVAILABLE when it has not answered soon. */
  async #soon<T>(asked: Promise<T>): Promise<T> {
    const answered = new AbortController();
    const late = this.#deps.clock.sleep(ASKED_WITHIN, answered.signal).then((): never => {
      throw new OpsError("UNAVAILABLE", `PostgreSQL did not answer within ${ASKED_WITHIN} ms`);
    });
    try {
      return await Promise.race([asked, late]);
    } finally {
      // Whichever comes second has nobody to tell.
      asked.catch(() => {});
      late.catch(() => {});
      answered.abort();
    }
  }

  #noteUse(key: string, token: Token, now: Instant): void {
    const kept = this.#kept.get(key);
    if (kept === undefined || now - kept.notedAt < USE_NOTED) return;
    this.#kept.set(key, { ...kept, notedAt: now });
    noteTokenUse(this.#deps.database, token.tokenId, now, now - USE_NOTED).catch((error: unknown) => {
      this.#deps.logger.warn("the use of a token could not be noted", { tokenId: token.tokenId }, error);
    });
  }
}
