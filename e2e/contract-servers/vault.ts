/**
 * A contract server for Vault: no Vault can run here, so this speaks the part of its HTTP API that Mainstay uses, with
 * its status codes: AppRole login, KV version 2 with check-and-set, Ed25519 keys of the transit engine, and /sys/health; and
 * what a region's failover asks: step-down within a cluster of two, and restoring a Raft snapshot.
 * Tests that use it run against a real Vault when VAULT_TEST_ADDR, VAULT_TEST_ROLE_ID and VAULT_TEST_SECRET_ID are set.
 */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

export interface VaultAccess {
  readonly address: string;
  readonly roleId: string;
  readonly secretId: string;
}

type Say = (status: number, body?: unknown) => void;

export class VaultContractServer implements VaultAccess {
  readonly roleId = "role-of-the-control-plane";
  readonly secretId = "a-secret-id";
  address = "";
  /** What /sys/health answers: 200 active, 429 standby, 501 not initialised, 503 sealed. */
  healthStatus = 200;
  /** Secrets by path below the mount. */
  readonly secrets = new Map<string, Record<string, unknown>>();
  /** Keys of the transit engine, each with its versions; the first is version 1. */
  readonly transitKeys = new Map<
    string,
    { readonly privateKey: KeyObject; readonly publicKey: KeyObject }[]
  >();
  /** Signatures made. */
  signatures = 0;
  /** May do everything. */
  readonly rootToken = "hvs.root";
  /** Snapshots that were restored. */
  restored = 0;
  #peer: VaultContractServer | undefined;
  readonly #tokens = new Set<string>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("no address");
    this.address = `http://127.0.0.1:${address.port}`;
    return this;
  }

  /** The two are one cluster: this one is a standby as long as the other is active, and holds what that holds. */
  standBy(active: VaultContractServer): this {
    this.healthStatus = 429;
    for (const [path, fields] of active.secrets) this.secrets.set(path, fields);
    active.#peer = this;
    this.#peer = active;
    return this;
  }

  /** As `vault operator raft snapshot save`: what it holds, for another cluster. */
  snapshot(): Buffer {
    return Buffer.from(JSON.stringify([...this.secrets]));
  }

  #elect(): void {
    if (this.healthStatus !== 200 || this.#peer?.healthStatus !== 429) return;
    this.healthStatus = 429;
    this.#peer.healthStatus = 200;
  }

  async stop(): Promise<void> {
    this.#elect();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const say: Say = (status, body = {}) => {
      const said = status === 204 ? undefined : JSON.stringify(body);
      response.writeHead(status, { "content-type": "application/json" }).end(said);
    };
    const path = new URL(request.url ?? "/", "http://vault").pathname;
    if (path === "/v1/sys/health") {
      const cluster_id = this.healthStatus === 501 ? undefined : "contract";
      return say(this.healthStatus, { sealed: this.healthStatus === 503, cluster_id });
    }
    if (this.healthStatus === 503) return say(503, { errors: ["Vault is sealed"] });
    const isRoot = request.headers["x-vault-token"] === this.rootToken;
    if (path === "/v1/sys/step-down" || path === "/v1/sys/storage/raft/snapshot-force") {
      if (!isRoot) return say(403, { errors: ["permission denied"] });
      if (path === "/v1/sys/step-down") {
        this.#elect();
        return say(204);
      }
      this.restored++;
      this.secrets.clear();
      for (const [place, fields] of JSON.parse(text) as [string, Record<string, unknown>][])
        this.secrets.set(place, fields);
      return say(204);
    }
    const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
    if (path === "/v1/auth/approle/login") {
      if (body["role_id"] !== this.roleId || body["secret_id"] !== this.secretId) {
        return say(400, { errors: ["invalid role or secret ID"] });
      }
      const token = `hvs.${this.#tokens.size + 1}`;
      this.#tokens.add(token);
      return say(200, { auth: { client_token: token, lease_duration: 3_600, renewable: true } });
    }
    if (!isRoot && !this.#tokens.has(String(request.headers["x-vault-token"])))
      return say(403, { errors: ["permission denied"] });
    const [, what, key] = /^\/v1\/transit\/(keys|sign)\/([\w.-]+)$/.exec(path) ?? [];
    if (key !== undefined && what === "keys")
      return this.#transitKey(request.method === "GET", key, body, say);
    if (key !== undefined) return this.#sign(key, body, say);
    const secret = /^\/v1\/secret\/data\/(.+)$/.exec(path)?.[1];
    if (secret === undefined) return say(404, { errors: [] });
    const known = this.secrets.get(secret);
    if (request.method === "GET") {
      return known === undefined
        ? say(404, { errors: [] })
        : say(200, { data: { data: known, metadata: { version: 1 } } });
    }
    const { options, data } = body as { options?: { cas?: number }; data?: Record<string, unknown> };
    if (options?.cas === 0 && known !== undefined) {
      return say(400, { errors: ["check-and-set parameter did not match the current version"] });
    }
    this.secrets.set(secret, data ?? {});
    return say(200, { data: { version: 1 } });
  }

  /** As `vault write -f transit/keys/KEY/rotate`. */
  rotate(key: string): void {
    this.transitKeys.set(key, [...(this.transitKeys.get(key) ?? []), generateKeyPairSync("ed25519")]);
  }

  #transitKey(asked: boolean, key: string, body: Record<string, unknown>, say: Say): void {
    const versions = this.transitKeys.get(key);
    if (!asked) {
      // Making one that is there changes nothing.
      if (versions === undefined && body["type"] === "ed25519") this.rotate(key);
      say(body["type"] === "ed25519" ? 200 : 400);
      return;
    }
    if (versions === undefined) {
      say(404, { errors: [] });
      return;
    }
    const keys = versions.map(({ publicKey }, index) => {
      const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
      return [
        String(index + 1),
        { name: "ed25519", public_key: raw.toString("base64"), creation_time: "2026-01-01T00:00:00Z" },
      ];
    });
    say(200, {
      data: {
        ...{ name: key, type: "ed25519", latest_version: versions.length },
        ...{ min_decryption_version: 1, min_encryption_version: 0, supports_signing: true },
        keys: Object.fromEntries(keys),
      },
    });
  }

  #sign(key: string, { input, key_version: asked = 0 }: Record<string, unknown>, say: Say): void {
    const versions = this.transitKeys.get(key) ?? [];
    const version = asked === 0 ? versions.length : Number(asked);
    const pair = versions[version - 1];
    if (pair === undefined) {
      say(400, { errors: ["signing key not found"] });
      return;
    }
    this.signatures++;
    const signature = sign(null, Buffer.from(String(input), "base64"), pair.privateKey).toString("base64");
    say(200, { data: { key_version: version, signature: `vault:v${version}:${signature}` } });
  }
}
