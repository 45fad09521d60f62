/**
 * Nodes' streams begin: their generation rises, and of those that were not live before the journal says that they are.
 * Streams that begin while others are being stored are stored together: after a restart of the control plane the whole
 * fleet comes back at once, and appends to the journal take turns.
 */
import { appendEntries } from "../journal/journal.module.js";
import { OpsError } from "../kernel/errors.js";
import type { NodeId } from "../kernel/ids.js";
import type { Instant } from "../kernel/time.js";
import type { Database } from "../platform/postgres/database.js";
import type { AgentDescription } from "./domain/agent.js";
import { type OpenedStream, openStreams } from "./streams.store.js";

/** Streams of one transaction. */
const TOGETHER_MAX = 100;

export interface StreamEnds {
  readonly nodeId: NodeId;
  readonly nodeName: string;
  /** The replica that holds the stream. */
  readonly replicaId: string;
  /** The address that it comes from. */
  readonly peer: string;
}

interface Waiting extends StreamEnds {
  readonly description: AgentDescription;
  readonly at: Instant;
  readonly resolve: (opened: OpenedStream) => void;
  readonly reject: (error: unknown) => void;
}

export class StreamOpenings {
  readonly #database: Database;
  #waiting: Waiting[] = [];
  #working = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Resolves when it is stored. Throws PERMISSION_DENIED when the node was revoked meanwhile, and what PostgreSQL throws. */
  open(ends: StreamEnds, description: AgentDescription, now: Instant): Promise<OpenedStream> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...ends, description, at: now, resolve, reject });
      if (!this.#working) {
        this.#working = true;
        void this.#work();
      }
    });
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) await this.#settle(this.#next());
    this.#working = false;
  }

  /** Each node once: a second stream of a node begins after the first. */
  #next(): readonly Waiting[] {
    const together = new Map<NodeId, Waiting>();
    const later: Waiting[] = [];
    for (const stream of this.#waiting) {
      if (together.size < TOGETHER_MAX && !together.has(stream.nodeId)) together.set(stream.nodeId, stream);
      else later.push(stream);
    }
    this.#waiting = later;
    return [...together.values()];
  }

  async #settle(streams: readonly Waiting[]): Promise<void> {
    try {
      const opened = await store(this.#database, streams);
      for (const stream of streams) {
        const own = opened.get(stream.nodeId);
        if (own !== undefined) stream.resolve(own);
        else stream.reject(revokedError(stream.nodeName));
      }
    } catch (error) {
      const away = error instanceof OpsError && error.code === "UNAVAILABLE" && !isDeadlock(error);
      if (streams.length === 1 || away) for (const stream of streams) stream.reject(error);
      // One of them may be at fault, and the others shall not suffer for it.
      else for (const stream of streams) await this.#settle([stream]);
    }
  }
}

function revokedError(nodeName: string): OpsError {
  return new OpsError("PERMISSION_DENIED", `certificate of node "${nodeName}" was revoked`);
}

const isDeadlock = (error: OpsError): boolean => String(error.facts["sqlState"] ?? "").startsWith("40");

function store(database: Database, streams: readonly Waiting[]): Promise<ReadonlyMap<NodeId, OpenedStream>> {
  return database.transaction(async (tx) => {
    const opened = await openStreams(tx, streams);
    const entries = streams.flatMap(({ nodeId: id, nodeName, peer, description, at }) => {
      const before = opened.get(id)?.before;
      if (before === undefined || before === "live") return [];
      const { agentVersion, hostname } = description;
      return {
        at,
        kind: "node.live",
        subject: `node:${id}`,
        actor: { kind: "agent" as const, name: nodeName },
        because: `it connected; before, it was ${before}`,
        facts: { name: nodeName, peer, agentVersion, hostname, before },
      };
    });
    await appendEntries(tx, entries);
    return opened;
  });
}
