/**
 * Signs orders to agents: the second key beside TLS, so that a stolen stream alone moves nothing. Here with a key that is
 * kept as a text; transit-signer.ts has Vault sign.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { OpsError } from "../kernel/errors.js";
import { sha256Hex } from "../platform/system.js";
import { type KeyStore, keptOrMade } from "./key-store.js";

export interface Signature {
  readonly keyId: string;
  /** 64 bytes, Ed25519. */
  readonly signature: Uint8Array;
}

/** What agents pin. */
export interface PublicOrderKey {
  readonly keyId: string;
  /** SPKI, DER. */
  readonly publicKey: Uint8Array;
}

export interface SignsOrders {
  /** The newest key: agents that are offered {@link publicKeys} now take orders that are signed with it. */
  readonly keyId: string;
  /**
   * Signs with the key of that id, as long as it is one that signs, else with the newest.
   * Throws UNAVAILABLE when it cannot be done now.
   */
  sign(bytes: Uint8Array, keyId?: string): Signature | Promise<Signature>;
  /** Every key that orders may be signed with, newest first. */
  publicKeys(): readonly PublicOrderKey[];
}

/** @param spki the key, DER; its id is the beginning of its digest */
export function orderKeyOf(spki: Uint8Array): PublicOrderKey {
  return { keyId: sha256Hex(spki).slice(0, 16), publicKey: spki };
}

/** Where the key is kept: the name of its text. */
const KEPT_AS = "order-key";

export class OrderSigner implements SignsOrders {
  readonly #key: KeyObject;
  readonly #public: PublicOrderKey;

  constructor(privatePem: string) {
    const key = createPrivateKey(privatePem);
    if (key.asymmetricKeyType !== "ed25519") {
      throw new OpsError(
        "FAILED_PRECONDITION",
        `the order key is ${key.asymmetricKeyType ?? "unknown"}, expected ed25519`,
      );
    }
    const publicKey = new Uint8Array(createPublicKey(key).export({ type: "spki", format: "der" }));
    this.#key = key;
    this.#public = orderKeyOf(publicKey);
  }

  /** The kept key, or a new one at the first start. */
  static async open(store: KeyStore): Promise<OrderSigner> {
    return new OrderSigner(
      await keptOrMade(store, KEPT_AS, async () =>
        generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      ),
    );
  }

  /** The public part of a key that was kept before; undefined when there is none. */
  static async former(store: KeyStore): Promise<PublicOrderKey | undefined> {
    const kept = await store.read(KEPT_AS);
    return kept === undefined ? undefined : new OrderSigner(kept).#public;
  }

  get keyId(): string {
    return this.#public.keyId;
  }

  sign(bytes: Uint8Array): Signature {
    return { keyId: this.keyId, signature: new Uint8Array(sign(null, bytes, this.#key)) };
  }

  publicKeys(): readonly PublicOrderKey[] {
    return [this.#public];
  }
}
