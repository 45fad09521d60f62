/**
 * A Prometheus-compatible engine behind the same door: samples are taken and kept here as ever, written on from the
 * chunks, and every expression is evaluated there.
 */
import type { Labels } from "../kernel/labels.js";
import type { Duration, Instant } from "../kernel/time.js";
import type { HttpClient } from "../platform/http-client.js";
import type { Logger } from "../platform/logger.js";
import type { Loop } from "../platform/loop.js";
import type { Database, Queryable } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import type { MatrixValue, Value } from "../promql/value.js";
import { ChunkStore } from "./chunks.store.js";
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
import { PrometheusReader } from "./prometheus-reader.js";
import { type RemoteWriteFigures, RemoteWriter } from "./remote-write.loop.js";

/** Samples wait no longer than this to become a chunk, for nobody sees them before they were written on. */
export const REMOTE_CHUNK_AFTER: Duration = 1;

/** After so many failures in a row what is evaluated is not what the hosts say now. */
const FAILURES_DEGRADED = 3;

export interface RemoteTimeSeriesOptions {
  /** Takes the samples and makes them durable. */
  readonly own: TimeSeriesDoor;
  readonly reader: PrometheusReader;
  /** Where it evaluates, for people: no user, no password, no query. */
  readonly at: string;
  readonly written: () => RemoteWriteFigures;
}

/** What a remote engine is opened with. */
export interface RemoteDeps {
  readonly own: TimeSeriesDoor;
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly http: HttpClient;
  /** Where remote write 1.0 is taken, such as http://host:9090/api/v1/write. */
  readonly writeUrl: URL;
  /** Where the query API is: what stands before `/api/v1/`. */
  readonly queryUrl: URL;
  /** A bearer token; undefined: none is sent. */
  readonly token: (() => Promise<string>) | undefined;
  readonly leads: () => boolean;
  readonly mayWrite: (tx: Queryable) => Promise<boolean>;
}

/** The engine, and the loop that writes to it, not yet started. */
export function openRemote(deps: RemoteDeps): { readonly series: RemoteTimeSeries; readonly loop: Loop } {
  const { own, http, writeUrl, queryUrl, token, database } = deps;
  const headers = async (): Promise<Readonly<Record<string, string>>> =>
    token === undefined ? {} : { authorization: `Bearer ${await token()}` };
  const chunks = new ChunkStore(database);
  const writer = new RemoteWriter({ ...deps, chunks, url: writeUrl, headers });
  const reader = new PrometheusReader({ http, base: () => queryUrl.href, headers });
  const at = `${queryUrl.origin}${queryUrl.pathname.replace(/\/+$/, "")}`;
  const series = new RemoteTimeSeries({ own, reader, at, written: () => writer.figures });
  return { series, loop: writer.loop };
}

export class RemoteTimeSeries implements TimeSeriesDoor {
  readonly #options: RemoteTimeSeriesOptions;

  constructor(options: RemoteTimeSeriesOptions) {
    this.#options = options;
  }

  openSession(node: SessionNode): Promise<OpenedSession> {
    return this.#options.own.openSession(node);
  }

  onDurable(heard: DurableListener): () => void {
    return this.#options.own.onDurable(heard);
  }

  query(expr: string, at: Instant, options?: QueryOptions): Promise<Value> {
    return this.#options.reader.query(expr, at, options);
  }

  queryRange(
    expr: string,
    from: Instant,
    to: Instant,
    stepMs: number,
    options?: QueryOptions,
  ): Promise<MatrixValue> {
    return this.#options.reader.queryRange(expr, from, to, stepMs, options);
  }

  evaluateMany(
    expressions: readonly KeyedExpression[],
    at: Instant,
    options?: QueryOptions,
  ): Promise<ReadonlyMap<string, Evaluation>> {
    return this.#options.reader.evaluateMany(expressions, at, options);
  }

  labelNames(filter: SeriesFilter): Promise<Listed<string>> {
    return this.#options.reader.labelNames(filter);
  }

  labelValues(label: string, filter: SeriesFilter, prefix?: string): Promise<Listed<string>> {
    return this.#options.reader.labelValues(label, filter, prefix);
  }

  series(filter: SeriesFilter): Promise<Listed<Labels>> {
    return this.#options.reader.series(filter);
  }

  append(samples: readonly OwnSample[]): Promise<void> {
    return this.#options.own.append(samples);
  }

  openWriter(replay: ReplayKept): SeriesWriter {
    return this.#options.own.openWriter(replay);
  }

  async figures(): Promise<Figures> {
    const { own, reader, at, written } = this.#options;
    const figures = await own.figures();
    return {
      ...figures,
      queries: figures.queries + reader.queries,
      queriesFailed: figures.queriesFailed + reader.failed,
      evaluator: { kind: "remote", at, ...counted(written()) },
    };
  }

  /** Where expressions are evaluated. */
  get at(): string {
    return this.#options.at;
  }

  health(): TimeSeriesHealth {
    const own = this.#options.own.health();
    if (own.kind !== "ok") return own;
    const { failuresInRow, because = "", samplesWaiting } = this.#options.written();
    if (failuresInRow < FAILURES_DEGRADED) return own;
    return {
      kind: "degraded",
      because: `${samplesWaiting} samples wait for the engine at ${this.#options.at}: ${because}`,
    };
  }
}

function counted({ requests: _, failuresInRow: __, because: ___, ...counts }: RemoteWriteFigures) {
  return counts;
}
