/** Signs orders to agents: the second key beside TLS, so that a stolen stream alone moves nothing. */
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

export class OrderSigner {
  readonly #key: KeyObject;
  readonly #keyId: string;
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
    this.#keyId = sha256Hex(publicKey).slice(0, 16);
    this.#public = { keyId: this.#keyId, publicKey };
  }

  /** The kept key, or a new one at the first start. */
  static async open(store: KeyStore): Promise<OrderSigner> {
    return new OrderSigner(
      await keptOrMade(store, "order-key", async () =>
        generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      ),
    );
  }

  sign(bytes: Uint8Array): Signature {
    return { keyId: this.#keyId, signature: new Uint8Array(sign(null, bytes, this.#key)) };
  }

  /** Every key that orders may be signed with. */
  publicKeys(): readonly PublicOrderKey[] {
    return [this.#public];
  }
}
