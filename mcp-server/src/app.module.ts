/** The HTTP face as Nest sees it: two controllers over parts that were built before, behind one door. */
import "reflect-metadata";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type DynamicModule, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { FastifyAdapter, type NestFastifyApplication } from "@nestjs/platform-fastify";
import type { HttpDoor } from "./edge/http-door.js";
import type { HttpReply, HttpRequest } from "./edge/http-types.js";
import { McpController, type McpEndpoint } from "./edge/mcp.controller.js";
import { WEB_SOCKETS_MAX, type WebSocketDoor } from "./edge/web-socket-door.js";
import { HealthController } from "./health/health.controller.js";
import type { HealthReport } from "./health/health-report.js";
import { HEALTH, HTTP_DOOR, MCP_ENDPOINT } from "./tokens.js";

export interface AppParts {
  readonly door: HttpDoor;
  readonly endpoint: McpEndpoint;
  /** Absent: the app tells nothing of itself. */
  readonly report?: HealthReport;
  /** Absent: no connection changes its protocol. */
  readonly webSockets?: WebSocketDoor;
}

@Module({})
class AppModule {}

function appModule({ door, endpoint, report }: AppParts): DynamicModule {
  return {
    module: AppModule,
    controllers: [McpController, ...(report === undefined ? [] : [HealthController])],
    providers: [
      { provide: HTTP_DOOR, useFactory: () => door },
      { provide: MCP_ENDPOINT, useFactory: () => endpoint },
      { provide: HEALTH, useFactory: () => report },
    ],
  };
}

/** A client that sends its request slower than this is gone. */
const REQUEST_TIMEOUT_MS = 30_000;
const CONNECTIONS_MAX = 1_024;

/** The HTTP server, as much of it as its keeper needs. */
export interface App {
  /** Answers the port it listens on. Throws what kept it from listening (EADDRINUSE and the like). */
  listen(port: number, host: string): Promise<number>;
  /** Takes no more, and resolves when what was under way has ended. */
  close(): Promise<void>;
  /** Ends what is still under way. */
  cut(): void;
}

export async function createApp(
  parts: AppParts,
  tls: { readonly cert: Buffer; readonly key: Buffer } | undefined,
): Promise<App> {
  const adapter = new FastifyAdapter({
    requestTimeout: REQUEST_TIMEOUT_MS,
    ...(tls === undefined ? {} : { https: tls }),
  });
  const app = await NestFactory.create<NestFastifyApplication>(appModule(parts), adapter, {
    logger: false,
    bodyParser: false,
    abortOnError: false,
  });
  const fastify = adapter.getInstance();
  fastify.addHook("onRequest", async (request: HttpRequest, reply: HttpReply) => {
    if (!(await parts.door.enter(request, reply))) return reply;
    return undefined;
  });
  // Bodies are read by the one controller that wants them, within its own bound.
  fastify.removeAllContentTypeParsers();
  const unread = (_request: unknown, _payload: unknown, done: (error: null) => void): void => done(null);
  fastify.addContentTypeParser("*", unread);
  const { webSockets } = parts;
  fastify.server.maxConnections = CONNECTIONS_MAX + (webSockets === undefined ? 0 : WEB_SOCKETS_MAX);
  if (webSockets !== undefined) {
    fastify.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      webSockets.upgrade(request, socket, head).catch(() => socket.destroy());
    });
  }
  return {
    async listen(port, host) {
      await app.listen(port, host);
      const address = fastify.server.address();
      return typeof address === "object" && address !== null ? address.port : port;
    },
    close: () => app.close(),
    cut: () => fastify.server.closeAllConnections(),
  };
}
