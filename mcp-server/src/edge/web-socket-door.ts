/**
 * WebSockets at /mcp/ws: let in by the same rules as a request over HTTP, asked at intervals whether they are there and
 * still somebody's, and counted by how they end.
 */
import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { type Authenticator, bearerOf } from "../access/authenticate.js";
import { credentialOf, type Principal } from "../access/principal.js";
import { challenge, type ProtectedResource } from "../access/protected-resource.js";
import { BASE_SCOPE } from "../access/scopes.js";
import type { LocalCaller } from "../calls.js";
import { messageOf } from "../errors.js";
import type { Logger } from "../logger.js";
import type { Meter } from "../metrics.js";
import { CLOSE_CODES, WebSocketTransport } from "../protocol/web-socket-transport.js";
import type { Clock } from "../system.js";
import { type Admitted, judgeHost } from "./judge-host.js";

export const WEB_SOCKET_PATH = "/mcp/ws";

export interface WebSocketParts {
  readonly authenticator: Authenticator;
  readonly admitted: Admitted;
  readonly meter: Pick<Meter, "webSocketOpened" | "webSocketClosed">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly heartbeatMs: number;
  readonly timeoutMs: number;
  /** Bytes of a message. */
  readonly messageBytesMax: number;
  /** Serves one connection until it is closed. */
  readonly serve: (transport: WebSocketTransport, caller: LocalCaller) => { close(): Promise<void> };
  /** What clients are told of identity providers; absent when none is trusted. */
  readonly protectedResource?: ProtectedResource;
}

/** Open at once; the runbook's scale. */
export const WEB_SOCKETS_MAX = 10_000;
/** Pings are spread over the interval, so that ten thousand of them do not hold up a call. */
const SLICES = 16;

interface Connection {
  readonly socket: WebSocket;
  readonly token: string;
  /** Monotonic ms of the last sign of life. */
  heardAt: number;
}

export class WebSocketDoor {
  readonly #parts: WebSocketParts;
  readonly #server: WebSocketServer;
  readonly #slices: ReadonlyArray<Set<Connection>> = Array.from({ length: SLICES }, () => new Set());
  readonly #end = new AbortController();
  #open = 0;
  #beating: Promise<void> | undefined;

