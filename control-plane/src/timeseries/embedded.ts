/**
 * The embedded engine: a hot window on a thread of its own, chunks in PostgreSQL, and this facade between them and the
 * rest of the control plane. When the thread dies it is started again with what PostgreSQL has; the sessions are told,
 * so that the agents send the rest again.
 */
import { OpsError } from "../kernel/errors.js";
import type { NodeId } from "../kernel/ids.js";
import type { Labels } from "../kernel/labels.js";
import { type Duration, HOUR, type Instant, MINUTE, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import type { Loop } from "../platform/loop.js";
import type { Database, Queryable } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import { markStaleAt } from "../promql/series-source.js";
import type { MatrixValue, Value } from "../promql/value.js";
import { ChunkStore } from "./chunks.store.js";
import { ClientSession } from "./client-session.js";
import { DEFAULT_SERIES_LIMITS, DEFAULT_TIME_LIMITS, type SeriesLimits } from "./domain/accept-samples.js";
import type { HotWindowOptions } from "./domain/hot-window.js";
import type {
  DurableListener,
  Evaluation,
  Figures,
  KeyedExpression,
  Listed,
  OpenedSession,
  OwnSample,
  QueryOptions,
  ReplayKept,
  SeriesFilter,
  SeriesWriter,
  SessionNode,
  TimeSeriesDoor,
  TimeSeriesHealth,
} from "./door.js";
import { ChunkWriter } from "./flush.loop.js";
import { KeptRequests } from "./kept-requests.js";
import { QueryRunner } from "./query.js";
import { readChunkPages } from "./read-chunks.js";
import { createRetentionLoop, RETENTION_DEFAULT } from "./retention.loop.js";
import { StoreSeriesWriter } from "./series-writer.js";
import { IN_FLIGHT_BYTES_MAX, StoreClient } from "./store-client.js";
import { createLocalStore, type OpenStorePort, threadStore } from "./store-port.js";
import { type CollectedChunk, type StoreCalls, WRITTEN } from "./store-protocol.js";

/** What an agent's delay in coming back may add to the hot window. */
const GRACE: Duration = 5 * MINUTE;
const RESTART_AFTER_MIN: Duration = SECOND;
const RESTART_AFTER_MAX: Duration = 30 * SECOND;
/** How long the last writing may take when the engine is stopped. */
const LAST_WRITE: Duration = 5 * SECOND;
const LISTED_DEFAULT = 10_000;
const REREAD_LOOK: Duration = 50;

/** What the engine is made of. */
export interface TimeSeriesDeps {
  /** Where chunks are kept; without it nothing outlives the process and nothing is ever durable (tests). */
  readonly database: Database | undefined;
  readonly system: System;
  readonly logger: Logger;
  /** How far back the memory reaches. @default 1 h */
  readonly hotWindow?: Duration;
  /** How long chunks are kept. @default 15 d */
  readonly retention?: Duration;
  /** How long samples wait to become a chunk. @default 2 min */
  readonly chunkAfter?: Duration;
  readonly seriesLimits?: Partial<SeriesLimits>;
  /** Whether this replica may write samples, asked in the writing transaction. @default it may */
  readonly mayWrite?: (tx: Queryable) => Promise<boolean>;
  /** `thread` evaluates on a worker thread; `in-process` is for tests. @default thread */
  readonly place?: "thread" | "in-process";
  /** Where is kept what others wrote until it is durable. @default nowhere: a kill loses what is not in PostgreSQL yet */
  readonly logDirectory?: string;
  /** The compiled worker. @default worker.js beside this file */
  readonly workerUrl?: URL;
}

type State =
  | { readonly kind: "stopped" }
  | { readonly kind: "starting" }
  | { readonly kind: "running"; readonly client: StoreClient }
  | { readonly kind: "restarting"; readonly because: string };

export class TimeSeries implements TimeSeriesDoor {
  readonly #deps: TimeSeriesDeps;
  readonly #hotAge: Duration;
  readonly #open: OpenStorePort;
  readonly #chunks: ChunkStore | undefined;
  readonly #writer: ChunkWriter | undefined;
  readonly #queries: QueryRunner;
  readonly #loops: Loop[] = [];
  readonly #sessions = new Map<number, ClientSession>();
  readonly #heardDurable = new Set<DurableListener>();
  /** How far each node's outbox is durable, for when PostgreSQL cannot be asked. */
  readonly #positions = new Map<string, { readonly outboxId: string; readonly through: number }>();
  readonly #stopping = new AbortController();
  readonly #kept: KeptRequests | undefined;
  #replay: ReplayKept | undefined;
  #state: State = { kind: "stopped" };
  #lastSession = 0;
  #restarts = 0;

  constructor(deps: TimeSeriesDeps) {
    this.#deps = deps;
    const hotWindow = deps.hotWindow ?? HOUR;
    this.#hotAge = hotWindow + GRACE;
    const options: HotWindowOptions = {
      seriesLimits: { ...DEFAULT_SERIES_LIMITS, ...deps.seriesLimits },
      timeLimits: { ...DEFAULT_TIME_LIMITS, ageMax: this.#hotAge },
    };
    this.#open =
      deps.place === "in-process"
        ? createLocalStore({ ...options, clock: deps.system.clock })
        : threadStore(deps.workerUrl ?? new URL("./worker.js", import.meta.url), options);
    const { clock } = deps.system;
    if (deps.database !== undefined) {
      this.#chunks = new ChunkStore(deps.database, deps.mayWrite);
      this.#writer = new ChunkWriter({
        clock,
        logger: deps.logger,
        chunks: this.#chunks,
        client: () => (this.#state.kind === "running" ? this.#state.client : undefined),
        onDurable: (item) => this.#durable(item),
        ...(deps.chunkAfter === undefined ? {} : { chunkAfter: deps.chunkAfter }),
      });
      const retention = deps.retention ?? RETENTION_DEFAULT;
      this.#loops.push(
        this.#writer.loop,
        createRetentionLoop({ clock, logger: deps.logger, chunks: this.#chunks, retention }),
      );
    }
    if (deps.logDirectory !== undefined) {
      this.#kept = new KeptRequests({ directory: deps.logDirectory, clock, logger: deps.logger });
    }
    this.#queries = new QueryRunner({
      clock,
      chunks: this.#chunks,
      hotAge: this.#hotAge,
      client: () => this.#client(),
    });
  }

  /** The loops that write and drop chunks, for health. */
  get loops(): readonly Loop[] {
    return this.#loops;
  }

  /** Reads the hot window back and begins to work. Throws what PostgreSQL throws. */
  async start(): Promise<void> {
    this.#state = { kind: "starting" };
    try {
      this.#state = { kind: "running", client: await this.#boot() };
    } catch (error) {
      this.#state = { kind: "stopped" };
      throw error;
    }
    for (const loop of this.#loops) loop.start();
  }

  /** Writes what is not yet durable, within 5 s, and ends the thread. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#loops.map((loop) => loop.stop()));
    const state = this.#state;
    if (state.kind === "running") {
      await this.#writeLast();
      this.#state = { kind: "stopped" };
      for (const session of this.#sessions.values()) session.lose("the control plane stops");
      this.#sessions.clear();
      await state.client.close();
    }
    await this.#kept?.close();
    this.#state = { kind: "stopped" };
  }

  /**
   * Forgets what is in memory and reads back what PostgreSQL has: another replica took the samples meanwhile. Sessions
   * are told that they are lost. Resolves when it is read, at once when the engine is stopped.
   */
  async reread(because: string): Promise<void> {
    // A start under way may have read before the other's last writing.
    while (this.#state.kind === "starting" || this.#state.kind === "restarting")
      await this.#deps.system.clock.sleep(REREAD_LOOK);
    if (this.#state.kind !== "running") return;
    const { client } = this.#state;
    this.#state = { kind: "restarting", because };
    this.#loseSessions(because);
    // What is being written now goes through the old line.
    await this.#writer?.idle();
    await client.close();
    await this.#restart();
  }

  async openSession(node: SessionNode): Promise<OpenedSession> {
    const durable = await this.#durableOf(node);
    const client = this.#client();
    const id = ++this.#lastSession;
    const session = new ClientSession(client, id, () => this.#sessions.delete(id));
    this.#sessions.set(id, session);
    try {
      const { resumeAfter } = await client.call("open-session", {
        session: id,
        node: node.id,
        name: node.name,
        outboxId: node.outboxId,
        durable,
      });
      return { session, resumeAfter: BigInt(resumeAfter) };
    } catch (error) {
      this.#sessions.delete(id);
      throw error;
    }
  }

  onDurable(heard: DurableListener): () => void {
    this.#heardDurable.add(heard);
    return () => this.#heardDurable.delete(heard);
  }

  query(expr: string, at: Instant, options?: QueryOptions): Promise<Value> {
    return this.#queries.query(expr, at, options);
  }

  queryRange(
    expr: string,
    from: Instant,
    to: Instant,
    stepMs: number,
    options?: QueryOptions,
  ): Promise<MatrixValue> {
    return this.#queries.queryRange(expr, from, to, stepMs, options);
  }

  evaluateMany(
    expressions: readonly KeyedExpression[],
    at: Instant,
    options?: QueryOptions,
  ): Promise<ReadonlyMap<string, Evaluation>> {
    return this.#queries.evaluateMany(expressions, at, options);
  }

  async labelNames(filter: SeriesFilter): Promise<Listed<string>> {
    const { texts, truncated } = await this.#list("label-names", "", "", filter);
    return { items: texts, truncated };
  }

  async labelValues(label: string, filter: SeriesFilter, prefix = ""): Promise<Listed<string>> {
    const { texts, truncated } = await this.#list("label-values", label, prefix, filter);
    return { items: texts, truncated };
  }

  async series(filter: SeriesFilter): Promise<Listed<Labels>> {
    const { series, truncated } = await this.#list("series", "", "", filter);
    return { items: series, truncated };
  }

  async append(samples: readonly OwnSample[]): Promise<void> {
    if (samples.length === 0) return;
    const values = new Float64Array(samples.length);
    for (const [index, { value }] of samples.entries()) {
      if (value === "stale") markStaleAt(values, index);
      else values[index] = value;
    }
    await this.#client().call("append", {
      names: samples.map(({ labels }) => Object.entries(labels).flat()),
      timestamps: Float64Array.from(samples, ({ timestampMs }) => timestampMs),
      values,
    });
  }

  openWriter(replay: ReplayKept): SeriesWriter {
    this.#replay = replay;
    return new StoreSeriesWriter(
      this.#deps.system,
      () => this.#client(),
      () => this.#kept?.open(),
    );
  }

  /** Takes in again what others wrote and PostgreSQL does not have; until then nobody writes. Resolves when it is done. */
  async replayKept(): Promise<void> {
    const replay = this.#replay;
    if (replay !== undefined) await this.#kept?.replay(replay, this.#stopping.signal);
  }

  async figures(): Promise<Figures> {
    const client = this.#client();
    const { chunksDamaged: _, ...store } = await client.call("figures", undefined);
    return {
      ...store,
      evaluator: { kind: "embedded" },
      inFlightBytes: client.inFlightBytes,
      inFlightBytesMax: IN_FLIGHT_BYTES_MAX,
      chunksWritten: this.#writer?.chunksWritten ?? 0,
      chunkBytesWritten: this.#writer?.bytesWritten ?? 0,
      chunkWriteFailures: this.#writer?.failures ?? 0,
      restarts: this.#restarts,
      queries: this.#queries.queries,
      queriesFailed: this.#queries.failed,
    };
  }

  /** Drops the series of a node that left the fleet; chunks stay until their time is over. */
  forget(node: NodeId): void {
    this.#positions.delete(node);
    if (this.#state.kind === "running") this.#state.client.notify({ kind: "forget", node });
  }

  health(): TimeSeriesHealth {
    switch (this.#state.kind) {
      case "stopped":
        return { kind: "down", because: "the time series engine is stopped" };
      case "starting":
        return { kind: "down", because: "the hot window is being read back" };
      case "restarting":
        return { kind: "down", because: `the time series engine is being restarted: ${this.#state.because}` };
      case "running": {
        const failure = this.#writer?.loop.status.lastError;
        if (failure === undefined) return { kind: "ok" };
        return {
          kind: "degraded",
          because: `samples are kept in memory only and not acknowledged: ${failure}`,
        };
      }
    }
  }

  async #writeLast(): Promise<void> {
    const { clock } = this.#deps.system;
    const enough = new AbortController();
    // An unreachable PostgreSQL must not keep the process from ending; what is not written the agents send again.
    const late = clock.sleep(LAST_WRITE, enough.signal).then(() => {
      if (!enough.signal.aborted) throw new OpsError("DEADLINE_EXCEEDED", `not within ${LAST_WRITE} ms`);
    });
    try {
      await Promise.race([this.#writer?.write(0, AbortSignal.timeout(LAST_WRITE)), late]);
    } catch (error) {
      this.#deps.logger.warn("the last samples were not written; the agents hold them", {}, error);
    } finally {
      enough.abort();
      await late.catch(() => {});
    }
  }

  #client(): StoreClient {
    if (this.#state.kind === "running") return this.#state.client;
    const health = this.health();
    throw new OpsError(
      "UNAVAILABLE",
      health.kind === "ok" ? "the time series engine is not there" : health.because,
    );
  }

  #list(
    what: StoreCalls["list"]["request"]["what"],
    label: string,
    prefix: string,
    filter: SeriesFilter,
  ): Promise<StoreCalls["list"]["answer"]> {
    return this.#client().call("list", {
      what,
      label,
      prefix,
      selectors: filter.selectors,
      from: filter.from,
      to: filter.to,
      limit: filter.limit ?? LISTED_DEFAULT,
    });
  }

  /** What PostgreSQL has of the outbox. Asked each time, for another replica may have had the node meanwhile. */
  async #durableOf(node: SessionNode): Promise<number> {
    const known = this.#positions.get(node.id);
    const remembered = known?.outboxId === node.outboxId ? known.through : undefined;
    if (this.#chunks === undefined) return remembered ?? 0;
    try {
      const stored = await this.#chunks.position(node.id);
      return stored?.outboxId === node.outboxId ? stored.throughSequence : 0;
    } catch (error) {
      if (remembered !== undefined) return remembered;
      throw error;
    }
  }

  #durable(item: CollectedChunk): void {
    if (item.outboxId === "") return;
    if (item.node === WRITTEN) {
      this.#kept?.durable(item.throughSequence);
      return;
    }
    this.#positions.set(item.node, { outboxId: item.outboxId, through: item.throughSequence });
    for (const heard of this.#heardDurable)
      heard(item.node as NodeId, item.outboxId, BigInt(item.throughSequence));
  }

  /** A new thread with what PostgreSQL has of the hot window. */
  async #boot(): Promise<StoreClient> {
    const { logger } = this.#deps;
    const { clock } = this.#deps.system;
    // What is being written now would be missed by the reading.
    await this.#writer?.idle();
    const client = new StoreClient(this.#open, (because) => this.#lose(client, because));
    if (this.#chunks === undefined) return client;
    const started = clock.monotonic();
    const now = clock.now();
    let chunks = 0;
    try {
      const range = { from: now - this.#hotAge, to: now + HOUR, spanMax: this.#hotAge, nodeNames: undefined };
      for await (const stored of readChunkPages(this.#chunks, range)) {
        chunks += stored.chunks.length;
        const parts = stored.chunks.map((chunk) => chunk.parts.buffer);
        await client.call("load", { stored, last: false }, parts);
      }
      await client.call("load", { stored: { names: [], chunks: [] }, last: true });
      const { chunksDamaged, activeSeries } = await client.call("figures", undefined);
      if (chunksDamaged > 0) logger.warn("some stored chunks could not be read", { chunksDamaged });
      logger.info("the hot window was read back", {
        chunks,
        series: activeSeries,
        tookMs: Math.round(clock.monotonic() - started),
      });
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  #lose(client: StoreClient, because: string): void {
    if (this.#state.kind !== "running" || this.#state.client !== client) return;
    this.#restarts++;
    this.#state = { kind: "restarting", because };
    this.#deps.logger.error("the time series engine died and is started again", { because });
    this.#loseSessions(because);
    void this.#restart();
  }

  #loseSessions(because: string): void {
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const session of sessions) session.lose(because);
  }

  async #restart(): Promise<void> {
    const { logger } = this.#deps;
    const { clock } = this.#deps.system;
    for (
      let wait = RESTART_AFTER_MIN;
      !this.#stopping.signal.aborted;
      wait = Math.min(wait * 2, RESTART_AFTER_MAX)
    ) {
      try {
        const client = await this.#boot();
        if (this.#stopping.signal.aborted) await client.close();
        else this.#state = { kind: "running", client };
        // In the background: whoever waits for the engine may be the one that decides where samples go.
        void this.replayKept().catch((error: unknown) => {
          logger.error("samples that others wrote could not be taken in again", {}, error);
        });
        return;
      } catch (error) {
        logger.warn(
          "the time series engine could not be started again; trying anew",
          { waitMs: wait },
          error,
        );
        await clock.sleep(wait, this.#stopping.signal);
      }
    }
  }
}

/** The engine, not yet started. */
export function createTimeSeries(deps: TimeSeriesDeps): TimeSeries {
  return new TimeSeries(deps);
}
