/** Making credentials that speak for somebody whom an identity provider named. */
import { appendEntries } from "../journal/journal.module.js";
import type { Caller, Role } from "../kernel/caller.js";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import { tokenId } from "../kernel/ids.js";
import type { Instant } from "../kernel/time.js";
import { secretHash } from "./authenticate.js";
import { insertDelegation, readRules } from "./delegation.store.js";
import { decideDelegation, delegationEnd, displayName, type NamedPrincipal } from "./domain/delegation.js";
import { formatDelegationText } from "./domain/token.js";
import type { TokensDeps } from "./tokens.js";

const NAME_MAX = 255;
const CLAIMS_MAX = 8;
const VALUES_MAX = 200;
const SCOPES_MAX = 32;

export interface DelegationWish {
  readonly principal: NamedPrincipal;
  readonly scopes: readonly string[];
  /** When the access token ends. */
  readonly notAfter: Instant | undefined;
  /** The MCP server's own token. */
  readonly by: Caller;
  readonly traceparent: string;
}

export interface MadeDelegation {
  readonly text: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly rolesWithAllScopes: readonly Role[];
  readonly expiresAt: Instant;
}

/** Reads who is meant. Throws INVALID_ARGUMENT, naming what is missing or too much. */
export function readPrincipal(told: NamedPrincipal): NamedPrincipal {
  const text = (value: string, field: string): string => {
    if (value === "" || value.length > NAME_MAX || value !== cleanText(value, NAME_MAX)) {
      throw new OpsError(
        "INVALID_ARGUMENT",
        `issue delegation: ${field} is ${JSON.stringify(cleanText(value, 60))}, expected 1 to ${NAME_MAX} plain characters`,
      );
    }
    return value;
  };
  const { claims } = told;
  if (claims.length > CLAIMS_MAX || claims.some(({ values }) => values.length > VALUES_MAX)) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      `issue delegation: claims: expected at most ${CLAIMS_MAX} of ${VALUES_MAX} values each`,
    );
  }
  return {
    issuer: text(told.issuer, "issuer"),
    subject: text(told.subject, "subject"),
    client: text(told.client, "client"),
    claims: claims.map(({ name, values }) => ({ name, values })),
  };
}

/**
 * Makes a credential of five minutes at most; its text is in the answer and nowhere else. Throws PERMISSION_DENIED when
 * no rule speaks of the principal, or nothing is left of its rights.
 */
export async function issueDelegation(
  { database, system }: TokensDeps,
  { principal, scopes, notAfter, by, traceparent }: DelegationWish,
): Promise<MadeDelegation> {
  const rules = await readRules(database, principal.issuer);
  const verdict = decideDelegation(principal, scopes.slice(0, SCOPES_MAX), rules, by.roles);
  if (verdict.kind === "deny")
    throw new OpsError("PERMISSION_DENIED", `issue delegation: ${verdict.because}`);
  const now = system.clock.now();
  const expiresAt = delegationEnd(now, notAfter);
  if (expiresAt <= now)
    throw new OpsError("PERMISSION_DENIED", "issue delegation: the access token has expired");
  const id = tokenId(system.draws.hex(16));
  const secret = system.draws.secret();
  const name = displayName(principal);
  const { roles, rolesWithAllScopes, ruleIds, because } = verdict;
  await database.transaction(async (tx) => {
    await insertDelegation(tx, {
      id,
      secretHash: secretHash(secret),
      issuedBy: tokenId(by.tokenId),
      name,
      roles,
      ruleIds,
      createdAt: now,
      expiresAt,
    });
    await appendEntries(tx, [
      {
        at: now,
        kind: "delegation.issued",
        subject: `caller:${name}`,
        actor: by.actor,
        because: `${by.actor.name} speaks for ${name}: ${because}`,
        facts: {
          delegation: id,
          issuer: principal.issuer,
          subject: principal.subject,
          client: principal.client,
          roles: [...roles],
          expiresAt,
        },
        traceparent,
      },
    ]);
  });
  return { text: formatDelegationText({ tokenId: id, secret }), name, roles, rolesWithAllScopes, expiresAt };
}
