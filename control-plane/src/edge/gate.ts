/**
 * Who comes in: a credential becomes a caller, and a caller may or may not call a method.
 */
import type { Actor } from "../kernel/actor.js";
import type { Caller, Role } from "../kernel/caller.js";
import { OpsError } from "../kernel/errors.js";

export interface GatePorts {
  /** The caller a token stands for. Throws UNAUTHENTICATED when it is not good, anything else when it cannot be looked up. */
  readonly authenticate: (token: string) => Promise<Caller>;
  readonly permit: (
    method: string,
    roles: readonly Role[],
  ) => { readonly kind: "allow" | "deny"; readonly because: string };
  /** Why the actor may call nothing of the kind at the moment; undefined when it may. @default nobody is refused */
  readonly refuses?: (actor: Actor, method: string) => string | undefined;
}

const CREDENTIAL_LENGTH_MAX = 4_096;

/**
 * The token in an `authorization` header: `Bearer TOKEN`, or `Basic` with the token as its password, for clients that
 * know nothing else. Undefined when there is none.
 */
export function tokenOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length > CREDENTIAL_LENGTH_MAX) return undefined;
  const space = authorization.indexOf(" ");
  const scheme = authorization.slice(0, space).toLowerCase();
  const rest = authorization.slice(space + 1).trim();
  if (scheme === "bearer") return rest === "" ? undefined : rest;
  if (scheme !== "basic") return undefined;
  const pair = Buffer.from(rest, "base64").toString("utf8");
  const colon = pair.indexOf(":");
  return colon < 0 || colon === pair.length - 1 ? undefined : pair.slice(colon + 1);
}

export class Gate {
  readonly #ports: GatePorts;

  constructor(ports: GatePorts) {
    this.#ports = ports;
  }

  /**
   * The caller behind an `authorization` header. Throws UNAUTHENTICATED when there is no token or it is not good, and
   * UNAVAILABLE, with nothing of the inside, when tokens cannot be looked up.
   */
  async enter(authorization: string | undefined): Promise<Caller> {
    const token = tokenOf(authorization);
    if (token === undefined) {
      throw new OpsError("UNAUTHENTICATED", "no token: send the header `authorization: Bearer TOKEN`");
    }
    try {
      return await this.#ports.authenticate(token);
    } catch (error) {
      if (error instanceof OpsError && error.code === "UNAUTHENTICATED") throw error;
      throw new OpsError("UNAVAILABLE", "tokens cannot be looked up now", {}, { cause: error });
    }
  }

  /** Throws PERMISSION_DENIED with the reason unless the caller may call `method` (`package.Service/Method`). */
  admit(caller: Caller, method: string): void {
    const verdict = this.#ports.permit(method, caller.roles);
    if (verdict.kind === "deny") throw new OpsError("PERMISSION_DENIED", verdict.because, { method });
    const refusal = this.#ports.refuses?.(caller.actor, method);
    if (refusal !== undefined) throw new OpsError("PERMISSION_DENIED", refusal, { method });
  }
}
