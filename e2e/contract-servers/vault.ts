/**
 * A contract server for Vault: no Vault can run here, so this speaks the part of its HTTP API that Mainstay uses, with
 * its status codes: AppRole login, KV version 2 with check-and-set, and /sys/health. Tests that use it run against a
 * real Vault when VAULT_TEST_ADDR, VAULT_TEST_ROLE_ID and VAULT_TEST_SECRET_ID are set.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

export interface VaultAccess {
  readonly address: string;
  readonly roleId: string;
  readonly secretId: string;
}

export class VaultContractServer implements VaultAccess {
  readonly roleId = "role-of-the-control-plane";
  readonly secretId = "a-secret-id";
  address = "";
  /** What /sys/health answers: 200 active, 429 standby, 501 not initialised, 503 sealed. */
  healthStatus = 200;
  /** Secrets by path below the mount. */
  readonly secrets = new Map<string, Record<string, unknown>>();
  readonly #tokens = new Set<string>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("no address");
    this.address = `http://127.0.0.1:${address.port}`;
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const say = (status: number, body: unknown = {}): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    const path = new URL(request.url ?? "/", "http://vault").pathname;
    if (path === "/v1/sys/health") return say(this.healthStatus, { sealed: this.healthStatus === 503 });
    if (this.healthStatus === 503) return say(503, { errors: ["Vault is sealed"] });
    const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
    if (path === "/v1/auth/approle/login") {
      if (body["role_id"] !== this.roleId || body["secret_id"] !== this.secretId) {
        return say(400, { errors: ["invalid role or secret ID"] });
      }
      const token = `hvs.${this.#tokens.size + 1}`;
      this.#tokens.add(token);
      return say(200, { auth: { client_token: token, lease_duration: 3_600, renewable: true } });
    }
    if (!this.#tokens.has(String(request.headers["x-vault-token"])))
      return say(403, { errors: ["permission denied"] });
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
}
