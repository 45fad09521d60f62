/** A node's stream begins: its generation rises, and when it was not live before, the journal says that it is. */
import { appendEntries } from "../journal/journal.module.js";
import { OpsError } from "../kernel/errors.js";
import type { NodeId } from "../kernel/ids.js";
import type { Instant } from "../kernel/time.js";
import type { Database } from "../platform/postgres/database.js";
import { type OpenedStream, openStream } from "./agents.store.js";
import type { AgentDescription } from "./domain/agent.js";

export interface StreamEnds {
  readonly nodeId: NodeId;
  readonly nodeName: string;
  /** The replica that holds the stream. */
  readonly replicaId: string;
  /** The address that it comes from. */
  readonly peer: string;
}

/** Throws PERMISSION_DENIED when the node was revoked meanwhile. */
export function openAgentStream(
  database: Database,
  ends: StreamEnds,
  description: AgentDescription,
  now: Instant,
): Promise<OpenedStream> {
  return database.transaction(async (tx) => {
    const opened = await openStream(tx, ends.nodeId, description, ends.replicaId, now);
    if (opened === undefined) {
      throw new OpsError("PERMISSION_DENIED", `certificate of node "${ends.nodeName}" was revoked`);
    }
    if (opened.before !== "live") {
      const { agentVersion, hostname } = description;
      await appendEntries(tx, [
        {
          at: now,
          kind: "node.live",
          subject: `node:${ends.nodeId}`,
          actor: { kind: "agent", name: ends.nodeName },
          because: `it connected; before, it was ${opened.before}`,
          facts: { name: ends.nodeName, peer: ends.peer, agentVersion, hostname, before: opened.before },
        },
      ]);
    }
    return opened;
  });
}
