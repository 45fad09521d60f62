/** The server on stdin and stdout: one client, one token, and nothing but the protocol on stdout. */
import type { Readable, Writable } from "node:stream";
import { type LimitSettings, Limits } from "./access/limits.js";
import { SwitchWatch } from "./access/switch.js";
import { CallLedger } from "./audit/ledger.js";
import type { ControlPlane } from "./control-plane/client.js";
import { messageOf } from "./errors.js";
import type { Logger } from "./logger.js";
import { McpServers } from "./mcp-server.js";
import { PipeTransport } from "./protocol/pipe-transport.js";
import { ChangeFeed } from "./resources/change-feed.js";
import { serveConnection } from "./serve-connection.js";
import type { System } from "./system.js";
import type { Telemetry } from "./telemetry.js";
import { catalogue } from "./tools/catalogue.js";
import type { Offer } from "./tools/offer.js";
import type { Tool } from "./tools/tool.js";

export interface StdioParts {
  readonly controlPlane: ControlPlane;
  readonly offer: Offer;
  /** @default the catalogue */
  readonly tools?: readonly Tool[];
  readonly limits: LimitSettings;
  /** @default spans have ids and go nowhere */
  readonly telemetry?: Telemetry;
  readonly token: string;
  readonly logger: Logger;
  readonly system: System;
  readonly version: string;
  readonly messageBytesMax: number;
  readonly input: Readable;
  readonly output: Writable;
}

/** Serves until the client closes its end; `ended` resolves then. */
export function startStdio(parts: StdioParts): { readonly ended: Promise<void>; stop(): Promise<void> } {
  const { controlPlane, offer, token, logger, system, version, messageBytesMax, input, output } = parts;
  const feed = new ChangeFeed({ controlPlane, system, logger });
  const ledger = new CallLedger({ controlPlane, system, logger });
  const servers = new McpServers({
    ...{ controlPlane, tools: parts.tools ?? catalogue, offer, logger, system, version, feed, ledger },
    limits: new Limits(parts.limits, system.clock),
    killSwitch: new SwitchWatch(system.clock),
    ...(parts.telemetry === undefined ? {} : { telemetry: parts.telemetry }),
  });
  const connection = serveConnection({
    servers,
    feed,
    caller: { token },
    transport: new PipeTransport(input, output, { messageBytesMax }),
    onError: (error) => logger.warn("the protocol refused a message", { because: messageOf(error) }),
  });
  servers.announce();
  const ended = new Promise<void>((resolve) => {
    input.once("end", resolve);
    input.once("close", resolve);
    input.once("error", () => resolve());
  });
  return {
    ended,
    async stop() {
      await connection.close();
      feed.close();
      await ledger.stop();
      await parts.telemetry?.stop();
    },
  };
}
