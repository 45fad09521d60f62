/** Who this agent is: its certificate and key, whom it trusts, and which keys may sign orders. One file, replaced whole. */
import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import { reasonOf } from "../log.js";
import { publicKeyOf } from "./certificate-request.js";
import { readIfThere, writePrivateFile } from "./state-files.js";

/** A key that may sign orders. */
export interface PinnedKey {
  readonly keyId: string;
  /** Ed25519, SPKI DER as base64. */
  readonly spki: string;
}

/** An identity as it is stored. */
export interface Identity {
  readonly nodeId: string;
  readonly privateKeyPem: string;
  /** The leaf first, then what it chains to. */
  readonly certificatePem: string;
  readonly caPem: string;
  readonly orderKeys: readonly PinnedKey[];
  /** When the certificate came, in ms since the epoch. */
  readonly receivedAt: number;
}

/** From when to when the identity's certificate holds, in ms since the epoch. */
export interface Lifetime {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Reads the stored identity; undefined when there is none. Throws with the file's name when it cannot be used. */
export function loadIdentity(path: string): Identity | undefined {
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(
      `${path}: not JSON (${reasonOf(error)}); remove it and enrol again with a new join token`,
    );
  }
  const identity = asIdentity(value);
  if (identity === undefined) {
    throw new Error(`${path}: a field is missing or has another shape; remove it and enrol again`);
  }
  return identity;
}

/** Stores the identity durably. */
export function saveIdentity(path: string, identity: Identity): void {
  writePrivateFile(path, `${JSON.stringify(identity, undefined, 2)}\n`);
}

/** Parsing takes 3 ms in an agent that is seldom busy, and every reading asks: it was a third of what the agent cost. */
const lifetimes = new WeakMap<Identity, Lifetime>();

/** From when to when the certificate holds. */
export function lifetimeOf(identity: Identity): Lifetime {
  let lifetime = lifetimes.get(identity);
  if (lifetime === undefined) {
    const leaf = new X509Certificate(identity.certificatePem);
    const [notBefore, notAfter] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
    const { receivedAt } = identity;
    // It may be dated back, for hosts whose clocks are behind; what counts for its renewal is when it came.
    lifetime = {
      notBefore: receivedAt > notBefore && receivedAt < notAfter ? receivedAt : notBefore,
      notAfter,
    };
    lifetimes.set(identity, lifetime);
  }
  return lifetime;
}

/** SHA-256 over the DER of the first certificate of a PEM, lower-case hex. */
export function certificateHash(pem: string): string {
  return createHash("sha256").update(new X509Certificate(pem).raw).digest("hex");
}

/** What is wrong with an identity that the control plane gave, as a sentence; undefined when nothing is. */
export function faultOfIdentity(identity: Identity): string | undefined {
  let leaf: X509Certificate;
  let authority: X509Certificate;
  try {
    leaf = new X509Certificate(identity.certificatePem);
    authority = new X509Certificate(identity.caPem);
  } catch (error) {
    return `the certificate or its authority is not PEM: ${reasonOf(error)}`;
  }
  if (!leaf.publicKey.export({ type: "spki", format: "der" }).equals(publicKeyOf(identity.privateKeyPem))) {
    return "the certificate is for another key than this host's";
  }
  if (!leaf.verify(authority.publicKey))
    return "the certificate is not signed by the authority that came with it";
  if (identity.nodeId === "") return "the node id is empty";
  if (identity.orderKeys.length === 0) return "no key for orders came with it";
  for (const key of identity.orderKeys) {
    const fault = faultOfOrderKey(key);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** What is wrong with a key for orders; undefined when nothing is. */
export function faultOfOrderKey(key: PinnedKey): string | undefined {
  try {
    const type = createPublicKey({
      key: Buffer.from(key.spki, "base64"),
      format: "der",
      type: "spki",
    }).asymmetricKeyType;
    return type === "ed25519" ? undefined : `order key ${key.keyId}: a ${type} key, expected ed25519`;
  } catch (error) {
    return `order key ${key.keyId}: not SPKI DER (${reasonOf(error)})`;
  }
}

/**
 * Which order keys to hold after the control plane named its own. New ones are taken only beside one that was pinned
 * before: a stream that knows none of the pinned keys may speak for itself, but not replace what the agent trusts.
 */
export function adoptOrderKeys(
  pinned: readonly PinnedKey[],
  offered: readonly PinnedKey[],
):
  | { readonly kind: "same" }
  | { readonly kind: "adopt"; readonly keys: readonly PinnedKey[] }
  | { readonly kind: "refuse"; readonly because: string } {
  const sound = offered.filter((key) => faultOfOrderKey(key) === undefined).slice(0, 16);
  if (sound.length === 0) return { kind: "same" };
  const same = (a: PinnedKey, b: PinnedKey): boolean => a.keyId === b.keyId && a.spki === b.spki;
  if (!sound.some((key) => pinned.some((known) => same(known, key)))) {
    return { kind: "refuse", because: "none of the offered order keys is one that was pinned" };
  }
  const unchanged =
    sound.length === pinned.length && sound.every((key) => pinned.some((known) => same(known, key)));
  return unchanged ? { kind: "same" } : { kind: "adopt", keys: sound };
}

function asIdentity(value: unknown): Identity | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { nodeId, privateKeyPem, certificatePem, caPem, orderKeys, receivedAt } = value as Readonly<
    Record<string, unknown>
  >;
  if (typeof nodeId !== "string" || typeof privateKeyPem !== "string") return undefined;
  if (typeof certificatePem !== "string" || typeof caPem !== "string" || !Array.isArray(orderKeys))
    return undefined;
  const keys = orderKeys.flatMap((key: unknown): PinnedKey[] => {
    const { keyId, spki } = Object(key) as Readonly<Record<string, unknown>>;
    return typeof keyId === "string" && typeof spki === "string" ? [{ keyId, spki }] : [];
  });
  return keys.length === orderKeys.length
    ? { nodeId, privateKeyPem, certificatePem, caPem, orderKeys: keys, receivedAt: Number(receivedAt) || 0 }
    : undefined;
}
