/** The server over HTTP: built from the ground up, stopped in reverse. */
import { Authenticator } from "./access/authenticate.js";
import { createApp } from "./app.module.js";
import type { Config } from "./config.js";
import type { ControlPlane } from "./control-plane/client.js";
import { HttpDoor } from "./edge/http-door.js";
import { WebSocketDoor } from "./edge/web-socket-door.js";
import { messageOf } from "./errors.js";
import { HealthReport } from "./health/health-report.js";
import { LoopLag } from "./health/loop-lag.js";
import { ControlPlaneWatch } from "./health/readiness.js";
import type { Logger } from "./logger.js";
import { McpServers } from "./mcp-server.js";
import { createMeter } from "./metrics.js";
import { HttpLegs } from "./protocol/http-legs.js";
import { ChangeFeed } from "./resources/change-feed.js";
import { serveConnection } from "./serve-connection.js";
import type { System } from "./system.js";
import { catalogue } from "./tools/catalogue.js";
import type { Offer } from "./tools/offer.js";
import { formatTraceparent, spanBelow } from "./trace.js";

export interface HttpParts {
  readonly config: Config["http"];
  readonly offer: Offer;
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly controlPlane: ControlPlane;
  readonly logger: Logger;
  readonly system: System;
  readonly version: string;
  /** Whether /metrics also tells of the process. */
  readonly processMetrics: boolean;
}

export interface RunningServer {
  readonly port: number;
  /** Doors closed, requests under way let finish within a bound, loops ended. */
  stop(): Promise<void>;
}

const LISTEN_STREAMS_MAX = 64;
const DRAIN_MS = 5_000;

/** Listens, or throws what kept it from listening (EADDRINUSE and the like). */
export async function startHttp(parts: HttpParts): Promise<RunningServer> {
  const { config, offer, controlPlane, logger, system, version } = parts;
  const { clock, hex } = system;
  const lag = new LoopLag(clock);
  const watch = new ControlPlaneWatch((withinMs) => controlPlane.reach(withinMs), clock, logger);
  const meter = createMeter(
    clock,
    { ready: () => watch.isReady(), loopLagMs: () => lag.worst() },
    parts.processMetrics,
  );
  const whoAmI = (token: string) =>
    controlPlane.speakAs({ token, traceparent: formatTraceparent(spanBelow(hex)) }).access.whoAmI();
  const admitted = {
    hosts: [...config.allowedHosts, ...ownNames(config.host.toLowerCase())],
    origins: config.allowedOrigins,
  };
  const authenticator = new Authenticator(whoAmI, clock);
  const door = new HttpDoor(authenticator, meter, admitted);
  const onError = (error: Error): void =>
    logger.debug("the protocol refused a request", { because: messageOf(error) });
  const feed = new ChangeFeed({ controlPlane, system, logger });
  const servers = new McpServers({ controlPlane, tools: catalogue, offer, logger, system, version, feed });
  const legs = new HttpLegs({
    factory: servers.factory(),
    bus: feed,
    onListen: (auth) => feed.watchAs(auth.token),
    clock,
    hex,
    bodyBytesMax: config.bodyBytesMax,
    listenersMax: LISTEN_STREAMS_MAX,
    onError,
  });
  const toolNames = new Set(catalogue.map((tool) => tool.name));
  const endpoint = { legs, bodyBytesMax: config.bodyBytesMax, offer, toolNames };
  const report = new HealthReport({ clock, lag, watch, meter, version });

  const webSockets = new WebSocketDoor({
    ...{ authenticator, admitted, meter, clock, logger, ...config.webSocket },
    messageBytesMax: config.bodyBytesMax,
    serve: (transport, token) => serveConnection({ servers, feed, caller: { token }, transport, onError }),
  });
  const app = await createApp({ door, endpoint, report, webSockets }, parts.tls);
  let port: number;
  try {
    port = await app.listen(config.port, config.host);
  } catch (error) {
    await app.close();
    throw error;
  }
  lag.start();
  watch.start();
  servers.announce();
  return {
    port,
    async stop() {
      await watch.stop();
      lag.stop();
      await webSockets.close();
      await legs.retire();
      const closed = app.close();
      const deadline = new AbortController();
      const late = clock.sleep(DRAIN_MS, deadline.signal).then(async () => {
        if (deadline.signal.aborted) return;
        await legs.close();
        webSockets.cut();
        app.cut();
      });
      await closed;
      deadline.abort();
      await late;
      await legs.close();
      feed.close();
    },
  };
}

/** The address listened on, as a Host header writes it; one that stands for all addresses is nobody's name. */
function ownNames(host: string): string[] {
  if (host === "0.0.0.0" || host === "::") return [];
  return [host.includes(":") ? `[${host}]` : host];
}
