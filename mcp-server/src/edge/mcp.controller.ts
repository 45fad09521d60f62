/** Streamable HTTP at /mcp: the body is read within its bound, the rest is the SDK's. */

import type { AuthInfo } from "@modelcontextprotocol/server";
import { isJsonContentType } from "@modelcontextprotocol/server";
import { All, Controller, Inject, Req, Res } from "@nestjs/common";
import { COSTS, costClassOf, type Limits } from "../access/limits.js";
import { mayEverAsk, type Principal } from "../access/principal.js";
import { challenge, type ProtectedResource } from "../access/protected-resource.js";
import { BASE_SCOPE, SCOPES, scopeOfTool } from "../access/scopes.js";
import { CallScope } from "../call-scope.js";
import type { HttpLegs } from "../protocol/http-legs.js";
import { HTTP_DOOR, MCP_ENDPOINT } from "../tokens.js";
import { narrowed, type Offer } from "../tools/offer.js";
import { parseTraceparent } from "../trace.js";
import type { HttpDoor, Passage } from "./http-door.js";
import { type HttpReply, type HttpRequest, sendRawRpcError, sendRpcError } from "./http-types.js";
import { readJsonBody } from "./read-body.js";

/** What limits callers, besides their rights. */
export interface EndpointLimits {
  readonly limits: Limits;
  /** The catalogue's tools, by name. */
  readonly tools: ReadonlyMap<string, { readonly name: string; readonly effect: "read" | "write" }>;
  /** What clients are told of identity providers; absent when none is trusted. */
  readonly protectedResource: ProtectedResource | undefined;
}

export interface McpEndpoint {
  readonly legs: HttpLegs;
  readonly bodyBytesMax: number;
  /** The most that anybody is offered. */
  readonly offer: Offer;
  /** For the count: other names are counted as one. */
  readonly toolNames: ReadonlySet<string>;
  /** Absent: nobody is limited. */
  readonly limited?: EndpointLimits;
}

/** The protocol's methods that are counted by name. */
const METHODS: ReadonlySet<string> = new Set([
  "initialize",
  "notifications/initialized",
  "notifications/cancelled",
  "ping",
  "server/discover",
  "subscriptions/listen",
  "tools/list",
  "tools/call",
  "prompts/list",
  "prompts/get",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "resources/subscribe",
  "resources/unsubscribe",
  "completion/complete",
  "tasks/get",
  "tasks/update",
  "tasks/cancel",
]);

@Controller("mcp")
export class McpController {
  readonly #door: HttpDoor;
  readonly #endpoint: McpEndpoint;

  constructor(@Inject(HTTP_DOOR) door: HttpDoor, @Inject(MCP_ENDPOINT) endpoint: McpEndpoint) {
    this.#door = door;
    this.#endpoint = endpoint;
  }

