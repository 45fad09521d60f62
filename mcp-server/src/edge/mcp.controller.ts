/** Streamable HTTP at /mcp: the body is read within its bound, the rest is the SDK's. */

import type { AuthInfo } from "@modelcontextprotocol/server";
import { isJsonContentType } from "@modelcontextprotocol/server";
import { All, Controller, Inject, Req, Res } from "@nestjs/common";
import { CallScope } from "../call-scope.js";
import type { HttpLegs } from "../protocol/http-legs.js";
import { HTTP_DOOR, MCP_ENDPOINT } from "../tokens.js";
import { narrowed, type Offer } from "../tools/offer.js";
import { parseTraceparent } from "../trace.js";
import type { HttpDoor, Passage } from "./http-door.js";
import { type HttpReply, type HttpRequest, sendRawRpcError, sendRpcError } from "./http-types.js";
import { readJsonBody } from "./read-body.js";

export interface McpEndpoint {
  readonly legs: HttpLegs;
  readonly bodyBytesMax: number;
  /** The most that anybody is offered. */
  readonly offer: Offer;
  /** For the count: other names are counted as one. */
  readonly toolNames: ReadonlySet<string>;
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
    const parent = parseTraceparent(headers["traceparent"]);
    const offer = narrowed(this.#endpoint.offer, (name) => oneOf(headers[name]));
    passage.scope = new CallScope(principal, token, parent, offer);
    const auth: AuthInfo = {
      token,
      clientId: principal.name,
      scopes: [...principal.roles],
      extra: { scope: passage.scope },
    };
    reply.hijack();
    const refusal = await this.#endpoint.legs.serve({ request: raw, response: reply.raw, auth, body });
    if (refusal !== undefined) sendRawRpcError(reply.raw, refusal.status, refusal.message);
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
    if (typeof message !== "object" || message === null || !("method" in message)) return;
    const { method } = message;
    if (typeof method !== "string") return;
    passage.method = METHODS.has(method) ? method : "other";
    if (method !== "tools/call" || !("params" in message)) return;
    const { params } = message;
    const name = typeof params === "object" && params !== null && "name" in params ? params.name : undefined;
    passage.endpoint = typeof name === "string" && this.#endpoint.toolNames.has(name) ? name : "unknown";
  }
}

/** A header that was sent several times says all of it. */
function oneOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(",") : header;
}
