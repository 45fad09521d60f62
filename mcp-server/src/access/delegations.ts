/**
 * For whom this server speaks: one short-lived credential of the control plane for each principal, renewed while its
 * access token is good. Inside this server a principal goes by a name of its own; the credential is put in its place
 * only on the line to the control plane, and the access token goes nowhere.
 */
import type { Delegation } from "../control-plane/access.js";
import { OpsError } from "../errors.js";
import { type Clock, sha256Hex } from "../system.js";
import type { AccessToken } from "./access-token.js";
import type { Principal } from "./principal.js";

const PREFIX = "delegation:";
/** A credential with less left than this is renewed first: a call may take that long. */
const LEFT_MS = 60_000;
const DELEGATIONS_MAX = 10_000;

interface Entry {
  readonly access: AccessToken;
  /** The latest end of the access tokens that were shown for it. */
  notAfter: number;
  held: Delegation | undefined;
  asking: Promise<Delegation> | undefined;
}

export class Delegations {
  readonly #issue: (access: AccessToken, notAfter: number) => Promise<Delegation>;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();

  /** `issue` throws PERMISSION_DENIED for a principal without a role, UNAVAILABLE when the control plane is away. */
  constructor(issue: (access: AccessToken, notAfter: number) => Promise<Delegation>, clock: Clock) {
    this.#issue = issue;
    this.#clock = clock;
  }

  /** The principal of a verified token, with what it goes by here. Throws what `issue` throws. */
  async enter(access: AccessToken): Promise<Principal> {
    const { expiresAt: _, ...who } = access;
    const credential = `${PREFIX}${sha256Hex(JSON.stringify(who))}`;
    const entry = this.#entries.get(credential) ?? {
      access,
      notAfter: 0,
      held: undefined,
      asking: undefined,
    };
    entry.notAfter = Math.max(entry.notAfter, access.expiresAt);
    this.#keep(credential, entry);
    const held = await this.#held(credential, entry);
    return {
      name: held.name,
      roles: held.roles,
      tokenId: held.tokenId,
      expiresAt: access.expiresAt,
      grant: { credential, scopes: access.scopes, rolesWithAllScopes: held.rolesWithAllScopes },
    };
  }

  /** What to show the control plane: a control plane's own token as it is, and of a principal the credential. */
  async resolve(credential: string): Promise<string> {
    if (!credential.startsWith(PREFIX)) return credential;
    const entry = this.#entries.get(credential);
    if (entry === undefined || entry.notAfter <= this.#clock.now()) {
      this.#entries.delete(credential);
      throw new OpsError("UNAUTHENTICATED", "the access token has expired");
    }
    return (await this.#held(credential, entry)).token;
  }

  /** The control plane did not take it: the next call asks for another. */
  refused(credential: string): void {
    const entry = this.#entries.get(credential);
    if (entry !== undefined) entry.held = undefined;
  }

  async #held(credential: string, entry: Entry): Promise<Delegation> {
    const now = this.#clock.now();
    const { held } = entry;
    // One that cannot be longer, for the access token ends, is used to its end.
    if (held !== undefined && held.expiresAt > Math.min(now + LEFT_MS, entry.notAfter - 1)) return held;
    entry.asking ??= this.#issue(entry.access, entry.notAfter)
      .then((made) => {
        entry.held = made;
        return made;
      })
      .finally(() => {
        entry.asking = undefined;
      });
    try {
      return await entry.asking;
    } catch (error) {
      const denied = error instanceof OpsError && error.code === "PERMISSION_DENIED";
      if (denied) this.#entries.delete(credential);
      else if (held !== undefined && held.expiresAt > now) return held;
      throw error;
    }
  }

  #keep(credential: string, entry: Entry): void {
    this.#entries.delete(credential);
    const oldest = this.#entries.keys().next();
    if (this.#entries.size >= DELEGATIONS_MAX && oldest.done !== true) this.#entries.delete(oldest.value);
    this.#entries.set(credential, entry);
  }
}
