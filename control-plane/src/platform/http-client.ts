/** HTTP to servers of others, with connections kept open, a deadline and a bound on what is read. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { checkServerIdentity, rootCertificates } from "node:tls";
import { messageOf, OpsError } from "../kernel/errors.js";
import type { Duration } from "../kernel/time.js";
import { type Guard, judgeHttp } from "./breakers.js";

export interface HttpClientOptions {
  /** Connections at a time. @default 8 */
  readonly connectionsMax?: number;
  /** Further authorities to trust, PEM; read anew for each connection. */
  readonly ca?: () => string;
  /** A name that counts besides the host's: what the house's own certificates carry wherever they are shown. */
  readonly orNamed?: string;
  /** Leaves a server alone that does not answer. @default every call is made */
  readonly guard?: Guard;
}

export interface HttpCall {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly timeoutMs: Duration;
  readonly signal?: AbortSignal | undefined;
  /** Most bytes of an answer. @default 64 MiB */
  readonly bytesMax?: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

const BYTES_MAX_DEFAULT = 64 * 1024 * 1024;

export class HttpClient {
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;
  readonly #guard: Guard | undefined;

  constructor({ connectionsMax = 8, ca, orNamed, guard }: HttpClientOptions = {}) {
    this.#guard = guard;
    const pool = { keepAlive: true, maxSockets: connectionsMax, scheduling: "lifo" } as const;
    this.#http = new HttpAgent(pool);
    this.#https = new HttpsAgent({
      ...pool,
      ...(ca === undefined ? {} : { ca: [ca(), ...rootCertificates] }),
      checkServerIdentity: (host, certificate) => {
        const fault = checkServerIdentity(host, certificate);
        if (fault === undefined || orNamed === undefined) return fault;
        return checkServerIdentity(orNamed, certificate) === undefined ? undefined : fault;
      },
    });
  }

  /**
   * Any answer, whatever its status. Throws OpsError: UNAVAILABLE when the server cannot be reached, DEADLINE_EXCEEDED,
   * CANCELLED, RESOURCE_EXHAUSTED when the answer is too long. The URL's path and query are not in the message.
   */
  call(call: HttpCall): Promise<HttpAnswer> {
    const { origin } = call.url;
    return this.#guard === undefined
      ? this.#send(call)
      : this.#guard(origin, () => this.#send(call), judgeHttp);
  }

  async #send(call: HttpCall): Promise<HttpAnswer> {
    const { url, method, headers = {}, body, timeoutMs, signal } = call;
    const deadline = AbortSignal.timeout(timeoutMs);
    const stop = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
    const place = `${url.protocol}//${url.host}`;
    try {
      return await new Promise<HttpAnswer>((resolve, reject) => {
        const isTls = url.protocol === "https:";
        const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
        const options = { method, headers: { ...headers, ...length }, signal: stop };
        const heard = (response: IncomingMessage): void => {
          readBody(response, call.bytesMax ?? BYTES_MAX_DEFAULT).then(
            (read) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: read }),
            reject,
          );
        };
        const request = isTls
          ? httpsRequest(url, { ...options, agent: this.#https }, heard)
          : httpRequest(url, { ...options, agent: this.#http }, heard);
        request.on("error", reject);
        request.end(body);
      });
    } catch (error) {
      if (error instanceof OpsError) throw error;
      if (signal?.aborted) throw new OpsError("CANCELLED", "the caller went away");
      if (deadline.aborted)
        throw new OpsError("DEADLINE_EXCEEDED", `${place} did not answer within ${timeoutMs} ms`);
      throw new OpsError("UNAVAILABLE", `${place}: ${messageOf(error)}`, {}, { cause: error });
    }
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

async function readBody(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > bytesMax) {
      response.destroy();
      throw new OpsError("RESOURCE_EXHAUSTED", `the answer is longer than ${bytesMax} bytes`, { bytesMax });
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces, bytes);
}
