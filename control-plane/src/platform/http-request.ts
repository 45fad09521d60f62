/**
 * One HTTP request to someone outside: bounded in time and in what is read of the answer. Errors never hold the URL's
 * path or query, or a header: they may be secrets.
 */
import { type IncomingMessage, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { OpsError } from "../kernel/errors.js";
import type { Duration } from "../kernel/time.js";

export interface HttpRequest {
  readonly url: string;
  readonly method: "POST" | "PUT" | "PATCH" | "GET";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Certificates in PEM. */
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly serverName?: string;
    readonly insecureSkipVerify: boolean;
  };
  readonly followRedirects: boolean;
  /** For the whole of it, redirects included. */
  readonly timeout: Duration;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** At most 64 KiB of it. */
  readonly body: string;
}

const BODY_MAX = 64 * 1024;
const REDIRECTS_MAX = 5;
/** Statuses after which the same request goes elsewhere; after others it would become a GET without its body. */
const SAME_METHOD = new Set([307, 308]);

/** Throws OpsError UNAVAILABLE when there is no answer, INVALID_ARGUMENT for a URL that is none. */
export async function sendHttp(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(request.timeout)]);
  let next = request;
  for (let redirects = 0; ; redirects++) {
    const answer = await once(next, bounded);
    const { location } = answer.headers;
    const moved = SAME_METHOD.has(answer.status) && typeof location === "string";
    if (!moved || !request.followRedirects || redirects >= REDIRECTS_MAX) return answer;
    const to = new URL(location, next.url);
    const elsewhere = to.origin !== new URL(next.url).origin;
    // Credentials are for the place they were given for.
    const headers = elsewhere
      ? Object.fromEntries(
          Object.entries(next.headers).filter(([name]) => name.toLowerCase() !== "authorization"),
        )
      : next.headers;
    next = { ...next, url: to.toString(), headers };
  }
}

function once(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
  const { tls } = request;
  if (!URL.canParse(request.url) || !/^https?:/.test(request.url))
    throw new OpsError("INVALID_ARGUMENT", "send: the URL is not one of http or https");
  const url = new URL(request.url);
  const options = {
    method: request.method,
    headers: { ...request.headers, "Content-Length": String(Buffer.byteLength(request.body)) },
    signal,
    ...(tls === undefined
      ? {}
      : {
          rejectUnauthorized: !tls.insecureSkipVerify,
          ...(tls.ca === undefined ? {} : { ca: tls.ca }),
          ...(tls.cert === undefined ? {} : { cert: tls.cert }),
          ...(tls.key === undefined ? {} : { key: tls.key }),
          ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
        }),
  };
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(unavailable(url, error, signal));
    const open = url.protocol === "https:" ? tlsRequest : plainRequest;
    const sent = open(url, options, (response) => readBody(response, resolve, fail));
    sent.on("error", fail);
    sent.end(request.body);
  });
}

function readBody(
  response: IncomingMessage,
  resolve: (answer: HttpAnswer) => void,
  fail: (error: Error) => void,
): void {
  const parts: Buffer[] = [];
  let size = 0;
  const done = (): void => {
    const body = Buffer.concat(parts).subarray(0, BODY_MAX).toString("utf8");
    resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
  };
  response.on("data", (part: Buffer) => {
    size += part.length;
    parts.push(part);
    if (size < BODY_MAX) return;
    // Nobody has that much to say about a notice; the status is known already.
    done();
    response.destroy();
  });
  response.on("end", done);
  response.on("error", fail);
}

function unavailable(url: URL, error: Error, signal: AbortSignal): OpsError {
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  const because = signal.aborted ? "no answer in time" : code;
  return new OpsError("UNAVAILABLE", `${url.host}: ${because}`);
}
