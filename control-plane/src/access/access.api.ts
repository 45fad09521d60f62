/** AccessService: proto message ↔ token. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type AccessService, Role as WireRole } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import type { Role } from "../kernel/caller.js";
import { OpsError } from "../kernel/errors.js";
import { tokenId } from "../kernel/ids.js";
import { SECOND } from "../kernel/time.js";
import { formatTraceparent } from "../kernel/trace.js";
import type { CallContext } from "../platform/call.js";
import type { Authenticator } from "./authenticate.js";
import { findToken, listTokens } from "./principals.store.js";
import { endToken, makeToken, type TokensDeps } from "./tokens.js";

/** Tokens in one listing; a house with more has lost count of its keys. */
const LIST_MAX = 1_000;

export const ROLE_TO_WIRE: Readonly<Record<Role, WireRole>> = {
  viewer: WireRole.VIEWER,
  operator: WireRole.OPERATOR,
  approver: WireRole.APPROVER,
  admin: WireRole.ADMIN,
  delegate: WireRole.DELEGATE,
};
const FROM_WIRE = new Map(Object.entries(ROLE_TO_WIRE).map(([role, wire]) => [wire, role as Role]));

export function roleFromWire(wire: WireRole, what: string): Role {
  const role = FROM_WIRE.get(wire);
  if (role === undefined) throw new OpsError("INVALID_ARGUMENT", `${what}: roles: ${wire} is not a role`);
  return role;
}

function kindFromWire(kind: string): "human" | "mcp" {
  if (kind === "" || kind === "human") return "human";
  if (kind === "mcp") return "mcp";
  throw new OpsError(
    "INVALID_ARGUMENT",
    `create token: kind is ${JSON.stringify(kind.slice(0, 40))}, expected human or mcp`,
  );
}

export function accessApi(
  deps: TokensDeps & { readonly authenticator: Authenticator },
): ServiceImplementation<typeof AccessService, CallContext> {
  return {
    async whoAmI(_request, { caller }) {
      const found = await findToken(deps.database, tokenId(caller.tokenId));
      const expiresAt = found?.token.expiresAt;
      return {
        name: caller.actor.name,
        roles: caller.roles.map((role) => ROLE_TO_WIRE[role]),
        tokenId: caller.tokenId,
        ...(expiresAt === undefined ? {} : { expiresAt: timestampFromMs(expiresAt) }),
      };
    },

    async createToken(request, { caller, trace }) {
      const made = await makeToken(deps, {
        name: request.name,
        kind: kindFromWire(request.kind),
        roles: request.roles.map((role) => roleFromWire(role, "create token")),
        validFor: request.validSeconds === 0n ? undefined : Number(request.validSeconds) * SECOND,
        by: caller.actor,
        traceparent: formatTraceparent(trace),
      });
      return { token: made.text, tokenId: made.token.tokenId };
    },

    async listTokens() {
      const tokens = await listTokens(deps.database, LIST_MAX);
      return {
        tokens: tokens.map((token) => ({
          tokenId: token.tokenId,
          name: token.name,
          kind: token.kind,
          roles: token.roles.map((role) => ROLE_TO_WIRE[role]),
          createdAt: timestampFromMs(token.createdAt),
          ...(token.expiresAt === undefined ? {} : { expiresAt: timestampFromMs(token.expiresAt) }),
          ...(token.revokedAt === undefined ? {} : { revokedAt: timestampFromMs(token.revokedAt) }),
          ...(token.lastUsedAt === undefined ? {} : { lastUsedAt: timestampFromMs(token.lastUsedAt) }),
        })),
      };
    },

    async revokeToken(request, { caller, trace }) {
      const id = tokenId(request.tokenId);
      await endToken(deps, id, caller.actor, formatTraceparent(trace));
      deps.authenticator.forget(id);
      return {};
    },
  };
}
