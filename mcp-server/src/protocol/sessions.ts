/**
 * The sessions of clients of 2025-11-25 over HTTP: made by `initialize`, ended by DELETE, by their owner's silence or
 * with the server. The later era has none.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { NodeStreamableHTTPServerTransport } from "@modelcontextprotocol/node";
import type { AuthInfo, McpServerFactory } from "@modelcontextprotocol/server";
import type { Clock } from "../system.js";
import { Replay } from "./replay.js";

export interface SessionLimits {
  /** Sessions at once. */
  readonly most: number;
  /** Sessions at once of one principal. */
  readonly mostEach: number;
  /** A session without a request or an open stream for this long is ended. */
  readonly idleMs: number;
}

export const SESSION_LIMITS: SessionLimits = { most: 1_024, mostEach: 64, idleMs: 15 * 60_000 };

export interface SessionParts {
  readonly factory: McpServerFactory;
  readonly clock: Clock;
  readonly hex: (digits: number) => string;
  readonly limits: SessionLimits;
  readonly onError: (error: Error) => void;
}

/** One exchange over HTTP. The body, if there is one, has been read. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly auth: AuthInfo;
  readonly body: unknown;
}

export type Served =
  | { readonly kind: "served" }
  /** No such session, or another principal's: 404, the client begins anew. */
  | { readonly kind: "unknown" }
  /** No room: 503. */
  | { readonly kind: "full"; readonly because: string };

interface Session {
  readonly transport: NodeStreamableHTTPServerTransport;
  readonly owner: string;
  /** Requests and streams that are open. */
  open: number;
  /** Of these, calls: all but the stream on which a client waits for news. */
  calls: number;
  /** Monotonic ms. */
  lastUsed: number;
}

const SERVED: Served = { kind: "served" };
const SWEEP_MS = 10_000;
/** When a client whose stream broke comes back. */
const RETRY_MS = 1_000;

export class Sessions {
  readonly #parts: SessionParts;
  readonly #sessions = new Map<string, Session>();
  #sweeping: AbortController | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Carries out an exchange that names its session. */
  async resume(id: string, exchange: Exchange): Promise<Served> {
    const session = this.#sessions.get(id);
    if (session === undefined || session.owner !== exchange.auth.clientId) return { kind: "unknown" };
    await this.#carry(session, exchange);
    return SERVED;
  }

  /** Carries out an `initialize`. */
  async begin(exchange: Exchange): Promise<Served> {
    const { limits, factory, hex, clock, onError } = this.#parts;
    const owner = exchange.auth.clientId;
    this.#sweep();
    if (this.#sessions.size >= limits.most)
      return { kind: "full", because: `${limits.most} sessions are open` };
    const own = [...this.#sessions.values()].filter((session) => session.owner === owner).length;
    if (own >= limits.mostEach) {
      return { kind: "full", because: `${limits.mostEach} sessions of this principal are open` };
    }
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: () => hex(32),
      eventStore: new Replay(),
      retryInterval: RETRY_MS,
      onsessioninitialized: (id) => {
        this.#sessions.set(id, session);
      },
    });
    const session: Session = { transport, owner, open: 0, calls: 0, lastUsed: clock.monotonic() };
    const server = await factory({ era: "legacy", authInfo: exchange.auth });
    await server.connect(transport);
    transport.onerror = onError;
    const closed = transport.onclose;
    transport.onclose = () => {
      closed?.();
      if (transport.sessionId !== undefined) this.#sessions.delete(transport.sessionId);
    };
    await this.#carry(session, exchange);
    // Refused before it was a session.
    if (transport.sessionId === undefined) await server.close();
    this.#keepSweeping();
    return SERVED;
  }

  /** Ends the sessions in which nothing is under way. */
  async retire(): Promise<void> {
    const idle = [...this.#sessions.values()].filter((session) => session.calls === 0);
    await Promise.allSettled(idle.map(({ transport }) => transport.close()));
  }

  async close(): Promise<void> {
    this.#sweeping?.abort();
    const ending = [...this.#sessions.values()].map(({ transport }) => transport.close());
    this.#sessions.clear();
    await Promise.allSettled(ending);
  }

  async #carry(session: Session, { request, response, auth, body }: Exchange): Promise<void> {
    const { clock } = this.#parts;
    const call = request.method === "POST" ? 1 : 0;
    session.open += 1;
    session.calls += call;
    session.lastUsed = clock.monotonic();
    response.once("close", () => {
      session.open -= 1;
      session.calls -= call;
      session.lastUsed = clock.monotonic();
    });
    await session.transport.handleRequest(Object.assign(request, { auth }), response, body);
  }

  #sweep(): void {
    const { clock, limits, onError } = this.#parts;
    const now = clock.monotonic();
    for (const [id, session] of this.#sessions) {
      if (session.open > 0 || now - session.lastUsed < limits.idleMs) continue;
      this.#sessions.delete(id);
      session.transport.close().catch(onError);
    }
  }

  /** Sweeps while there are sessions. */
  #keepSweeping(): void {
    if (this.#sweeping !== undefined) return;
    const { clock, onError } = this.#parts;
    const end = new AbortController();
    this.#sweeping = end;
    const run = async (): Promise<void> => {
      while (this.#sessions.size > 0 && !end.signal.aborted) {
        await clock.sleep(SWEEP_MS, end.signal);
        this.#sweep();
      }
      this.#sweeping = undefined;
    };
    run().catch(onError);
  }
}
