/**
 * Subscriptions of clients of 2025-11-25, and of connections that stay open: what the feed tells is sent by the one
 * server that holds the connection.
 */
import { type McpServer, ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import { z } from "zod";
import type { ChangeFeed } from "./change-feed.js";

/** URIs that one session may watch. */
const WATCHED_MAX = 200;

const uriParams = z.looseObject({ uri: z.string().min(1).max(1_024) });

/** Serves `resources/subscribe` and `resources/unsubscribe`; what was held is let go when the server closes. */
export function serveSubscriptions(mcp: McpServer, feed: ChangeFeed, token: string): void {
  const watched = new Set<string>();
  let letGo: Promise<() => void> | undefined;
  const stop = (): void => {
    watched.clear();
    letGo?.then((release) => release()).catch(() => {});
    letGo = undefined;
  };
  const begin = async (): Promise<() => void> => {
    const release = await feed.watchAs(token);
    const deaf = feed.subscribe((event) => {
      if (event.kind !== "resource_updated" || !watched.has(event.uri)) return;
      // A client that is gone is let go when its connection is.
      mcp.server.sendResourceUpdated({ uri: event.uri }).catch(() => {});
    });
    return () => {
      deaf();
      release();
    };
  };
  const closed = mcp.server.onclose;
  mcp.server.onclose = () => {
    stop();
    closed?.();
  };
  mcp.server.setRequestHandler("resources/subscribe", { params: uriParams }, async ({ uri }) => {
    if (watched.size >= WATCHED_MAX && !watched.has(uri)) {
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `${WATCHED_MAX} resources are watched: end a subscription first`,
      );
    }
    watched.add(uri);
    letGo ??= begin();
    await letGo;
    return {};
  });
  mcp.server.setRequestHandler("resources/unsubscribe", { params: uriParams }, ({ uri }) => {
    watched.delete(uri);
    if (watched.size === 0) stop();
    return {};
  });
}
