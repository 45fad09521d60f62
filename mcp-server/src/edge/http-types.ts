/** As much of Fastify's request and reply as the doors need. */
import type { IncomingMessage, ServerResponse } from "node:http";

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly raw: IncomingMessage;
}

export interface HttpReply {
  readonly raw: ServerResponse;
  code(status: number): HttpReply;
  header(name: string, value: string): HttpReply;
  send(body: string): unknown;
  /** From here on the raw response is ours. */
  hijack(): unknown;
}

/** The path without its query. */
export function pathOf(request: HttpRequest): string {
  const end = request.url.indexOf("?");
  return end < 0 ? request.url : request.url.slice(0, end);
}

export function sendJson(reply: HttpReply, status: number, body: unknown): void {
  reply
    .code(status)
    .header("content-type", "application/json; charset=utf-8")
    .header("cache-control", "no-store")
    .send(JSON.stringify(body));
}

/** A JSON-RPC error; unless told which, it answers no particular request. */
export function sendRpcError(
  reply: HttpReply,
  status: number,
  code: number,
  message: string,
  { id = null, data }: { readonly id?: string | number | null; readonly data?: object } = {},
): void {
  const error = { code, message, ...(data === undefined ? {} : { data }) };
  sendJson(reply, status, { jsonrpc: "2.0", error, id });
}

/** The same on a response that was taken from the framework. A client may come back after a second. */
export function sendRawRpcError(response: ServerResponse, status: number, message: string): void {
  const body = JSON.stringify({ jsonrpc: "2.0", error: { code: -32_000, message }, id: null });
  const headers = { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" };
  response.writeHead(status, { ...headers, ...(status === 503 ? { "retry-after": "1" } : {}) }).end(body);
}
