/** Who a token stands for, as the control plane tells it. */
import { type AccessService, Role } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import type { McpService } from "@mainstay/proto/gen/mainstay/operator/v1/mcp_pb";
import type { AccessToken } from "../access/access-token.js";
import type { Principal } from "../access/principal.js";
import { cleanLine } from "../clean-text.js";
import type { Line } from "./line.js";
import { nameOf, timestampOf } from "./wire.js";

/** A short-lived credential that speaks for a principal. */
export interface Delegation {
  readonly token: string;
  /** Ms since the epoch. */
  readonly expiresAt: number;
  readonly name: string;
  readonly tokenId: string;
  readonly roles: readonly string[];
  readonly rolesWithAllScopes: readonly string[];
}

/** As this server itself: with the token it was given to speak for others. */
export function delegationRoom(line: Line<typeof McpService>) {
  return {
    /** Throws PERMISSION_DENIED for a principal without a role. */
    async issue(access: AccessToken, notAfter: number): Promise<Delegation> {
      const { issuer, subject, client, scopes, claims } = access;
      const asked = {
        ...{ issuer, subject, client },
        scopes: [...scopes],
        claims: claims.map(({ name, values }) => ({ name, values: [...values] })),
        notAfter: timestampOf(notAfter),
      };
      const made = await line.ask((to, how) => to.issueDelegation(asked, how));
      return {
        token: made.token,
        expiresAt: Number(made.expiresAt?.seconds ?? 0n) * 1_000,
        name: cleanLine(made.name, 256),
        tokenId: cleanLine(made.token.split("_")[1] ?? "", 32),
        roles: made.roles.map((role) => nameOf(Role, role)),
        rolesWithAllScopes: made.rolesWithAllScopes.map((role) => nameOf(Role, role)),
      };
    },
  };
}

export function accessRoom(line: Line<typeof AccessService>) {
  return {
    /** Throws UNAUTHENTICATED for a token that is not good. */
    async whoAmI(): Promise<Principal> {
      const answer = await line.ask((to, how) => to.whoAmI({}, how));
      const expires = answer.expiresAt;
      return {
        name: cleanLine(answer.name, 128),
        roles: answer.roles.map((role) => nameOf(Role, role)),
        tokenId: cleanLine(answer.tokenId, 128),
        expiresAt: expires === undefined ? undefined : Number(expires.seconds) * 1_000,
      };
    },
  };
}
