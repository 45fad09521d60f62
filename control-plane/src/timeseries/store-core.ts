/**
 * The side that owns the hot window: hears requests, one at a time, and answers. It runs on a worker thread, or in the
 * same thread for tests.
 */
import { type Duration, type Instant, SECOND } from "../kernel/time.js";
import type { Clock } from "../platform/system.js";
import { HotWindow, type HotWindowOptions } from "./domain/hot-window.js";
import { VERDICTS, type VerdictCounts } from "./domain/refusal.js";
import { readFrameBatch } from "./frame-batch.js";
import { HotChunks } from "./hot-chunks.js";
import { NodeTable } from "./node-table.js";
import { OwnSamples } from "./own-samples.js";
import type { StoreCalls, StoreFigures, StoreRequest, StoreResponse } from "./store-protocol.js";
import { StoreQueries } from "./store-queries.js";
import { toWireError } from "./wire-error.js";
import { WrittenLanes } from "./written-lanes.js";

/** Memory only grows when requests come in, so they are also what makes room. */
const EVICT_EVERY: Duration = 30 * SECOND;

export interface StoreCoreOptions extends HotWindowOptions {
  readonly clock: Clock;
  readonly reply: (response: StoreResponse, transfer: readonly ArrayBuffer[]) => void;
}

export class StoreCore {
  readonly #options: StoreCoreOptions;
  readonly #window: HotWindow;
  readonly #nodes: NodeTable;
  readonly #own: OwnSamples;
  readonly #written: WrittenLanes;
  readonly #queries: StoreQueries;
  readonly #chunks: HotChunks;
  #evictedAt: Instant = 0;

  constructor(options: StoreCoreOptions) {
    this.#options = options;
    this.#window = new HotWindow(options);
    this.#nodes = new NodeTable(this.#window, options);
    this.#own = new OwnSamples(this.#window, this.#nodes, options);
    this.#written = new WrittenLanes(this.#window, this.#nodes, options);
    this.#queries = new StoreQueries(this.#window, options);
    this.#chunks = new HotChunks(this.#window, this.#nodes);
  }

  /** Carries out one request. Never throws: what fails is answered. */
  handle(request: StoreRequest): void {
    const now = this.#options.clock.now();
    if (Math.abs(now - this.#evictedAt) >= EVICT_EVERY) {
      this.#evictedAt = now;
      this.#window.evict(now);
    }
    switch (request.kind) {
      case "frames":
        readFrameBatch(request.buffer, request.length, (session, layoutId, sequence, timestamp, values) => {
          this.#nodes.frame(session, layoutId, sequence, timestamp, values, now);
        });
        this.#options.reply({ kind: "taken", bytes: request.length, buffer: request.buffer }, [
          request.buffer,
        ]);
        return;
      case "announce":
        this.#nodes.announce(request.session, request.series);
        this.#options.reply({ kind: "taken", bytes: request.bytes, buffer: undefined }, []);
        return;
      case "layout":
        this.#nodes.layout(request.session, request.layoutId, request.refs);
        this.#options.reply({ kind: "taken", bytes: request.refs.byteLength, buffer: undefined }, []);
        return;
      case "drop-layout":
        this.#nodes.dropLayout(request.session, request.layoutId);
        return;
      case "close-session":
        this.#nodes.close(request.session);
        return;
      case "written":
        this.#chunks.written(request.collection, request.durable, now);
        return;
      case "forget":
        this.#nodes.forget(request.node);
        return;
      case "open-session":
        this.#answer(request.call, () => this.#nodes.open(request.request));
        return;
      case "query":
        this.#answer(request.call, () => this.#queries.query(request.request));
        return;
      case "query-range":
        this.#answer(request.call, () => this.#queries.queryRange(request.request));
        return;
      case "evaluate-many":
        this.#answer(request.call, () => this.#queries.evaluateMany(request.request));
        return;
      case "list":
        this.#answer(request.call, () => this.#queries.list(request.request));
        return;
      case "append":
        this.#answer(request.call, () => this.#own.append(request.request, now));
        return;
      case "write":
        this.#answer(request.call, () => this.#written.write(request.request, now));
        return;
      case "collect":
        this.#collect(request.call, request.request, now);
        return;
      case "load":
        this.#answer(request.call, () => this.#chunks.load(request.request, now));
        return;
      case "figures":
        this.#answer(request.call, () => this.#figures());
        return;
    }
  }

  /** Chunks are given away rather than copied: they may be megabytes. */
  #collect(call: number, request: StoreCalls["collect"]["request"], now: Instant): void {
    try {
      const answer = this.#chunks.collect(request, now);
      const parts = answer.items.flatMap(({ chunk }) => (chunk === undefined ? [] : [chunk.parts.buffer]));
      this.#options.reply({ kind: "answer", call, answer }, parts);
    } catch (error) {
      this.#options.reply({ kind: "failed", call, error: toWireError(error) }, []);
    }
  }

  #answer(call: number, work: () => StoreCalls[keyof StoreCalls]["answer"]): void {
    try {
      this.#options.reply({ kind: "answer", call, answer: work() }, []);
    } catch (error) {
      this.#options.reply({ kind: "failed", call, error: toWireError(error) }, []);
    }
  }

  #figures(): StoreFigures {
    const { bytes, samplesNotDurable } = this.#window.weigh();
    const counts = this.#window.counts;
    return {
      samples: Object.fromEntries(
        VERDICTS.map((word, code) => [word, counts[code] as number]),
      ) as VerdictCounts,
      framesTaken: this.#nodes.framesTaken,
      framesRepeated: this.#nodes.framesRepeated,
      activeSeries: this.#window.seriesCount,
      nodes: this.#nodes.count,
      sampleBytes: bytes,
      samplesNotDurable,
      chunksDamaged: this.#chunks.damaged,
    };
  }
}
