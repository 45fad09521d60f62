import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { Agent, type IncomingMessage, type RequestOptions, request } from "node:http";
import type { CollectClock } from "../ports.js";

/** What a target answered, or why it did not. */
export type Fetched =
  | { readonly kind: "body"; readonly text: string }
  | { readonly kind: "failed"; readonly because: string };

/** Where to fetch from, and within which bounds. */
export interface FetchOptions {
  readonly url: string;
  readonly timeoutMs: number;
  readonly bodyBytesMax: number;
  readonly bearerTokenFile: string | undefined;
  readonly caFile: string | undefined;
  readonly serverName: string | undefined;
}

const TOKEN_BYTES_MAX = 65_536;

/**
 * Fetches exposition texts from one URL over a connection that is kept. No redirect is followed: a target that is named
 * in the agent's own configuration must not be able to send the agent, with its token, somewhere else.
 */
export class BodyFetcher {
  readonly #options: FetchOptions;
  readonly #clock: CollectClock;
  readonly #url: URL;
  #agent: Agent | undefined;
  #request: typeof request = request;

  constructor(options: FetchOptions, clock: CollectClock) {
    this.#options = options;
    this.#clock = clock;
    this.#url = new URL(options.url);
  }

  /** One fetch. Does not throw. */
  async fetch(): Promise<Fetched> {
    let fetched: Fetched;
    try {
      await this.#prepare();
      fetched = await this.#get(await this.#headers());
    } catch (error) {
      fetched = { kind: "failed", because: error instanceof Error ? error.message : String(error) };
    }
    // The next one begins anew, with the CA file as it then is.
    if (fetched.kind === "failed") this.close();
    return fetched;
  }

  close(): void {
    this.#agent?.destroy();
    this.#agent = undefined;
  }

  async #prepare(): Promise<void> {
    if (this.#agent !== undefined) return;
    const kept = { keepAlive: true, maxSockets: 1 };
    if (this.#url.protocol === "http:") {
      this.#agent = new Agent(kept);
      return;
    }
    // Only here: an agent without https targets does without this module's memory.
    const https = await import("node:https");
    const { caFile, serverName } = this.#options;
    const ca = caFile === undefined ? {} : { ca: await readFile(caFile) };
    this.#agent = new https.Agent({
      ...kept,
      ...ca,
      ...(serverName === undefined ? {} : { servername: serverName }),
    });
    this.#request = https.request;
  }

  async #headers(): Promise<Record<string, string>> {
    const headers: Record<string, string> = {
      accept: "text/plain;version=0.0.4;q=1,*/*;q=0.1",
      "accept-encoding": "identity",
      "user-agent": "mainstay-agent",
      "x-prometheus-scrape-timeout-seconds": String(this.#options.timeoutMs / 1_000),
    };
    const { bearerTokenFile } = this.#options;
    if (bearerTokenFile !== undefined) {
      // At each scrape: tokens are rotated by writing the file.
      const token = (await readFile(bearerTokenFile)).subarray(0, TOKEN_BYTES_MAX).toString("latin1").trim();
      // Node names the header but not its value when it refuses one; this says which file is at fault.
      if (!/^[\x21-\x7e]+$/u.test(token))
        throw new Error(`read ${bearerTokenFile}: expected one token of printable ASCII`);
      headers["authorization"] = `Bearer ${token}`;
    }
    return headers;
  }

  #get(headers: Record<string, string>): Promise<Fetched> {
    const { timeoutMs } = this.#options;
    const { promise, resolve } = deferred<Fetched>();
    const options: RequestOptions = { headers, ...(this.#agent === undefined ? {} : { agent: this.#agent }) };
    const asked = this.#request(this.#url, options);
    const cancel = this.#clock.after(timeoutMs, () => {
      resolve({ kind: "failed", because: `no answer within ${timeoutMs} ms` });
      asked.destroy();
    });
    const end = (fetched: Fetched): void => {
      cancel();
      resolve(fetched);
    };
    asked.on("response", (response) => this.#readBody(response, end));
    asked.on("error", (error) => end({ kind: "failed", because: error.message }));
    asked.end();
    return promise;
  }

  #readBody(response: IncomingMessage, end: (fetched: Fetched) => void): void {
    const { bodyBytesMax } = this.#options;
    const fail = (because: string): void => {
      end({ kind: "failed", because });
      response.destroy();
    };
    const encoding = response.headers["content-encoding"] ?? "identity";
    if (response.statusCode !== 200) {
      fail(`HTTP status ${response.statusCode}, expected 200`);
      return;
    }
    if (encoding !== "identity") {
      fail(`content-encoding ${JSON.stringify(encoding.slice(0, 40))}, expected none`);
      return;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bodyBytesMax) fail(`more than ${bodyBytesMax} bytes (bodyBytesMax)`);
      else chunks.push(chunk);
    });
    response.on("error", (error) => end({ kind: "failed", because: error.message }));
    response.on("end", () => {
      const body = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
      if (isUtf8(body)) end({ kind: "body", text: body.toString("utf8") });
      else end({ kind: "failed", because: "the body is not UTF-8" });
    });
  }
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
