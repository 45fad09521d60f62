/** One client at the other end of a connection that stays open: both eras, one caller, changes told while it listens. */
import type { Transport } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import type { LocalCaller } from "./calls.js";
import type { McpServers } from "./mcp-server.js";
import { TappedTransport } from "./protocol/tapped.js";
import type { TaskServer } from "./protocol/task-server.js";
import type { ChangeFeed } from "./resources/change-feed.js";

export interface ConnectionParts {
  readonly servers: McpServers;
  readonly feed: ChangeFeed;
  readonly caller: LocalCaller;
  readonly transport: Transport;
  readonly onError: (error: Error) => void;
}

/** Subscriptions of one connection. */
const LISTENERS_MAX = 16;

/** Serves until the transport closes or `close` is called. */
export function serveConnection(parts: ConnectionParts): { close(): Promise<void> } {
  const { servers, feed, caller, transport, onError } = parts;
  const make = servers.factory(caller);
  let server: TaskServer | undefined;
  let letGo: (() => void) | undefined;
  let closed = false;
  /** From the first `subscriptions/listen` on: the SDK sends on what was asked for and drops the rest. */
  const listen = async (): Promise<void> => {
    const release = await feed.watchAs(caller.token);
    const deaf = feed.subscribe((event) => {
      if (event.kind !== "resource_updated") return;
      server?.server.sendResourceUpdated({ uri: event.uri }).catch(() => {});
    });
    letGo = () => {
      deaf();
      release();
    };
    if (closed) letGo();
  };
  let listening: Promise<void> | undefined;
  const tapped = new TappedTransport(transport, (message) => {
    if (!("method" in message) || message.method !== "subscriptions/listen") return undefined;
    listening ??= listen();
    return listening;
  });
  const handle = serveStdio(
    (context) => {
      server = make(context);
      return server;
    },
    { transport: tapped, maxSubscriptions: LISTENERS_MAX, onerror: onError },
  );
  const end = (): void => {
    closed = true;
    letGo?.();
  };
  const forward = tapped.onclose;
  tapped.onclose = () => {
    end();
    forward?.();
  };
  return {
    async close() {
      end();
      await handle.close();
    },
  };
}
