/** What replicas tell each other about nodes, by NOTIFY. It may be missed: a poll finds the same a little later. */
import { type NodeId, nodeId } from "../kernel/ids.js";

export const FLEET_CHANNEL = "fleet";

export interface FleetNews {
  readonly nodeId: NodeId;
  /** A newer stream was opened; absent: the node was revoked. */
  readonly generation?: number;
}

/** Undefined for anything else than FleetNews, such as the empty payload of a listener that has just connected. */
export function parseNews(payload: string): FleetNews | undefined {
  try {
    const news: unknown = JSON.parse(payload);
    if (typeof news !== "object" || news === null || !("nodeId" in news) || typeof news.nodeId !== "string") {
      return undefined;
    }
    const generation =
      "generation" in news && typeof news.generation === "number" ? news.generation : undefined;
    return { nodeId: nodeId(news.nodeId), ...(generation === undefined ? {} : { generation }) };
  } catch {
    return undefined;
  }
}
