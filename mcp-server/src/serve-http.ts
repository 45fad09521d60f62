/** The server over HTTP: built from the ground up, stopped in reverse. */
import type { OAuthSettings } from "./access/access-token.js";
import { Authenticator } from "./access/authenticate.js";
import { Delegations } from "./access/delegations.js";
import { type LimitSettings, Limits } from "./access/limits.js";
import { SwitchWatch } from "./access/switch.js";
import { createApp } from "./app.module.js";
import { CallLedger } from "./audit/ledger.js";
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
import { commandNews } from "./tasks/command-tasks.js";
import type { Telemetry } from "./telemetry.js";
import { catalogue } from "./tools/catalogue.js";
import type { Offer } from "./tools/offer.js";
import type { Tool } from "./tools/tool.js";
import { formatTraceparent, spanBelow } from "./trace.js";

export interface HttpParts {
  readonly config: Omit<Config["http"], "oauth" | "tls">;
  readonly limits: LimitSettings;
  /** Identity providers that are trusted, and this server's own token, by which it speaks for their principals. */
  readonly oauth?: OAuthSettings & { readonly serverToken: string };
  /** @default spans have ids and go nowhere */
  readonly telemetry?: Telemetry;
  readonly offer: Offer;
  /** @default the catalogue */
  readonly tools?: readonly Tool[];
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
  const { config, offer, logger, system, version, oauth } = parts;
  const { clock, hex } = system;
  const delegations = delegationsOf(parts);
  const controlPlane: ControlPlane =
    delegations === undefined ? parts.controlPlane : exchanging(parts.controlPlane, delegations);
  const lag = new LoopLag(clock);
  const watch = new ControlPlaneWatch((withinMs) => controlPlane.reach(withinMs), clock, logger);
  const meter = createMeter(
    clock,
    {
      ready: () => watch.isReady(),
      loopLagMs: () => lag.worst(),
      breaker: () => controlPlane.breaker().state,
      journal: () => ledger,
    },
    parts.processMetrics,
  );
  const whoAmI = (token: string) =>
    controlPlane.speakAs({ token, traceparent: formatTraceparent(spanBelow(hex)) }).access.whoAmI();
  const admitted = {
    hosts: [...config.allowedHosts, ...ownNames(config.host.toLowerCase())],
    origins: config.allowedOrigins,
  };
  // Loaded only where it is wanted: every module stays in memory.
  const accessTokens =
    oauth === undefined
      ? undefined
      : new (await import("./access/access-token.js")).AccessTokens(oauth, clock, fetch);
  const authenticator = new Authenticator(
    whoAmI,
    clock,
    accessTokens === undefined || delegations === undefined
      ? undefined
      : {
          verify: (token) => accessTokens.verify(token),
          enter: (access) => delegations.enter(access),
        },
  );
  const door = new HttpDoor(authenticator, meter, admitted, undefined, oauth);
  const limits = new Limits(parts.limits, clock);
  const killSwitch = new SwitchWatch(clock);
  const ledger = new CallLedger({ controlPlane, system, logger });
  const onError = (error: Error): void =>
    logger.debug("the protocol refused a request", { because: messageOf(error) });
  const feed = new ChangeFeed({ controlPlane, system, logger });
  const servers = new McpServers({
    ...{ controlPlane, tools: parts.tools ?? catalogue, offer, logger, system, version, feed },
    ...{ limits, killSwitch, ledger },
    ...(parts.telemetry === undefined ? {} : { telemetry: parts.telemetry }),
  });
  const legs = new HttpLegs({
    factory: servers.factory(),
    bus: feed,
    onListen: (auth) => feed.watchAs(auth.token),
    newsOf: ({ token }, meta) => {
      const traceparent = formatTraceparent(spanBelow(hex));
      return commandNews(controlPlane.speakAs({ token, traceparent }).commands, meta, hex);
    },
    clock,
    hex,
    bodyBytesMax: config.bodyBytesMax,
    listenersMax: LISTEN_STREAMS_MAX,
    onError,
  });
  const toolNames = new Set((parts.tools ?? catalogue).map((tool) => tool.name));
  const tools = new Map((parts.tools ?? catalogue).map((tool) => [tool.name, tool]));
  const endpoint = {
    ...{ legs, bodyBytesMax: config.bodyBytesMax, offer, toolNames },
    limited: { limits, tools, protectedResource: oauth },
  };
  const report = new HealthReport({ clock, lag, watch, meter, version });

  const webSockets = new WebSocketDoor({
    ...{ authenticator, admitted, meter, clock, logger, ...config.webSocket },
    messageBytesMax: config.bodyBytesMax,
    serve: (transport, caller) => serveConnection({ servers, feed, caller, transport, onError }),
    ...(oauth === undefined ? {} : { protectedResource: oauth }),
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
      await ledger.stop();
      await parts.telemetry?.stop();
    },
  };
}

/** For whom this server speaks, when it trusts identity providers. */
function delegationsOf({ oauth, controlPlane, system }: HttpParts): Delegations | undefined {
  if (oauth === undefined) return undefined;
  const { serverToken } = oauth;
  return new Delegations((access, notAfter) => {
    const traceparent = formatTraceparent(spanBelow(system.hex));
    return controlPlane.delegateAs({ token: serverToken, traceparent }).issue(access, notAfter);
  }, system.clock);
}

/** The control plane, to which principals of identity providers come with credentials of this server's. */
function exchanging(controlPlane: ControlPlane, exchange: Delegations): ControlPlane {
  return { ...controlPlane, speakAs: (speaker) => controlPlane.speakAs({ ...speaker, exchange }) };
}

/** The address listened on, as a Host header writes it; one that stands for all addresses is nobody's name. */
function ownNames(host: string): string[] {
  if (host === "0.0.0.0" || host === "::") return [];
  return [host.includes(":") ? `[${host}]` : host];
}
