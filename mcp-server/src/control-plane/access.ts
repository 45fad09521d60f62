/** Who a token stands for, as the control plane tells it. */
import { type AccessService, Role } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import type { Principal } from "../access/principal.js";
import { cleanLine } from "../clean-text.js";
import type { Line } from "./line.js";
import { nameOf } from "./wire.js";

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
