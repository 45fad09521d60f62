/**
 * One identity provider: its metadata (RFC 8414, or OpenID Connect discovery) and its keys, fetched when they are first
 * wanted, kept, and fetched again when they change, within bounds that no bearer of tokens can move.
 */
import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from "jose";
import { messageOf, OpsError } from "../errors.js";
import type { Clock } from "../system.js";
import { isPrivateUrl } from "./private-url.js";

const FETCH_TIMEOUT_MS = 5_000;
/** Metadata and key sets are a few kilobytes. */
const ANSWER_BYTES_MAX = 256 * 1024;
/** Keys are fetched again at the latest after this, and at the earliest for a key that is not among them. */
const KEYS_KEPT_MS = 10 * 60_000;
const KEYS_PAUSE_MS = 10_000;
/** After a failure the provider is left alone for this long. */
const FAILED_PAUSE_MS = 2_000;
const METADATA_KEPT_MS = 60 * 60_000;

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

interface Found {
  readonly keys: JWTVerifyGetKey;
  readonly at: number;
}

export class Issuer {
  readonly issuer: string;
  readonly #clock: Clock;
  readonly #fetch: Fetch;
  #found: Found | undefined;
  #finding: Promise<Found> | undefined;
  #failed: { readonly at: number; readonly error: OpsError } | undefined;

  constructor(issuer: string, clock: Clock, fetch: Fetch) {
    this.issuer = issuer;
    this.#clock = clock;
    this.#fetch = boundedFetch(fetch);
  }

  /** What finds the key of a token. Throws UNAVAILABLE while the provider cannot be asked. */
  async keys(): Promise<JWTVerifyGetKey> {
    const now = this.#clock.monotonic();
    const found = this.#found;
    if (found !== undefined && now - found.at < METADATA_KEPT_MS) return found.keys;
    if (this.#failed !== undefined && now - this.#failed.at < FAILED_PAUSE_MS) {
      // Old metadata are better than none: the keys' address seldom changes.
      if (found !== undefined) return found.keys;
      throw this.#failed.error;
    }
    this.#finding ??= this.#find().finally(() => {
      this.#finding = undefined;
    });
    try {
      return (await this.#finding).keys;
    } catch (error) {
      const failure = new OpsError(
        "UNAVAILABLE",
        `the identity provider ${this.issuer} cannot be asked: ${messageOf(error)}`,
        { cause: error },
      );
      this.#failed = { at: this.#clock.monotonic(), error: failure };
      if (found !== undefined) return found.keys;
      throw failure;
    }
  }

  async #find(): Promise<Found> {
    let last: unknown;
    for (const url of metadataUrls(this.issuer)) {
      try {
        const uri = jwksUriOf(await this.#json(url), this.issuer);
        const keys = createRemoteJWKSet(new URL(uri), {
          timeoutDuration: FETCH_TIMEOUT_MS,
          cacheMaxAge: KEYS_KEPT_MS,
          cooldownDuration: KEYS_PAUSE_MS,
          [customFetch]: this.#fetch,
        });
        this.#found = { keys, at: this.#clock.monotonic() };
        this.#failed = undefined;
        return this.#found;
      } catch (error) {
        last = error;
      }
    }
    throw last;
  }

  async #json(url: string): Promise<unknown> {
    const signal = AbortSignal.timeout(FETCH_TIMEOUT_MS);
    const answer = await this.#fetch(url, {
      signal,
      headers: { accept: "application/json" },
      redirect: "error",
    });
    if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}`);
    return answer.json();
  }
}

/** Where a provider's metadata may be, in the order the authorization specification of MCP asks for. */
export function metadataUrls(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname === "/" ? "" : pathname.replace(/\/$/, "");
  const urls = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
  ];
  return path === "" ? urls : [...urls, `${origin}${path}/.well-known/openid-configuration`];
}

/** The address of the keys. Throws when the metadata are another issuer's, or the address is not private to it. */
function jwksUriOf(metadata: unknown, issuer: string): string {
  if (typeof metadata !== "object" || metadata === null) throw new Error("the metadata are not an object");
  if (!("issuer" in metadata) || metadata.issuer !== issuer)
    throw new Error("the metadata name another issuer");
  const uri = "jwks_uri" in metadata ? metadata.jwks_uri : undefined;
  if (typeof uri !== "string" || !isPrivateUrl(uri))
    throw new Error("the metadata name no jwks_uri over https");
  return uri;
}

/** Answers are read whole, and not without end. */
function boundedFetch(fetch: Fetch): Fetch {
  return async (url, init) => {
    const answer = await fetch(url, init);
    const reader = answer.body?.getReader();
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    while (reader !== undefined) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.length;
      if (bytes > ANSWER_BYTES_MAX) {
        await reader.cancel();
        throw new Error(`${url} answered more than ${ANSWER_BYTES_MAX} bytes`);
      }
      pieces.push(value);
    }
    const { status, headers } = answer;
    return new Response(pieces.length === 0 ? null : Buffer.concat(pieces), { status, headers });
  };
}
