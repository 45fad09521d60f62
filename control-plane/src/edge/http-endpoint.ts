/**
 * One path of a foreign HTTP API: what it is called, who may call it, and what it answers. The Prometheus and the
 * Alertmanager doors are lists of these.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { Caller } from "../kernel/caller.js";
import { OpsError } from "../kernel/errors.js";
import type { HttpDoor } from "./http-door.js";
import { type HttpReply, type HttpRequest, pathOf, signalOf } from "./http-types.js";

export type Verb = "GET" | "POST" | "DELETE";

/** Query and form fields together, as parsers give them. */
export type Fields = Readonly<Record<string, unknown>>;

/** A request, as an endpoint sees it. */
export interface Asked {
  readonly verb: Verb;
  readonly fields: Fields;
  /** The part of the path that stood where the endpoint has `*`, percent-decoded. */
  readonly segment: string;
  /** As the adapter parsed it: an object, a text, or bytes. */
  readonly body: unknown;
  readonly headers: IncomingHttpHeaders;
  readonly caller: Caller;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

/** What is sent back. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export interface Endpoint {
  /** Below the base of its API, without a leading slash; `*` stands for one segment. */
  readonly path: string;
  readonly verbs: readonly Verb[];
  /** The row of the permit table, for each verb or for all. */
  readonly needs: string | Readonly<Partial<Record<Verb, string>>>;
  readonly answer: (asked: Asked) => Promise<HttpAnswer>;
}

export function json(body: unknown, status = 200): HttpAnswer {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8" },
    body: JSON.stringify(body),
  };
}

export function plain(status: number, body: string): HttpAnswer {
  return { status, headers: { "content-type": "text/plain; charset=utf-8" }, body };
}

/** The endpoint at a path, and what stood for its `*`. */
export function findEndpoint(
  endpoints: readonly Endpoint[],
  path: string,
): { readonly endpoint: Endpoint; readonly segment: string } | undefined {
  for (const endpoint of endpoints) {
    if (endpoint.path === path) return { endpoint, segment: "" };
    const [before, after] = endpoint.path.split("*");
    if (before === undefined || after === undefined) continue;
    if (path.length <= before.length + after.length) continue;
    if (!path.startsWith(before) || !path.endsWith(after)) continue;
    const segment = path.slice(before.length, path.length - after.length);
    if (!segment.includes("/")) return { endpoint, segment: decoded(segment) };
  }
  return undefined;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new OpsError(
      "INVALID_ARGUMENT",
      `the path's "${segment.slice(0, 100)}" is not percent-encoded text`,
    );
  }
}

/** How one API is served. */
export interface EndpointTable {
  /** What stands before an endpoint's path, prefix of the whole included. */
  readonly base: RegExp;
  /** As metrics name it: `/api/v1/`. */
  readonly countedAs: string;
  readonly endpoints: readonly Endpoint[];
  /** The answer where no endpoint is. Throws its own error. */
  readonly nothingHere: () => never;
  readonly wrongVerb: (method: string, allowed: string) => HttpAnswer;
}

/** Finds the endpoint, checks who asks, and sends what it answers. Throws for the filter to translate. */
export async function serveEndpoint(
  door: HttpDoor,
  table: EndpointTable,
  request: HttpRequest,
  reply: HttpReply,
): Promise<void> {
  const found = findEndpoint(table.endpoints, pathOf(request).replace(table.base, ""));
  if (found === undefined) return table.nothingHere();
  const { endpoint, segment } = found;
  door.countAs(request, `${table.countedAs}${endpoint.path}`);
  // HEAD is GET without the body, which the adapter leaves out.
  const method = request.method === "HEAD" ? "GET" : request.method;
  const verb = endpoint.verbs.find((offered) => offered === method);
  if (verb === undefined) {
    const allowed = endpoint.verbs.join(", ");
    door.callerOf(request);
    return send(reply.header("allow", allowed), table.wrongVerb(request.method, allowed));
  }
  const needs = typeof endpoint.needs === "string" ? endpoint.needs : endpoint.needs[verb];
  const caller = door.admit(request, needs ?? `${endpoint.path} ${verb}`);
  const { body, headers } = request;
  const fields: Fields = { ...fieldsOf(request.query), ...fieldsOf(body) };
  send(
    reply,
    await endpoint.answer({ verb, fields, segment, body, headers, caller, signal: signalOf(reply) }),
  );
}

function send(reply: HttpReply, answer: HttpAnswer): void {
  for (const [name, value] of Object.entries(answer.headers)) reply.header(name, value);
  reply.code(answer.status).send(answer.body);
}

function fieldsOf(source: unknown): Fields {
  const isRecord = typeof source === "object" && source !== null && !ArrayBuffer.isView(source);
  return isRecord && !Array.isArray(source) ? { ...source } : {};
}

/**
 * A browser that knows a token (as Basic credentials) sends it along with requests that any page makes it send; browsers
 * say where a request comes from. Throws PERMISSION_DENIED for what changes something at another site's wish.
 */
export function refuseForeignPage(headers: IncomingHttpHeaders): void {
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") {
    throw new OpsError(
      "PERMISSION_DENIED",
      `a page of another site (${String(site).slice(0, 40)}) may not do this`,
    );
  }
}
