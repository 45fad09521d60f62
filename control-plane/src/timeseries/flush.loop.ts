/**
 * Writes what the hot window holds and PostgreSQL does not, and says what is durable.
 */
import { type Duration, MINUTE, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Clock } from "../platform/system.js";
import type { ChunkStore } from "./chunks.store.js";
import type { StoreClient } from "./store-client.js";
import type { CollectedChunk } from "./store-protocol.js";

const INTERVAL: Duration = 5 * SECOND;
/** How long a node's samples wait to become a chunk. Longer chunks are smaller; shorter ones free the agents' outboxes sooner. */
export const CHUNK_AFTER: Duration = 2 * MINUTE;
/** Bytes of one transaction. */
const TRANSACTION_BYTES_MAX = 4 * 1024 * 1024;
/** One run writes at most so many transactions, so that its deadline is met. */
const TRANSACTIONS_MAX = 64;

export interface ChunkWriterDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly chunks: ChunkStore;
  /** Undefined while the engine is not there. */
  readonly client: () => StoreClient | undefined;
  readonly onDurable: (item: CollectedChunk) => void;
  /** @default 2 min */
  readonly chunkAfter?: Duration;
}

export class ChunkWriter {
  readonly loop: Loop;
  chunksWritten = 0;
  bytesWritten = 0;
  failures = 0;
  readonly #deps: ChunkWriterDeps;
  #running: Promise<void> = Promise.resolve();

  constructor(deps: ChunkWriterDeps) {
    this.#deps = deps;
    this.loop = new Loop({
      name: "write-chunks",
      interval: INTERVAL,
      deadline: 2 * MINUTE,
      clock: deps.clock,
      logger: deps.logger,
      run: (_now, signal) => this.write(deps.chunkAfter ?? CHUNK_AFTER, signal),
    });
  }

  /** Resolves when no writing is under way. */
  idle(): Promise<void> {
    return this.#running.catch(() => {});
  }

  /** Writes what has waited for at least `waited`. One at a time; throws what PostgreSQL threw. */
  write(waited: Duration, signal: AbortSignal): Promise<void> {
    this.#running = this.idle().then(() => this.#write(waited, signal));
    return this.#running;
  }

  async #write(waited: Duration, signal: AbortSignal): Promise<void> {
    const client = this.#deps.client();
    if (client === undefined) return;
    for (let count = 0; count < TRANSACTIONS_MAX && !signal.aborted; count++) {
      const { collection, items, more } = await client.call("collect", {
        waitedMs: waited,
        bytesMax: TRANSACTION_BYTES_MAX,
      });
      if (items.length > 0) {
        try {
          this.bytesWritten += await this.#deps.chunks.write(items);
        } catch (error) {
          this.failures++;
          client.notify({ kind: "written", collection, durable: false });
          throw error;
        }
        this.chunksWritten += items.filter((item) => item.chunk !== undefined).length;
      }
      client.notify({ kind: "written", collection, durable: true });
      for (const item of items) this.#deps.onDurable(item);
      if (!more) return;
    }
  }
}
