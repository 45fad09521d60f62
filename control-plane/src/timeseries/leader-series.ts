/**
 * The same door on every replica: the one that leads answers from its own engine, the others ask it. Samples that come
 * to another replica are passed on to it.
 */
import { OpsError } from "../kernel/errors.js";
import { compareText, type Labels } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { HttpClient } from "../platform/http-client.js";
import { markStaleAt } from "../promql/series-source.js";
import type { MatrixValue, Value } from "../promql/value.js";
import { WRITE_HEADERS, WriteRequest } from "./domain/write-request.js";
import type {
  DurableListener,
  Evaluation,
  Figures,
  KeptEntry,
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
  WriteOutcome,
  WrittenSamples,
} from "./door.js";
import { PrometheusReader } from "./prometheus-reader.js";

/** Where the engine is that sees all samples. */
export type LeaderPlace =
  | { readonly kind: "here" }
  | { readonly kind: "there"; readonly restUrl: string }
  | { readonly kind: "unknown"; readonly because: string };

export interface LeaderSeriesOptions {
  /** This replica's own engine. */
  readonly own: TimeSeriesDoor;
  readonly place: () => LeaderPlace;
  readonly http: HttpClient;
  /** Bearer tokens that count on every replica: one that may look, and one that may write. */
  readonly tokens: { readonly look: () => Promise<string>; readonly write: () => Promise<string> };
}

const WRITE_WITHIN = 10_000;

export class LeaderSeries implements TimeSeriesDoor {
  readonly #options: LeaderSeriesOptions;
  readonly #reader: PrometheusReader;

  constructor(options: LeaderSeriesOptions) {
    this.#options = options;
    this.#reader = new PrometheusReader({
      http: options.http,
      base: () => this.#there(),
      headers: async () => ({ authorization: `Bearer ${await options.tokens.look()}` }),
    });
  }

  openSession(node: SessionNode): Promise<OpenedSession> {
    return this.#options.own.openSession(node);
  }

  onDurable(heard: DurableListener): () => void {
    return this.#options.own.onDurable(heard);
  }

  query(expr: string, at: Instant, options?: QueryOptions): Promise<Value> {
    return this.#at().query(expr, at, options);
  }

  queryRange(
    expr: string,
    from: Instant,
    to: Instant,
    stepMs: number,
    options?: QueryOptions,
  ): Promise<MatrixValue> {
    return this.#at().queryRange(expr, from, to, stepMs, options);
  }

  evaluateMany(
    expressions: readonly KeyedExpression[],
    at: Instant,
    options?: QueryOptions,
  ): Promise<ReadonlyMap<string, Evaluation>> {
    return this.#at().evaluateMany(expressions, at, options);
  }

  labelNames(filter: SeriesFilter): Promise<Listed<string>> {
    return this.#at().labelNames(filter);
  }

  labelValues(label: string, filter: SeriesFilter, prefix?: string): Promise<Listed<string>> {
    return this.#at().labelValues(label, filter, prefix);
  }

  series(filter: SeriesFilter): Promise<Listed<Labels>> {
    return this.#at().series(filter);
  }

  async append(samples: readonly OwnSample[]): Promise<void> {
    if (samples.length === 0) return;
    if (this.#options.place().kind === "here") return this.#options.own.append(samples);
    const request = new WriteRequest();
    const values = new Float64Array(1);
    for (const { labels, timestampMs, value } of samples) {
      if (value === "stale") markStaleAt(values, 0);
      else values[0] = value;
      request.add(sorted(Object.entries(labels)), [timestampMs], values, 0, 1);
    }
    await this.#send(request);
  }

  openWriter(replay: ReplayKept): SeriesWriter {
    const own = this.#options.own.openWriter(replay);
    const passing = new PassingWriter((request) => this.#send(request));
    let current: SeriesWriter = own;
    return {
      // What is passed on is kept by the one that leads.
      keep: (request) => (this.#options.place().kind === "here" ? own : passing).keep(request),
      open: () => {
        current = this.#options.place().kind === "here" ? own : passing;
        current.open();
      },
      find: (key) => current.find(key),
      announce: (key, labels) => current.announce(key, labels),
      write: (samples, kept) => current.write(samples, kept),
    };
  }

  figures(): Promise<Figures> {
    return this.#options.own.figures();
  }

  health(): TimeSeriesHealth {
    return this.#options.own.health();
  }

  #at(): Pick<
    TimeSeriesDoor,
    "query" | "queryRange" | "evaluateMany" | "labelNames" | "labelValues" | "series"
  > {
    return this.#options.place().kind === "here" ? this.#options.own : this.#reader;
  }

  #there(): string {
    const place = this.#options.place();
    if (place.kind === "there" && place.restUrl !== "") return place.restUrl;
    const because = place.kind === "unknown" ? place.because : "the replica that leads is opening its doors";
    throw new OpsError("UNAVAILABLE", because);
  }

  async #send(request: WriteRequest): Promise<void> {
    const { http, tokens } = this.#options;
    const answer = await http.call({
      method: "POST",
      url: new URL(`${this.#there()}/api/v1/write`),
      headers: { ...WRITE_HEADERS, authorization: `Bearer ${await tokens.write()}` },
      body: request.take(),
      timeoutMs: WRITE_WITHIN,
    });
    if (answer.status >= 200 && answer.status < 300) return;
    const code = answer.status === 400 ? "INVALID_ARGUMENT" : "UNAVAILABLE";
    throw new OpsError(
      code,
      `the replica that leads answered: ${answer.body.toString("utf8", 0, 500).trim()}`,
    );
  }
}

/** Gathers one turn's samples and passes them on as one request. */
class PassingWriter implements SeriesWriter {
  readonly #send: (request: WriteRequest) => Promise<void>;
  #labels: (readonly string[])[] = [];
  #keys = new Map<string, number>();

  constructor(send: (request: WriteRequest) => Promise<void>) {
    this.#send = send;
  }

  async keep(): Promise<KeptEntry> {
    return { done: () => {} };
  }

  open(): void {
    this.#labels = [];
    this.#keys = new Map();
  }

  find(key: string): number | undefined {
    return this.#keys.get(key);
  }

  announce(key: string, labels: readonly string[]): number {
    const pairs: [string, string][] = [];
    for (let index = 0; index + 1 < labels.length; index += 2)
      pairs.push([labels[index] as string, labels[index + 1] as string]);
    this.#keys.set(key, this.#labels.length);
    return this.#labels.push(sorted(pairs)) - 1;
  }

  async write(
    { count, series, timestamps, values }: WrittenSamples,
    entry?: KeptEntry,
  ): Promise<WriteOutcome> {
    entry?.done();
    const request = new WriteRequest();
    for (let index = 0; index < count; index++) {
      const labels = this.#labels[series[index] as number];
      if (labels !== undefined) request.add(labels, timestamps, values, index, index + 1);
    }
    const kept = request.samples;
    if (kept > 0) await this.#send(request);
    return { kept, refusals: [] };
  }
}

const sorted = (pairs: readonly (readonly [string, string])[]): readonly string[] =>
  [...pairs].sort(([a], [b]) => compareText(a, b)).flat();
