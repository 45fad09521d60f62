/** Who calls, as the control plane knows them. */
import type { Scope } from "./scopes.js";

export interface Principal {
  readonly name: string;
  readonly roles: readonly string[];
  readonly tokenId: string;
  /** When the token ends, in ms since the epoch; undefined when it does not. */
  readonly expiresAt: number | undefined;
  /** Present: an identity provider's access token was shown, and this server speaks for its principal. */
  readonly grant?: Grant;
}

export interface Grant {
  /** What stands for the principal towards the control plane; never the access token. */
  readonly credential: string;
  readonly scopes: readonly Scope[];
  /** What the principal could do with every scope. */
  readonly rolesWithAllScopes: readonly string[];
}

/** What this server calls the control plane with on the principal's behalf, when it showed `token`. */
export function credentialOf(principal: Principal, token: string): string {
  return principal.grant?.credential ?? token;
}

/** Whether the principal may ask for changes, if only it had every scope. */
export function mayEverAsk({ roles, grant }: Principal): boolean {
  const most = grant?.rolesWithAllScopes ?? roles;
  return most.includes("operator") || most.includes("admin");
}
