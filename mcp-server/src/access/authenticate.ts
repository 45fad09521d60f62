/**
 * A token in, who it stands for out. The control plane knows; its answers are remembered for a short while, under the
 * token's digest, so that a heap dump holds no token.
 */
import { OpsError } from "../errors.js";
import { type Clock, sha256Hex } from "../system.js";
import type { AccessToken } from "./access-token.js";
import type { Principal } from "./principal.js";
import { BASE_SCOPE } from "./scopes.js";

export type Identity =
  | { readonly kind: "known"; readonly principal: Principal }
  /** The token is not good: 401. */
  | { readonly kind: "unknown" }
  /** The token is good and lets do nothing here: 403. */
  | { readonly kind: "denied"; readonly because: string }
  /** It lacks the scope without which nothing is answered: 403. */
  | { readonly kind: "unscoped" }
  /** It cannot be asked: 503, for the token may well be good. */
  | { readonly kind: "unavailable" };

/** How long a good answer is believed: also how long a revoked token may still open this door (and no other). */
const KNOWN_MS = 30_000;
/** Long enough to keep a guesser away from the control plane, short enough not to be noticed after a token was made. */
const UNKNOWN_MS = 3_000;
const REMEMBERED_MAX = 1_000;
const ASKING_MAX = 64;
/** An access token with many groups is long; Node takes 16 KiB of headers. */
const TOKEN_LENGTH_MAX = 8_192;

interface Remembered {
  readonly identity: Identity;
  readonly at: number;
}

/** How identity providers' tokens are let in. Both throw OpsError. */
export interface OAuthEntrance {
  /** UNAUTHENTICATED for a token that is not good, UNAVAILABLE when that cannot be told. */
  verify(token: string): Promise<AccessToken>;
  /** PERMISSION_DENIED for a principal without a role. */
  enter(access: AccessToken): Promise<Principal>;
}

export class Authenticator {
  readonly #whoAmI: (token: string) => Promise<Principal>;
  readonly #clock: Clock;
  readonly #oauth: OAuthEntrance | undefined;
  readonly #remembered = new Map<string, Remembered>();
  readonly #asking = new Map<string, Promise<Identity>>();

  /**
   * `whoAmI` throws OpsError: UNAUTHENTICATED for a token that is not good, anything else when it cannot tell.
   * @param oauth absent: only the control plane's own tokens are taken
   */
  constructor(whoAmI: (token: string) => Promise<Principal>, clock: Clock, oauth?: OAuthEntrance) {
    this.#whoAmI = whoAmI;
    this.#clock = clock;
    this.#oauth = oauth;
  }

  /**
   * Who the token stands for. While the control plane cannot be asked, a caller who was known within `graceMs` still
   * is: for what this server tells of itself, never for calls to the control plane.
   * @default graceMs 0
   */
  async identify(token: string, graceMs = 0): Promise<Identity> {
    if (token === "" || token.length > TOKEN_LENGTH_MAX) return { kind: "unknown" };
    if (isJwt(token) && this.#oauth === undefined) return { kind: "unknown" };
    const key = sha256Hex(token);
    const before = this.#remembered.get(key);
    if (before !== undefined && this.#isFresh(before)) return before.identity;
    const identity = await this.#askOnce(key, token);
    if (identity.kind !== "unavailable" || before?.identity.kind !== "known") return identity;
    return this.#clock.now() - before.at < graceMs && !this.#isExpired(before.identity.principal)
      ? before.identity
      : identity;
  }

  /** Several requests with one token at once ask once. */
  #askOnce(key: string, token: string): Promise<Identity> {
    const under = this.#asking.get(key);
    if (under !== undefined) return under;
    if (this.#asking.size >= ASKING_MAX) return Promise.resolve({ kind: "unavailable" });
    const asked = this.#ask(key, token).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asked);
    return asked;
  }

  async #ask(key: string, token: string): Promise<Identity> {
    try {
      const identity = await this.#identityOf(token);
      this.#remember(key, identity);
      return identity;
    } catch (error) {
      const refusal = error instanceof OpsError ? refusalOf(error) : undefined;
      if (refusal === undefined) return { kind: "unavailable" };
      this.#remember(key, refusal);
      return refusal;
    }
  }

  async #identityOf(token: string): Promise<Identity> {
    if (this.#oauth === undefined || !isJwt(token)) {
      return { kind: "known", principal: await this.#whoAmI(token) };
    }
    const access = await this.#oauth.verify(token);
    if (!access.scopes.includes(BASE_SCOPE)) return { kind: "unscoped" };
    return { kind: "known", principal: await this.#oauth.enter(access) };
  }

  #remember(key: string, identity: Identity): void {
    this.#remembered.delete(key);
    const oldest = this.#remembered.keys().next();
    if (this.#remembered.size >= REMEMBERED_MAX && oldest.done !== true)
      this.#remembered.delete(oldest.value);
    this.#remembered.set(key, { identity, at: this.#clock.now() });
  }

  #isFresh({ identity, at }: Remembered): boolean {
    const age = this.#clock.now() - at;
    if (identity.kind === "known") return age < KNOWN_MS && !this.#isExpired(identity.principal);
    return age < UNKNOWN_MS;
  }

  #isExpired(principal: Principal): boolean {
    return principal.expiresAt !== undefined && principal.expiresAt <= this.#clock.now();
  }
}

/** Whether a bearer token has the form of a JWT, so that it is an identity provider's and not the control plane's. */
function isJwt(token: string): boolean {
  return /^ey[\w-]+\.[\w-]+\.[\w-]+$/.test(token);
}

function refusalOf({ code, message }: OpsError): Identity | undefined {
  if (code === "UNAUTHENTICATED") return { kind: "unknown" };
  return code === "PERMISSION_DENIED" ? { kind: "denied", because: message } : undefined;
}

/** The token in an `authorization: Bearer TOKEN` header; undefined when there is none. */
export function bearerOf(authorization: string | undefined): string | undefined {
  const match = /^bearer +([\x21-\x7e]+) *$/i.exec(authorization?.slice(0, TOKEN_LENGTH_MAX + 16) ?? "");
  return match?.[1];
}
