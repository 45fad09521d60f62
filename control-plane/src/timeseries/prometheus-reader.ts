/** Queries put to a Prometheus-compatible server: another engine that evaluates, or the replica that leads. */

import { messageOf, OpsError } from "../kernel/errors.js";
import type { Labels } from "../kernel/labels.js";
import type { Duration, Instant } from "../kernel/time.js";
import type { HttpClient } from "../platform/http-client.js";
import { formatMatcher } from "../promql/format.js";
import type { MatrixValue, Value } from "../promql/value.js";
import {
  type PrometheusAnswer,
  readAnswer,
  readLabelSets,
  readTexts,
  readValue,
} from "./domain/prometheus-answer.js";
import type { Evaluation, KeyedExpression, Listed, QueryOptions, SeriesFilter } from "./door.js";

const TIMEOUT_DEFAULT: Duration = 10_000;
const TIMEOUT_MAX: Duration = 120_000;
/** For the answer to travel, so that the server says itself that it took too long. */
const TRAVEL: Duration = 1_000;
const LISTED_DEFAULT = 10_000;
/** Expressions of a group that are under way at a time. */
const TOGETHER_MAX = 8;

export interface PrometheusReaderOptions {
  readonly http: HttpClient;
  /** Where the API's `/api/v1/` is; throws UNAVAILABLE while there is none. */
  readonly base: () => string;
  /** Sent with each call, such as authorization; never logged. */
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
}

export class PrometheusReader {
  readonly #options: PrometheusReaderOptions;
  queries = 0;
  failed = 0;

  constructor(options: PrometheusReaderOptions) {
    this.#options = options;
  }

  async query(expr: string, at: Instant, options: QueryOptions = {}): Promise<Value> {
    const timeout = timeoutOf(options);
    const fields = { query: expr, time: seconds(at), timeout: `${timeout}ms` };
    return readValue(await this.#ask("query", fields, timeout, options.signal));
  }

  async queryRange(
    expr: string,
    from: Instant,
    to: Instant,
    stepMs: number,
    options: QueryOptions = {},
  ): Promise<MatrixValue> {
    const timeout = timeoutOf(options);
    const fields = {
      query: expr,
      start: seconds(from),
      end: seconds(to),
      step: seconds(stepMs),
      timeout: `${timeout}ms`,
    };
    const value = readValue(await this.#ask("query_range", fields, timeout, options.signal));
    if (value.kind !== "matrix") throw new OpsError("DATA_LOSS", `a range query gave a ${value.kind}`);
    return value;
  }

  /** All at one time, some together; each has its own outcome, in the order given. */
  async evaluateMany(
    expressions: readonly KeyedExpression[],
    at: Instant,
    options: QueryOptions = {},
  ): Promise<ReadonlyMap<string, Evaluation>> {
    const outcomes = new Map<string, Evaluation>(
      expressions.map(({ key }) => [
        key,
        { kind: "failed", error: new OpsError("UNAVAILABLE", "not evaluated") },
      ]),
    );
    const waiting = [...expressions];
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const { key, text } = next;
        try {
          outcomes.set(key, { kind: "value", value: await this.query(text, at, options) });
        } catch (error) {
          const failure = error instanceof OpsError ? error : new OpsError("INTERNAL", messageOf(error));
          outcomes.set(key, { kind: "failed", error: failure });
        }
      }
    };
    await Promise.all(Array.from({ length: TOGETHER_MAX }, work));
    return outcomes;
  }

  async labelNames(filter: SeriesFilter): Promise<Listed<string>> {
    return listed(readTexts(await this.#list("labels", filter)), filter);
  }

  async labelValues(label: string, filter: SeriesFilter, prefix = ""): Promise<Listed<string>> {
    const answer = await this.#list(`label/${encodeURIComponent(label)}/values`, filter, prefix !== "");
    return listed(
      readTexts(answer).filter((text) => text.startsWith(prefix)),
      filter,
    );
  }

  async series(filter: SeriesFilter): Promise<Listed<Labels>> {
    // Prometheus lists series only by a selector; one that every series fulfils stands for all.
    const selectors = filter.selectors.length > 0 ? filter.selectors : [[EVERY]];
    return listed(readLabelSets(await this.#list("series", { ...filter, selectors })), filter);
  }

  #list(path: string, filter: SeriesFilter, unlimited = false): Promise<PrometheusAnswer> {
    const { selectors, from, to, limit = LISTED_DEFAULT } = filter;
    const fields: [string, string][] = [
      ["start", seconds(from)],
      ["end", seconds(to)],
      // One more than asked for tells whether there are more.
      ...(unlimited ? [] : [["limit", String(limit + 1)] satisfies [string, string]]),
      ...selectors.map((matchers): [string, string] => [
        "match[]",
        `{${matchers.map(formatMatcher).join(",")}}`,
      ]),
    ];
    const isGet = path.startsWith("label/");
    return this.#call(path, new URLSearchParams(fields), TIMEOUT_DEFAULT, undefined, isGet);
  }

  #ask(
    path: string,
    fields: Readonly<Record<string, string>>,
    timeout: Duration,
    signal: AbortSignal | undefined,
  ): Promise<PrometheusAnswer> {
    return this.#call(path, new URLSearchParams(fields), timeout, signal, false);
  }

  async #call(
    path: string,
    fields: URLSearchParams,
    timeout: Duration,
    signal: AbortSignal | undefined,
    isGet: boolean,
  ): Promise<PrometheusAnswer> {
    const { http, base, headers } = this.#options;
    this.queries++;
    try {
      const url = new URL(`${base().replace(/\/+$/, "")}/api/v1/${path}`);
      if (isGet) url.search = fields.toString();
      const form = { "content-type": "application/x-www-form-urlencoded" };
      const answer = await http.call({
        method: isGet ? "GET" : "POST",
        url,
        headers: { ...(await headers()), ...(isGet ? {} : form) },
        ...(isGet ? {} : { body: fields.toString() }),
        timeoutMs: timeout + TRAVEL,
        signal,
      });
      return readAnswer(answer.status, answer.body.toString("utf8"));
    } catch (error) {
      this.failed++;
      throw error;
    }
  }
}

const EVERY = { name: "__name__", op: "!=", value: "" } as const;

const seconds = (ms: number): string => String(ms / 1_000);

const timeoutOf = ({ timeoutMs = TIMEOUT_DEFAULT }: QueryOptions): Duration =>
  Math.min(timeoutMs, TIMEOUT_MAX);

function listed<T>(items: readonly T[], { limit = LISTED_DEFAULT }: SeriesFilter): Listed<T> {
  return { items: items.slice(0, limit), truncated: items.length > limit };
}
