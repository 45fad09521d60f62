/**
 * One endpoint, both eras: 2026-07-28 is served request by request, 2025-11-25 in sessions for clients that begin one,
 * and request by request for those that do not. One factory makes the servers of all three.
 */
import { type NodeMcpRequestHandler, toNodeHandler } from "@modelcontextprotocol/node";
import {
  type AuthInfo,
  classifyInboundRequest,
  createMcpHandler,
  type McpHttpHandler,
  type McpServerFactory,
  type ServerEventBus,
} from "@modelcontextprotocol/server";
import type { Clock } from "../system.js";
import { type Exchange, SESSION_LIMITS, type SessionLimits, Sessions } from "./sessions.js";
import { listensForTasks, serveTaskListen, type TaskListenParts, type TaskNews } from "./task-listen.js";

export interface LegsParts {
  readonly factory: McpServerFactory;
  /** Where changes are told to streams of `subscriptions/listen`. */
  readonly bus: ServerEventBus;
  readonly clock: Clock;
  readonly hex: (digits: number) => string;
  readonly bodyBytesMax: number;
  /** Streams of `subscriptions/listen` at once. */
  readonly listenersMax: number;
  readonly sessions?: SessionLimits;
  /** Called before a stream of `subscriptions/listen` is opened; its answer, when the stream has ended. */
  readonly onListen?: (auth: AuthInfo) => Promise<() => void>;
  /** Where a caller's tasks are known, for those who listen for them. Absent: nobody is told of tasks. */
  readonly newsOf?: (auth: AuthInfo, meta: unknown) => TaskNews;
  readonly onError: (error: Error) => void;
}

/** What is still to be answered; undefined when the exchange has been. */
export type Refusal = { readonly status: 404 | 503; readonly message: string };

export class HttpLegs {
  readonly #handler: McpHttpHandler;
  readonly #handle: NodeMcpRequestHandler;
  readonly #sessions: Sessions;
  readonly #parts: LegsParts;
  /** Streams of those who listen for tasks; the SDK counts its own. */
  #taskListeners = 0;

  constructor(parts: LegsParts) {
    const { factory, bus, clock, hex, bodyBytesMax, listenersMax, sessions, onError } = parts;
    this.#parts = parts;
    this.#handler = createMcpHandler(factory, {
      bus,
      maxRequestBodySize: bodyBytesMax,
      maxSubscriptions: listenersMax,
      onerror: onError,
    });
    this.#handle = toNodeHandler(this.#handler, { onerror: onError });
    this.#sessions = new Sessions({ factory, clock, hex, limits: sessions ?? SESSION_LIMITS, onError });
  }

  async serve(exchange: Exchange): Promise<Refusal | undefined> {
    const { request, response, auth, body } = exchange;
    const { method = "GET", url = "/", headers } = request;
    const session = one(headers["mcp-session-id"]);
    const route = classifyInboundRequest({
      httpMethod: method,
      ...given("protocolVersionHeader", one(headers["mcp-protocol-version"])),
      ...given("mcpMethodHeader", one(headers["mcp-method"])),
      ...given("mcpNameHeader", one(headers["mcp-name"])),
      body,
    });
    if (route.kind === "legacy" && (session !== undefined || route.reason === "initialize")) {
      const served = await (session === undefined
        ? this.#sessions.begin(exchange)
        : this.#sessions.resume(session, exchange));
      if (served.kind === "unknown") return { status: 404, message: "no such session: initialize a new one" };
      if (served.kind === "full")
        return { status: 503, message: `${served.because}: end one, or try again later` };
      return undefined;
    }
    const { onListen, newsOf } = this.#parts;
    if (onListen !== undefined && route.kind === "modern" && route.messageKind === "request") {
      const { message } = route;
      if (message.method === "subscriptions/listen") {
        const end = await onListen(auth);
        if (response.destroyed) end();
        else response.once("close", end);
        if (newsOf !== undefined && listensForTasks(message.params)) {
          return this.#listenForTasks(exchange, message, newsOf);
        }
      }
    }
    // The body was read before, so that its bound holds for all legs alike.
    const bodyless = (): AsyncIterator<unknown> => request[Symbol.asyncIterator]();
    await this.#handle({ method, url, headers, auth, [Symbol.asyncIterator]: bodyless }, response, body);
    return undefined;
  }

  async #listenForTasks(
    { response, auth }: Exchange,
    message: TaskListenParts["message"],
    newsOf: NonNullable<LegsParts["newsOf"]>,
  ): Promise<Refusal | undefined> {
    const { bus, clock, listenersMax } = this.#parts;
    if (this.#taskListeners >= listenersMax) {
      return { status: 503, message: `${listenersMax} streams for tasks are open: try again later` };
    }
    this.#taskListeners += 1;
    try {
      const params: Readonly<Record<string, unknown>> = { ...message.params };
      await serveTaskListen({ response, message, bus, clock, news: newsOf(auth, params["_meta"]) });
    } finally {
      this.#taskListeners -= 1;
    }
    return undefined;
  }

  /** Ends the streams of clients that only wait for news. */
  retire(): Promise<void> {
    return this.#sessions.retire();
  }

  async close(): Promise<void> {
    await Promise.all([this.#handler.close(), this.#sessions.close()]);
  }
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

function given<K extends string>(name: K, value: string | undefined): { [P in K]?: string } {
  const members: { [P in K]?: string } = {};
  if (value !== undefined) members[name] = value;
  return members;
}
