/** What this server tells clients of how to be let in: protected resource metadata (RFC 9728) and challenges (RFC 6750). */
import { SCOPES, type Scope } from "./scopes.js";

export interface ProtectedResource {
  /** This server's address as its clients write it. */
  readonly resource: string;
  readonly issuers: readonly string[];
}

const WELL_KNOWN = "/.well-known/oauth-protected-resource";

/** Where the metadata stand: under the resource's own path, and at the root for clients that look only there. */
export function metadataPaths(resource: string): readonly string[] {
  const path = new URL(resource).pathname.replace(/\/$/, "");
  return path === "" ? [WELL_KNOWN] : [`${WELL_KNOWN}${path}`, WELL_KNOWN];
}

export function metadataOf({ resource, issuers }: ProtectedResource): Record<string, unknown> {
  return {
    resource,
    authorization_servers: issuers,
    scopes_supported: SCOPES,
    bearer_methods_supported: ["header"],
    resource_name: "Mainstay",
  };
}

export type ChallengeReason = "invalid_token" | "insufficient_scope";

/** The value of `www-authenticate`. Without a protected resource, that of a server that only knows tokens of its own. */
export function challenge(
  protectedResource: ProtectedResource | undefined,
  reason: ChallengeReason | undefined,
  scopes: readonly Scope[],
): string {
  const parts = ['realm="mainstay"'];
  if (reason !== undefined) parts.push(`error="${reason}"`);
  if (protectedResource !== undefined) {
    const [path = WELL_KNOWN] = metadataPaths(protectedResource.resource);
    parts.push(`scope="${scopes.join(" ")}"`);
    parts.push(`resource_metadata="${new URL(path, protectedResource.resource).href}"`);
  }
  return `Bearer ${parts.join(", ")}`;
}
