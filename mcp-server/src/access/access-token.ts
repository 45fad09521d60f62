/** An identity provider's access token: verified for this server, and read. */
import { decodeJwt, errors, type JWTPayload, jwtVerify } from "jose";
import { cleanLine } from "../clean-text.js";
import { OpsError } from "../errors.js";
import type { Clock } from "../system.js";
import { type Fetch, Issuer } from "./issuer.js";
import { knownScopes, type Scope } from "./scopes.js";

export interface OAuthSettings {
  /** As tokens name them in `iss`. */
  readonly issuers: readonly string[];
  /** This server's own address as its clients write it: the audience of tokens (RFC 8707). */
  readonly resource: string;
  /** Claims that are told to the control plane, whose rules may give roles by them. */
  readonly claims: readonly string[];
}

/** What a verified token says. */
export interface AccessToken {
  readonly issuer: string;
  readonly subject: string;
  readonly client: string;
  readonly scopes: readonly Scope[];
  readonly claims: readonly { readonly name: string; readonly values: readonly string[] }[];
  /** Ms since the epoch. */
  readonly expiresAt: number;
}

/** Asymmetric ones: with a shared secret, or with none, whoever verifies could also have signed. */
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];
/** Clocks of two machines differ. */
const TOLERANCE_S = 5;
const TYPES: ReadonlySet<string> = new Set(["jwt", "at+jwt", "application/at+jwt"]);
const VALUES_MAX = 200;
const VALUE_LENGTH_MAX = 255;

export class AccessTokens {
  readonly #settings: OAuthSettings;
  readonly #clock: Clock;
  readonly #issuers: ReadonlyMap<string, Issuer>;

  constructor(settings: OAuthSettings, clock: Clock, fetch: Fetch) {
    this.#settings = settings;
    this.#clock = clock;
    this.#issuers = new Map(settings.issuers.map((issuer) => [issuer, new Issuer(issuer, clock, fetch)]));
  }

  /**
   * Throws UNAUTHENTICATED for a token that was not made for this server by an issuer it trusts, or has ended, and
   * UNAVAILABLE while its issuer's keys cannot be had. The sentence never holds the token.
   */
  async verify(token: string): Promise<AccessToken> {
    const issuer = this.#issuers.get(issuerOf(token));
    if (issuer === undefined) throw refused("it is of an issuer that is not trusted here");
    const keys = await issuer.keys();
    let payload: JWTPayload;
    try {
      const verified = await jwtVerify(token, keys, {
        issuer: issuer.issuer,
        audience: this.#settings.resource,
        algorithms: ALGORITHMS,
        clockTolerance: TOLERANCE_S,
        requiredClaims: ["exp", "sub"],
        currentDate: new Date(this.#clock.now()),
      });
      if (!TYPES.has((verified.protectedHeader.typ ?? "JWT").toLowerCase()))
        throw refused("it is not an access token");
      payload = verified.payload;
    } catch (error) {
      throw refusalOf(error, issuer.issuer);
    }
    const { sub = "", exp = 0 } = payload;
    return {
      issuer: issuer.issuer,
      subject: sub,
      client: textOf(payload["client_id"]) ?? textOf(payload["azp"]) ?? "unknown client",
      scopes: knownScopes([...wordsOf(payload["scope"]), ...wordsOf(payload["scp"])]),
      claims: this.#settings.claims
        .map((name) => ({ name, values: wordsOf(payload[name], false) }))
        .filter(({ values }) => values.length > 0),
      expiresAt: exp * 1_000,
    };
  }
}

function issuerOf(token: string): string {
  try {
    return decodeJwt(token).iss ?? "";
  } catch {
    return "";
  }
}

function refused(because: string, cause?: unknown): OpsError {
  return new OpsError("UNAUTHENTICATED", `the access token is refused: ${because}`, { cause });
}

function refusalOf(error: unknown, issuer: string): OpsError {
  if (error instanceof OpsError) return error;
  if (error instanceof errors.JWTExpired) return refused("it has expired");
  if (error instanceof errors.JWTClaimValidationFailed) {
    return refused(
      error.claim === "aud"
        ? "it was made for another server"
        : `its claim ${cleanLine(error.claim, 40)} is not as expected`,
    );
  }
  if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError) || isFetchFault(error)) {
    return new OpsError("UNAVAILABLE", `the keys of the identity provider ${issuer} cannot be had`, {
      cause: error,
    });
  }
  return refused("its signature is not good");
}

/** jose says with its most general error that the key set was not answered with 200. */
function isFetchFault(error: errors.JOSEError): boolean {
  return error.code === "ERR_JOSE_GENERIC";
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" && value.length <= VALUE_LENGTH_MAX ? value : undefined;
}

/** A list, or one text: of words when `split`. Bounded. */
function wordsOf(value: unknown, split = true): string[] {
  const items: readonly unknown[] =
    typeof value === "string" ? (split ? value.split(" ") : [value]) : Array.isArray(value) ? value : [];
  return items
    .filter(
      (item): item is string => typeof item === "string" && item !== "" && item.length <= VALUE_LENGTH_MAX,
    )
    .slice(0, VALUES_MAX);
}
