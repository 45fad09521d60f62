/**
 * Who comes in: a credential becomes a caller, and a caller may or may not call a method.
 */
import type { Caller, Role } from "../kernel/caller.js";
import { OpsError } from "../kernel/errors.js";
import { type Duration, type Instant, MINUTE } from "../kernel/time.js";
import { type Clock, sha256Hex } from "../platform/system.js";

export interface GatePorts {
  /** The caller a token stands for; undefined when it is unknown, revoked or expired. Throws when it cannot be looked up. */
  readonly authenticate: (token: string) => Promise<Caller | undefined>;
  readonly permit: (
    method: string,
    roles: readonly Role[],
  ) => { readonly kind: "allow" | "deny"; readonly because: string };
  readonly clock: Clock;
}

/**
 * How long a caller who was let in is remembered while tokens cannot be looked up. Without it nobody could ask what is
 * wrong when the database is away. Revoking needs the same database, so no revocation is passed over meanwhile.
 */
const REMEMBERED_FOR: Duration = 15 * MINUTE;
const REMEMBERED_MAX = 1_000;
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
  readonly #remembered = new Map<string, { readonly caller: Caller; readonly at: Instant }>();

  constructor(ports: GatePorts) {
    this.#ports = ports;
  }

  /**
   * The caller behind an `authorization` header. Throws UNAUTHENTICATED when there is no token or it is not good, and
   * UNAVAILABLE, with nothing of the inside, when tokens cannot be looked up and this one was not seen of late.
   */
  async enter(authorization: string | undefined): Promise<Caller> {
    const token = tokenOf(authorization);
    if (token === undefined) {
      throw new OpsError("UNAUTHENTICATED", "no token: send the header `authorization: Bearer TOKEN`");
    }
    // The map holds a digest, so that a heap dump holds no token.
    const key = sha256Hex(token);
    try {
      const caller = await this.#ports.authenticate(token);
      if (caller === undefined) {
        this.#remembered.delete(key);
        throw new OpsError("UNAUTHENTICATED", "the token is unknown, revoked or expired");
      }
      this.#remember(key, caller);
      return caller;
    } catch (error) {
      if (error instanceof OpsError && error.code === "UNAUTHENTICATED") throw error;
      const known = this.#remembered.get(key);
      if (known !== undefined && this.#ports.clock.now() - known.at < REMEMBERED_FOR) return known.caller;
      throw new OpsError("UNAVAILABLE", "tokens cannot be looked up now", {}, { cause: error });
    }
  }

  /** Throws PERMISSION_DENIED with the reason unless the caller may call `method` (`package.Service/Method`). */
  admit(caller: Caller, method: string): void {
    const verdict = this.#ports.permit(method, caller.roles);
    if (verdict.kind === "deny") throw new OpsError("PERMISSION_DENIED", verdict.because, { method });
  }

  #remember(key: string, caller: Caller): void {
    this.#remembered.delete(key);
    if (this.#remembered.size >= REMEMBERED_MAX) {
      const oldest = this.#remembered.keys().next();
      if (oldest.done !== true) this.#remembered.delete(oldest.value);
    }
    this.#remembered.set(key, { caller, at: this.#ports.clock.now() });
  }
}