  constructor(parts: WebSocketParts) {
    this.#parts = parts;
    this.#server = new WebSocketServer({
      noServer: true,
      maxPayload: parts.messageBytesMax,
      perMessageDeflate: false,
      clientTracking: false,
      handleProtocols: (offered) => (offered.has("mcp") ? "mcp" : false),
    });
  }

  /** A request to change the protocol of its connection. Answers it, whatever it is. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on("error", (error) => this.#debug("a connection failed before it was a WebSocket", error));
    const { host, origin, authorization } = request.headers;
    if (request.url?.split("?")[0] !== WEB_SOCKET_PATH) return refuse(socket, 404, "not found");
    const verdict = judgeHost(host, origin, this.#parts.admitted);
    if (verdict.kind === "refuse") return refuse(socket, 403, verdict.because);
    const token = bearerOf(authorization);
    const { authenticator, protectedResource } = this.#parts;
    if (token === undefined) {
      return refuse(socket, 401, "no good token", challenge(protectedResource, undefined, [BASE_SCOPE]));
    }
    const identity = await authenticator.identify(token);
    if (identity.kind === "unknown") {
      return refuse(
        socket,
        401,
        "no good token",
        challenge(protectedResource, "invalid_token", [BASE_SCOPE]),
      );
    }
    if (identity.kind === "unscoped") {
      const needed = challenge(protectedResource, "insufficient_scope", [BASE_SCOPE]);
      return refuse(socket, 403, `the access token lacks the scope ${BASE_SCOPE}`, needed);
    }
    if (identity.kind === "denied") return refuse(socket, 403, identity.because);
    if (identity.kind === "unavailable") return refuse(socket, 503, "the token cannot be checked now");
    if (this.#open >= WEB_SOCKETS_MAX || this.#end.signal.aborted) {
      return refuse(socket, 503, `${WEB_SOCKETS_MAX} WebSockets are open`);
    }
    this.#server.handleUpgrade(request, socket, head, (upgraded) =>
      this.#begin(upgraded, token, identity.principal),
    );
  }

  async close(): Promise<void> {
    this.#end.abort();
    for (const slice of this.#slices) {
      for (const { socket } of slice) socket.close(CLOSE_CODES.goingAway, "the server ends");
    }
    await this.#beating;
  }

  /** Ends what did not end by itself. */
  cut(): void {
    for (const slice of this.#slices) for (const { socket } of slice) socket.terminate();
  }

  #begin(socket: WebSocket, token: string, principal: Principal): void {
    const { clock, meter, serve } = this.#parts;
    const connection: Connection = { socket, token, heardAt: clock.monotonic() };
    const slice = this.#slices[this.#open % SLICES];
    if (slice === undefined) return;
    slice.add(connection);
    this.#open += 1;
    meter.webSocketOpened();
    const heard = (): void => {
      connection.heardAt = clock.monotonic();
    };
    socket.on("pong", heard);
    socket.on("ping", heard);
    socket.on("message", heard);
    let fault: number | undefined;
    // Told to the protocol by its transport, too; without a listener here an early one would end the process.
    socket.on("error", (error) => {
      fault = faultOf(error);
      this.#debug("a WebSocket failed", error);
    });
    socket.once("close", (ended) => {
      const code = fault ?? ended;
      slice.delete(connection);
      this.#open -= 1;
      meter.webSocketClosed(code);
      serving.close().catch((error: unknown) => this.#debug("a WebSocket's server did not close", error));
    });
    const caller = { token: credentialOf(principal, token), transport: "websocket", principal } as const;
    const serving = serve(new WebSocketTransport(socket), caller);
    this.#beating ??= this.#beat().finally(() => {
      this.#beating = undefined;
    });
  }

  /** While any are open: each is looked at once an interval. */
  async #beat(): Promise<void> {
    const { clock, heartbeatMs } = this.#parts;
    for (let turn = 0; this.#open > 0 && !this.#end.signal.aborted; turn++) {
      await clock.sleep(heartbeatMs / SLICES, this.#end.signal);
      for (const connection of this.#slices[turn % SLICES] ?? []) this.#look(connection);
    }
  }

  #look(connection: Connection): void {
    const { clock, timeoutMs, authenticator } = this.#parts;
    const { socket, token, heardAt } = connection;
    if (clock.monotonic() - heardAt >= timeoutMs) {
      // Nobody is there to take a farewell.
      socket.terminate();
      return;
    }
    if (socket.readyState === socket.OPEN) socket.ping();
    authenticator.identify(token).then(
      (identity) => {
        if (identity.kind !== "known" && identity.kind !== "unavailable")
          socket.close(CLOSE_CODES.policy, "the token is no longer good");
      },
      (error: unknown) => this.#debug("a token could not be checked again", error),
    );
  }

  #debug(sentence: string, error: unknown): void {
    this.#parts.logger.debug(sentence, { because: messageOf(error) });
  }
}

/** The close code that was sent for a message that broke the rules; the library forgets it when the client is gone at once. */
function faultOf(error: Error): number | undefined {
  const name = "code" in error && typeof error.code === "string" ? error.code : "";
  if (!name.startsWith("WS_ERR_")) return undefined;
  if (name === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") return 1009;
  return name === "WS_ERR_INVALID_UTF8" ? 1007 : 1002;
}

function refuse(socket: Duplex, status: number, because: string, needed?: string): void {
  const body = JSON.stringify({ jsonrpc: "2.0", error: { code: -32_000, message: because }, id: null });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "connection: close",
    "content-type: application/json; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    ...(needed === undefined ? [] : [`www-authenticate: ${needed}`]),
    ...(status === 503 ? ["retry-after: 2"] : []),
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}
