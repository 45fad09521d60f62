/** What the doors use of an HTTP request and its reply, as the HTTP adapter has them. */
import type { IncomingHttpHeaders } from "node:http";

export interface HttpRequest {
  readonly method: string;
  /** Path and query, percent-encoded. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly query: unknown;
  readonly body: unknown;
  readonly params: unknown;
}

export interface HttpReply {
  code(status: number): HttpReply;
  header(name: string, value: string): HttpReply;
  send(body: string | Uint8Array): unknown;
  readonly raw: { on(event: "close", heard: () => void): unknown; readonly writableFinished: boolean };
}

/** The path of a request without its query. */
export function pathOf(request: HttpRequest): string {
  const mark = request.url.indexOf("?");
  return mark < 0 ? request.url : request.url.slice(0, mark);
}

/** Aborts when the client goes away before it has its answer. */
export function signalOf(reply: HttpReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.on("close", () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}

export function sendJson(reply: HttpReply, status: number, body: unknown): void {
  reply.code(status).header("content-type", "application/json; charset=utf-8").send(JSON.stringify(body));
}
