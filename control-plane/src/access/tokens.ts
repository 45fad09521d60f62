/** Making and ending tokens, each with its entry in the journal. */

import { appendEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import type { Role } from "../kernel/caller.js";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import { type TokenId, tokenId } from "../kernel/ids.js";
import { type Duration, MINUTE } from "../kernel/time.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import { secretHash } from "./authenticate.js";
import { formatTokenText, NAME_LENGTH_MAX, type Token } from "./domain/token.js";
import { insertToken, revokeToken } from "./principals.store.js";

export interface TokensDeps {
  readonly database: Database;
  readonly system: System;
}

export interface TokenWish {
  readonly name: string;
  readonly kind: Token["kind"];
  readonly roles: readonly Role[];
  /** Undefined: does not expire. */
  readonly validFor: Duration | undefined;
  readonly by: Actor;
  readonly traceparent?: string;
}

const VALID_FOR_MAX: Duration = 10 * 365 * 24 * 60 * MINUTE;

/**
 * Makes a token; its text is in the answer and nowhere else.
 * Throws INVALID_ARGUMENT for a name that is empty, longer than 63 or not plain text, for no roles, and for a
 * validity over ten years.
 */
export async function makeToken(
  { database, system }: TokensDeps,
  wish: TokenWish,
): Promise<{ readonly text: string; readonly token: Token }> {
  const { name } = wish;
  if (name === "" || name !== cleanText(name, NAME_LENGTH_MAX).trim()) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      `create token: name ${JSON.stringify(cleanText(name, NAME_LENGTH_MAX))} is not 1 to ${NAME_LENGTH_MAX} plain characters`,
    );
  }
  const roles = [...new Set(wish.roles)];
  if (roles.length === 0) throw new OpsError("INVALID_ARGUMENT", "create token: at least one role is needed");
  if (wish.validFor !== undefined && wish.validFor > VALID_FOR_MAX) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      "create token: valid_seconds is more than ten years; 0 means without end",
    );
  }
  const now = system.clock.now();
  const id = tokenId(system.draws.hex(16));
  const secret = system.draws.secret();
  const token: Token = {
    tokenId: id,
    name,
    kind: wish.kind,
    roles,
    createdAt: now,
    expiresAt: wish.validFor === undefined ? undefined : now + wish.validFor,
    revokedAt: undefined,
    lastUsedAt: undefined,
  };
  await database.transaction(async (tx) => {
    await insertToken(tx, { token, secretHash: secretHash(secret) });
    await appendEntries(tx, [
      {
        at: now,
        kind: "token.created",
        subject: `token:${id}`,
        actor: wish.by,
        because: `${wish.by.name} made a token for ${name}`,
        facts: { name, roles, expiresAt: token.expiresAt ?? null },
        ...(wish.traceparent === undefined ? {} : { traceparent: wish.traceparent }),
      },
    ]);
  });
  return { text: formatTokenText({ tokenId: id, secret }), token };
}

/** Ends a token; ending one again is no fault. Throws NOT_FOUND. */
export async function endToken(
  { database, system }: TokensDeps,
  id: TokenId,
  by: Actor,
  traceparent?: string,
): Promise<void> {
  const now = system.clock.now();
  await database.transaction(async (tx) => {
    const before = await revokeToken(tx, id, now);
    if (before === undefined) {
      throw new OpsError("NOT_FOUND", `revoke token: there is no token ${JSON.stringify(cleanText(id, 32))}`);
    }
    if (before.revokedAt !== undefined) return;
    await appendEntries(tx, [
      {
        at: now,
        kind: "token.revoked",
        subject: `token:${id}`,
        actor: by,
        because: `${by.name} revoked the token of ${before.name}`,
        facts: { name: before.name },
        ...(traceparent === undefined ? {} : { traceparent }),
      },
    ]);
  });
}
