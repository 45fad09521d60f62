/**
 * The embedded engine: hot window in a worker, chunks in PostgreSQL.
 */
import { OpsError } from "../kernel/errors.js";
import type { NodeId } from "../kernel/ids.js";
import type { Labels } from "../kernel/labels.js";
import type { Duration, Instant } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import type { MatrixValue, Value } from "../promql/value.js";
import type {
  DurableListener,
  Evaluation,
  Figures,
  KeyedExpression,
  Listed,
  OpenedSession,
  OwnSample,
  QueryOptions,
  SeriesFilter,
  SessionNode,
  TimeSeriesDoor,
  TimeSeriesHealth,
} from "./door.js";

/** What the engine is made of. */
export interface TimeSeriesDeps {
  /** Where chunks are kept; without it nothing outlives the process (tests). */
  readonly database: Database | undefined;
  readonly system: System;
  readonly logger: Logger;
  /** How far back the memory reaches. @default 1 h */
  readonly hotWindow?: Duration;
  /** How long chunks are kept. @default 15 d */
  readonly retention?: Duration;
  /** `thread` evaluates on a worker thread; `in-process` is for tests. @default thread */
  readonly place?: "thread" | "in-process";
  /** The compiled worker. @default worker.js beside this file */
  readonly workerUrl?: URL;
}

const notYet = (what: string): OpsError =>
  new OpsError("UNIMPLEMENTED", `${what}: the engine is not built yet`);

export class TimeSeries implements TimeSeriesDoor {
  readonly #deps: TimeSeriesDeps;

  constructor(deps: TimeSeriesDeps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    this.#deps.logger.info("time series engine started");
  }

  async stop(): Promise<void> {}

  async openSession(node: SessionNode): Promise<OpenedSession> {
    throw notYet(`open a session for node "${node.name}"`);
  }

  onDurable(_heard: DurableListener): () => void {
    return () => {};
  }

  async query(expr: string, _at: Instant, _options?: QueryOptions): Promise<Value> {
    throw notYet(`query ${expr}`);
  }

  async queryRange(
    expr: string,
    _from: Instant,
    _to: Instant,
    _stepMs: number,
    _options?: QueryOptions,
  ): Promise<MatrixValue> {
    throw notYet(`query ${expr}`);
  }

  async evaluateMany(
    _expressions: readonly KeyedExpression[],
    _at: Instant,
    _options?: QueryOptions,
  ): Promise<ReadonlyMap<string, Evaluation>> {
    throw notYet("evaluate a group");
  }

  async labelNames(_filter: SeriesFilter): Promise<Listed<string>> {
    throw notYet("label names");
  }

  async labelValues(_label: string, _filter: SeriesFilter, _prefix?: string): Promise<Listed<string>> {
    throw notYet("label values");
  }

  async series(_filter: SeriesFilter): Promise<Listed<Labels>> {
    throw notYet("series");
  }

  async append(_samples: readonly OwnSample[]): Promise<void> {
    throw notYet("append");
  }

  async figures(): Promise<Figures> {
    throw notYet("figures");
  }

  /** Drops all series of a node that left the fleet. */
  async forget(_node: NodeId): Promise<void> {}

  health(): TimeSeriesHealth {
    return { kind: "down", because: "the engine is not built yet" };
  }
}

/** The engine, not yet started. */
export function createTimeSeries(deps: TimeSeriesDeps): TimeSeries {
  return new TimeSeries(deps);
}
