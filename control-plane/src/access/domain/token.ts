/** Bearer tokens: their text, and whether one counts now. */
import type { Role } from "../../kernel/caller.js";
import { type TokenId, tokenId } from "../../kernel/ids.js";
import type { Instant } from "../../kernel/time.js";

/** A token as it is stored: everything but its text. */
export interface Token {
  readonly tokenId: TokenId;
  /** The principal it speaks for; several tokens may speak for one. */
  readonly name: string;
  /** Who speaks with it: a person, or an AI client on a person's behalf. */
  readonly kind: "human" | "mcp";
  readonly roles: readonly Role[];
  readonly createdAt: Instant;
  /** Undefined: never. */
  readonly expiresAt: Instant | undefined;
  readonly revokedAt: Instant | undefined;
  /** To the minute. */
  readonly lastUsedAt: Instant | undefined;
}

export interface TokenText {
  readonly tokenId: TokenId;
  readonly secret: string;
}

export const ROLES: readonly Role[] = ["viewer", "operator", "approver", "admin", "delegate"];
export const NAME_LENGTH_MAX = 63;

// The secret is 32 bytes in URL-safe base64, which may itself hold "_".
const FORM = /^mst_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** Reads `mst_<id>_<secret>`; undefined for anything else. */
export function parseTokenText(text: string): TokenText | undefined {
  const match = FORM.exec(text);
  return match === null ? undefined : { tokenId: tokenId(match[1] as string), secret: match[2] as string };
}

export function formatTokenText(text: TokenText): string {
  return `mst_${text.tokenId}_${text.secret}`;
}

const DELEGATION_FORM = /^msd_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** Reads `msd_<id>_<secret>`, a short-lived credential that speaks for another; undefined for anything else. */
export function parseDelegationText(text: string): TokenText | undefined {
  const match = DELEGATION_FORM.exec(text);
  return match === null ? undefined : { tokenId: tokenId(match[1] as string), secret: match[2] as string };
}

export function formatDelegationText(text: TokenText): string {
  return `msd_${text.tokenId}_${text.secret}`;
}

export type TokenVerdict =
  | { readonly kind: "valid" }
  | { readonly kind: "refused"; readonly because: string };

/** Whether a token whose secret was right counts at `now`. The moment of expiry is already too late. */
export function judgeToken(token: Token, now: Instant): TokenVerdict {
  if (token.revokedAt !== undefined) return { kind: "refused", because: "the token was revoked" };
  if (token.expiresAt !== undefined && token.expiresAt <= now) {
    return { kind: "refused", because: "the token has expired" };
  }
  return { kind: "valid" };
}
