/** A node by the name a caller gave it, with an answer that helps when there is none. */
import type { Rooms } from "../control-plane/client.js";
import type { NodeWholeView } from "../control-plane/fleet.js";
import { OpsError } from "../errors.js";
import { nearestName } from "./near-name.js";

/** Nodes looked through for a name that is close. */
const CANDIDATES_MAX = 1_000;
const NAMED_MAX = 5;

/** The node by id or name. Throws NOT_FOUND that names the nearest, or a few of those there are. */
export async function knownNode(rooms: Rooms, node: string): Promise<NodeWholeView> {
  try {
    return await rooms.fleet.getNode(node);
  } catch (error) {
    if (!(error instanceof OpsError) || error.code !== "NOT_FOUND") throw error;
    const { rows } = await rooms.fleet.listNodes({ size: CANDIDATES_MAX, token: "" });
    throw new OpsError(
      "NOT_FOUND",
      noSuch(
        "node",
        node,
        rows.map((row) => row.name),
        "nodes_list",
      ),
      { cause: error },
    );
  }
}

/** `no node "db-9"; did you mean "db-1"?` */
export function noSuch(kind: string, name: string, known: readonly string[], lister: string): string {
  const head = `no ${kind} ${JSON.stringify(name)}`;
  const near = nearestName(name, known);
  if (near !== undefined) return `${head}; did you mean ${JSON.stringify(near)}?`;
  if (known.length === 0) return `${head}; there is none`;
  const named = known.slice(0, NAMED_MAX).map((other) => JSON.stringify(other));
  const rest = known.length - named.length;
  return `${head}; there ${known.length === 1 ? "is" : "are"} ${named.join(", ")}${rest > 0 ? ` and ${rest} more (${lister})` : ""}`;
}