  @All()
  async serve(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    const { raw } = request;
    const passage = this.#door.passageOf(request);
    const { caller } = passage;
    if (caller === undefined) throw new Error("a request reached /mcp without a caller");
    let body: unknown;
    if (raw.method === "POST") {
      const read = await this.#read(request, reply, passage);
      if (read === undefined) return;
      body = read.json;
    }
    const { principal, token } = caller;
    const { headers } = raw;
    if (!this.#admits(reply, principal, body)) return;
    const parent = parseTraceparent(headers["traceparent"]);
    const narrow = narrowed(this.#endpoint.offer, (name) => oneOf(headers[name]));
    // Who could not ask for changes with any scope is not offered it.
    const offer = narrow.writes && !mayEverAsk(principal) ? { ...narrow, writes: false } : narrow;
    passage.scope = new CallScope(principal, token, parent, offer);
    const auth: AuthInfo = {
      token,
      clientId: principal.name,
      scopes: [...(principal.grant?.scopes ?? principal.roles)],
      extra: { scope: passage.scope },
    };
    reply.hijack();
    const refusal = await this.#endpoint.legs.serve({ request: raw, response: reply.raw, auth, body });
    if (refusal !== undefined) sendRawRpcError(reply.raw, refusal.status, refusal.message);
  }

  /** Whether scopes, rate and room let the message in; if not, the reply has been sent. */
  #admits(reply: HttpReply, principal: Principal, message: unknown): boolean {
    const { limited } = this.#endpoint;
    if (limited === undefined) return true;
    const { limits, tools, protectedResource } = limited;
    const { id, method, tool: name } = headOf(message);
    const tool = name === undefined ? undefined : tools.get(name);
    const { grant } = principal;
    const needed = tool === undefined ? BASE_SCOPE : scopeOfTool(tool);
    if (grant !== undefined && !grant.scopes.includes(needed)) {
      // What it has stays in the list: a client asks for a token with all of these.
      const scopes = SCOPES.filter((scope) => scope === needed || grant.scopes.includes(scope));
      reply.header("www-authenticate", challenge(protectedResource, "insufficient_scope", scopes));
      sendRpcError(reply, 403, -32_000, `the access token lacks the scope ${needed}`, { id });
      return false;
    }
    const admission = limits.admit(
      principal.name,
      tool === undefined ? COSTS.light : COSTS[costClassOf(tool)],
    );
    if (admission.kind === "refused") {
      const { because, retryAfterMs } = admission;
      reply.header("retry-after", String(Math.ceil(retryAfterMs / 1_000)));
      sendRpcError(reply, 429, -32_000, because, { id, data: { retryAfterMs } });
      return false;
    }
    // A stream that waits for news holds no room; there are bounds of their own for those.
    if (method === undefined || method === "subscriptions/listen") admission.release();
    else reply.raw.once("close", admission.release);
    return true;
  }

  /** The body as JSON; undefined when there is none to go on with, and the reply has been sent. */
  async #read(
    request: HttpRequest,
    reply: HttpReply,
    passage: Passage,
  ): Promise<{ readonly json: unknown } | undefined> {
    const { bodyBytesMax } = this.#endpoint;
    if (!isJsonContentType(request.raw.headers["content-type"] ?? null)) {
      sendRpcError(reply, 415, -32_000, "content-type: expected application/json");
      return undefined;
    }
    const body = await readJsonBody(request.raw, bodyBytesMax);
    switch (body.kind) {
      case "too-large":
        // What is still on its way is not read: the connection goes.
        reply.header("connection", "close");
        sendRpcError(reply, 413, -32_000, `the body is larger than ${bodyBytesMax} bytes`);
        return undefined;
      case "not-json":
        passage.requestBytes = body.bytes;
        sendRpcError(reply, 400, -32_700, "Parse error: the body is not JSON");
        return undefined;
      case "cut":
        sendRpcError(reply, 400, -32_700, "Parse error: the body was cut short");
        return undefined;
      case "body":
        passage.requestBytes = body.bytes;
    }
    if (Array.isArray(body.json)) {
      sendRpcError(reply, 400, -32_600, "Invalid Request: batches are not taken, send one message a request");
      return undefined;
    }
    this.#countAs(passage, body.json);
    return { json: body.json };
  }

  #countAs(passage: Passage, message: unknown): void {
    const { method, tool } = headOf(message);
    if (method === undefined) return;
    passage.method = METHODS.has(method) ? method : "other";
    if (method !== "tools/call") return;
    passage.endpoint = tool !== undefined && this.#endpoint.toolNames.has(tool) ? tool : "unknown";
  }
}

interface Head {
  readonly id: string | number | null;
  readonly method: string | undefined;
  /** Of a call of a tool. */
  readonly tool: string | undefined;
}

/** What a message says it is; nothing of it has been checked yet. */
function headOf(message: unknown): Head {
  const none: Head = { id: null, method: undefined, tool: undefined };
  if (typeof message !== "object" || message === null || !("method" in message)) return none;
  const { method } = message;
  if (typeof method !== "string") return none;
  const given = "id" in message ? message.id : null;
  const id = typeof given === "string" || typeof given === "number" ? given : null;
  if (method !== "tools/call" || !("params" in message)) return { id, method, tool: undefined };
  const { params } = message;
  const name = typeof params === "object" && params !== null && "name" in params ? params.name : undefined;
  return { id, method, tool: typeof name === "string" ? name : undefined };
}

/** A header that was sent several times says all of it. */
function oneOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(",") : header;
}
