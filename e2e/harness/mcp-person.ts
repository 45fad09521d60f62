/** Somebody with an MCP client that signs in where the server says: authorization code, PKCE, resource indicator. */
import {
  Client,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  type OAuthTokens,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { REDIRECT_URI } from "./identity-provider.js";

export class McpPerson {
  readonly #clientId: string;
  readonly #url: URL;
  readonly #cookies = new Map<string, string>();
  #tokens: OAuthTokens | undefined;
  #verifier = "";
  #discovered: OAuthDiscoveryState | undefined;
  /** What came back from signing in. */
  #callback: URLSearchParams | undefined;
  #transport: StreamableHTTPClientTransport | undefined;
  #client: Client | undefined;
  /** Addresses to which the person was sent to sign in. */
  readonly sentTo: URL[] = [];

  constructor(clientId: string, url: URL) {
    this.#clientId = clientId;
    this.#url = url;
  }

  get accessToken(): string {
    if (this.#tokens === undefined) throw new Error("nobody has signed in");
    return this.#tokens.access_token;
  }

  /** Connects, and signs in when the server asks for it. */
  async connect(era: "2025-11-25" | "2026-07-28"): Promise<Client> {
    return this.signingIn(async () => {
      const modern = era === "2026-07-28" ? { versionNegotiation: { mode: { pin: era } } } : {};
      const client = new Client({ name: "claude", version: "1" }, modern);
      this.#transport = new StreamableHTTPClientTransport(this.#url, { authProvider: this.#provider() });
      await client.connect(this.#transport);
      this.#client = client;
      return client;
    });
  }

  /** Does it again once the person has signed in, when the server wants them to. */
  async signingIn<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const callback = this.#callback;
      if (!(error instanceof UnauthorizedError) || callback === undefined) throw error;
      this.#callback = undefined;
      await this.#transport?.finishAuth(callback);
      return work();
    }
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }

  #provider(): OAuthClientProvider {
    return {
      get redirectUrl() {
        return REDIRECT_URI;
      },
      get clientMetadata() {
        return { redirect_uris: [REDIRECT_URI], client_name: "claude" };
      },
      clientInformation: () => ({ client_id: this.#clientId }),
      tokens: () => this.#tokens,
      saveTokens: (tokens) => {
        this.#tokens = tokens;
      },
      redirectToAuthorization: (url) => this.#signIn(url),
      saveCodeVerifier: (verifier) => {
        this.#verifier = verifier;
      },
      codeVerifier: () => this.#verifier,
      saveDiscoveryState: (state) => {
        this.#discovered = state;
      },
      discoveryState: () => this.#discovered,
    };
  }

  /** As a browser does: follows where it is sent until it comes back with a code. */
  async #signIn(start: URL): Promise<void> {
    this.sentTo.push(start);
    let url = start;
    for (let hops = 0; hops < 12; hops++) {
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const answer = await fetch(url, { redirect: "manual", headers: cookie === "" ? {} : { cookie } });
      for (const line of answer.headers.getSetCookie()) {
        const [pair = ""] = line.split(";");
        const [name = "", value = ""] = pair.split(/=(.*)/s);
        this.#cookies.set(name, value);
      }
      const location = answer.headers.get("location");
      if (location === null)
        throw new Error(`signing in ended at ${url}: ${answer.status} ${await answer.text()}`);
      url = new URL(location, url);
      if (!url.href.startsWith(REDIRECT_URI)) continue;
      this.#callback = url.searchParams;
      return;
    }
    throw new Error("signing in went round in circles");
  }
}
