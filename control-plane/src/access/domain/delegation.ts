/** Speaking for somebody whom an identity provider named: which rights, under which name. */
import type { Role } from "../../kernel/caller.js";
import { cleanText } from "../../kernel/clean-text.js";
import { type Duration, type Instant, MINUTE } from "../../kernel/time.js";
import { type Need, needsOf } from "./permit.js";
import { NAME_LENGTH_MAX } from "./token.js";

/** A credential that speaks for another lives no longer than this. */
export const DELEGATION_LIFE: Duration = 5 * MINUTE;

export const MCP_SCOPES = ["mainstay:read", "mainstay:plan", "mainstay:apply"] as const;
export type McpScope = (typeof MCP_SCOPES)[number];

/** What a scope lets its holder do here. Approving by a client's question is applying; nothing lets administer. */
const NEEDS_OF_SCOPE: Readonly<Record<McpScope, readonly Need[]>> = {
  "mainstay:read": ["read"],
  "mainstay:plan": ["request"],
  "mainstay:apply": ["request", "approve"],
};

/** A principal as a verified access token names it. */
export interface NamedPrincipal {
  readonly issuer: string;
  readonly subject: string;
  readonly client: string;
  readonly claims: readonly { readonly name: string; readonly values: readonly string[] }[];
}

/** Whom a rule speaks of, and what it gives. */
export interface PrincipalRule {
  readonly ruleId: string;
  readonly issuer: string;
  readonly whom: { readonly subject: string } | { readonly claim: string; readonly value: string };
  readonly roles: readonly Role[];
}

/** Whether the rule speaks of the principal. */
export function fitsPrincipal(rule: PrincipalRule, principal: NamedPrincipal): boolean {
  if (rule.issuer !== principal.issuer) return false;
  const { whom } = rule;
  if ("subject" in whom) return whom.subject === principal.subject;
  return principal.claims.some(({ name, values }) => name === whom.claim && values.includes(whom.value));
}

export type DelegationVerdict =
  | {
      readonly kind: "grant";
      readonly roles: readonly Role[];
      /** With every scope. */
      readonly rolesWithAllScopes: readonly Role[];
      readonly ruleIds: readonly string[];
      readonly because: string;
    }
  | { readonly kind: "deny"; readonly because: string };

/**
 * What a credential for `principal` may do: what the MCP server's own token, the rules that speak of the principal, and
 * the token's scopes all allow. Who fits no rule is denied.
 */
export function decideDelegation(
  principal: NamedPrincipal,
  scopes: readonly string[],
  rules: readonly PrincipalRule[],
  most: readonly Role[],
): DelegationVerdict {
  const who = displayName(principal);
  const fitting = rules.filter((rule) => fitsPrincipal(rule, principal));
  if (fitting.length === 0) return { kind: "deny", because: `no rule gives ${who} a role here` };
  const theirs = needsOf(fitting.flatMap((rule) => rule.roles));
  const ours = needsOf(most);
  const shared = [...theirs].filter((need) => ours.has(need));
  const ruleIds = fitting.map((rule) => rule.ruleId);
  const allowed = new Set(
    MCP_SCOPES.filter((scope) => scopes.includes(scope)).flatMap((scope) => NEEDS_OF_SCOPE[scope]),
  );
  const roles = rolesFor(shared.filter((need) => allowed.has(need)));
  if (roles.length === 0) {
    return {
      kind: "deny",
      because: `${who}, the scopes and this MCP server's token have no right in common`,
    };
  }
  return {
    kind: "grant",
    roles,
    rolesWithAllScopes: rolesFor(shared),
    ruleIds,
    because: `${fitting.length} of the rules of ${principal.issuer} speak of ${who}`,
  };
}

/** The roles that have these needs and no more; reading comes with every one. */
function rolesFor(needs: readonly Need[]): Role[] {
  const roles: Role[] = [];
  if (!needs.includes("read")) return roles;
  if (needs.includes("request")) roles.push("operator");
  if (needs.includes("approve")) roles.push("approver");
  return roles.length === 0 ? ["viewer"] : roles;
}

const PART_MAX = 80;

/** `<client> for <subject>@<issuer without its scheme>`: as the journal names who acted. */
export function displayName({ issuer, subject, client }: Omit<NamedPrincipal, "claims">): string {
  const place = issuer.replace(/^https?:\/\//, "").replace(/\/$/, "");
  const part = (text: string, max: number): string => cleanText(text, max).trim();
  return `${part(client, NAME_LENGTH_MAX)} for ${part(subject, PART_MAX)}@${part(place, PART_MAX)}`;
}

/** The credential's end: five minutes from now, or the token's own end when that is sooner. */
export function delegationEnd(now: Instant, notAfter: Instant | undefined): Instant {
  return Math.min(now + DELEGATION_LIFE, notAfter ?? Number.POSITIVE_INFINITY);
}
