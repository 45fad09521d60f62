/**
 * Signs orders with a key in Vault's transit engine, which never leaves it: who takes over this process can have orders
 * signed only as long as Vault lets it. Rotating is done in Vault: agents are offered the new version when they open a
 * stream, and orders over streams that were opened before are signed with the version that was offered there.
 */
import { OpsError } from "../kernel/errors.js";
import { type Duration, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Clock } from "../platform/system.js";
import type { Transit } from "../platform/vault/transit.js";
import { orderKeyOf, type PublicOrderKey, type Signature, type SignsOrders } from "./order-signer.js";

/** How soon a version made in Vault is offered to agents that come. */
const LOOK_INTERVAL: Duration = 30 * SECOND;
/** Agents take no more; the oldest are left out. */
const OFFERED_MAX = 16;
/** What stands before the 32 bytes of an Ed25519 public key in its SPKI form. */
const SPKI_PREFIX = Uint8Array.from([0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]);

export interface TransitSignerOptions {
  readonly transit: Transit;
  /** The key's name in Vault; made when it is not there. */
  readonly key: string;
  /** The key of the time before, which agents may have pinned: offered beside, and signed with no more. */
  readonly former: PublicOrderKey | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class TransitSigner implements SignsOrders {
  readonly loop: Loop;
  readonly #options: TransitSignerOptions;
  /** Newest first. */
  #keys: readonly (PublicOrderKey & { readonly version: number })[] = [];

  private constructor(options: TransitSignerOptions) {
    this.#options = options;
    const { clock, logger } = options;
    this.loop = new Loop({
      name: "order-key",
      interval: LOOK_INTERVAL,
      clock,
      logger,
      run: () => this.look(),
    });
  }

  /** Throws what Vault throws, and FAILED_PRECONDITION when the key cannot sign orders. */
  static async open(options: TransitSignerOptions): Promise<TransitSigner> {
    const signer = new TransitSigner(options);
    await signer.look();
    return signer;
  }

  get keyId(): string {
    return this.#newest().keyId;
  }

  async sign(bytes: Uint8Array, keyId?: string): Promise<Signature> {
    const { transit, key } = this.#options;
    // A version that Vault has put away signs nothing; the agent then says that it does not know the key.
    const by = this.#keys.find((known) => known.keyId === keyId) ?? this.#newest();
    return { keyId: by.keyId, signature: await transit.sign(key, by.version, bytes) };
  }

  publicKeys(): readonly PublicOrderKey[] {
    const { former } = this.#options;
    const offered = this.#keys.map(({ keyId, publicKey }) => ({ keyId, publicKey }));
    return former === undefined
      ? offered.slice(0, OFFERED_MAX)
      : [...offered.slice(0, OFFERED_MAX - 1), former];
  }

  /** Reads the versions there are. */
  async look(): Promise<void> {
    const { transit, key, logger } = this.#options;
    const versions = await transit.versions(key);
    const before = this.#keys[0]?.version;
    const keys = versions.map(({ version, publicKey }) => ({
      version,
      ...orderKeyOf(Uint8Array.from([...SPKI_PREFIX, ...publicKey])),
    }));
    if (keys.length === 0)
      throw new OpsError("FAILED_PRECONDITION", `Vault's transit key "${key}" has no version that signs`);
    this.#keys = keys.reverse();
    const { version, keyId } = this.#newest();
    if (before !== undefined && version !== before)
      logger.info("there is a new version of the key that signs orders", { version, keyId });
  }

  #newest(): PublicOrderKey & { readonly version: number } {
    const [newest] = this.#keys;
    if (newest === undefined) throw new OpsError("INTERNAL", "the order key was not read");
    return newest;
  }
}
