/** An identity provider's metadata and keys on a real socket, and tokens signed with them. */
import { createServer, type Server } from "node:http";
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";

interface Key {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

export class FakeIssuer {
  issuer = "";
  /** Requests for metadata and keys that were heard. */
  asked: string[] = [];
  /** Whether it answers. */
  answers = true;
  /** Said instead of the metadata. */
  metadata: object | undefined;
  #keys: Key[] = [];
  #server: Server | undefined;

  async start(): Promise<void> {
    await this.rotate("one");
    const server = createServer((request, response) => {
      this.asked.push(request.url ?? "");
      const { url = "" } = request;
      if (!this.answers) {
        response.writeHead(503).end();
        return;
      }
      const described = this.metadata ?? { issuer: this.issuer, jwks_uri: `${this.issuer}/jwks` };
      if (url === "/.well-known/openid-configuration") response.end(JSON.stringify(described));
      else if (url === "/jwks") void this.#publish().then((text) => response.end(text));
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (typeof address !== "object" || address === null) throw new Error("no port");
    this.issuer = `http://127.0.0.1:${address.port}`;
    this.#server = server;
  }

  /** Signs with a new key from now on, and publishes no other. */
  async rotate(kid: string): Promise<void> {
    this.#keys = [{ kid, ...(await generateKeyPair("ES256")) }];
  }

  async token(
    claims: JWTPayload,
    {
      audience,
      expires = "10m",
      typ = "at+jwt",
    }: { audience: string; expires?: string | number; typ?: string },
  ): Promise<string> {
    const [key] = this.#keys;
    if (key === undefined) throw new Error("no key");
    return new SignJWT({ sub: "vera", client_id: "claude", scope: "mainstay:read", ...claims })
      .setProtectedHeader({ alg: "ES256", kid: key.kid, typ })
      .setIssuer(this.issuer)
      .setAudience(audience)
      .setExpirationTime(expires)
      .sign(key.privateKey);
  }

  stop(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  async #publish(): Promise<string> {
    const keys = await Promise.all(
      this.#keys.map(async ({ kid, publicKey }) => ({ ...(await exportJWK(publicKey)), kid, alg: "ES256" })),
    );
    return JSON.stringify({ keys });
  }
}
