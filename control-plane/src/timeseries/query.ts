/**
 * Queries on the facade's side: read what lies before the hot window, send the rest to the thread that evaluates, and
 * give up in time.
 */
import { OpsError } from "../kernel/errors.js";
import type { Duration, Instant } from "../kernel/time.js";
import type { Clock } from "../platform/system.js";
import type { MatrixValue, Value } from "../promql/value.js";
import type { ChunkStore } from "./chunks.store.js";
import { type Reach, reachOf } from "./domain/query-reach.js";
import type { Evaluation, KeyedExpression, QueryOptions } from "./door.js";
import { ExpressionCache } from "./expression-cache.js";
import { readForQuery } from "./read-chunks.js";
import { STOP_CANCELLED, STOP_TIMED_OUT } from "./stop-flags.js";
import type { StoreClient } from "./store-client.js";
import { OWN, type QueryTask, type StoredChunks, WRITTEN } from "./store-protocol.js";
import { fromWireError } from "./wire-error.js";

const TIMEOUT_MS_DEFAULT = 10_000;
const TIMEOUT_MS_MAX = 120_000;
const SAMPLES_MAX_DEFAULT = 50_000_000;
/** Queries on their way; each has a word of shared memory by which it is stopped. */
const QUERIES_MAX = 256;
/** Steps of a range query, as in Prometheus. */
const STEPS_MAX = 11_000;

export interface QueryRunnerDeps {
  readonly clock: Clock;
  readonly chunks: ChunkStore | undefined;
  /** How far back the memory reaches. */
  readonly hotAge: Duration;
  /** The line to the engine; throws UNAVAILABLE while there is none. */
  readonly client: () => StoreClient;
}

export class QueryRunner {
  readonly #deps: QueryRunnerDeps;
  readonly #expressions = new ExpressionCache();
  readonly #flags = new SharedArrayBuffer(QUERIES_MAX * Int32Array.BYTES_PER_ELEMENT);
  readonly #freeSlots = Array.from({ length: QUERIES_MAX }, (_, slot) => slot);
  queries = 0;
  failed = 0;

  constructor(deps: QueryRunnerDeps) {
    this.#deps = deps;
  }

  async query(expr: string, at: Instant, options: QueryOptions = {}): Promise<Value> {
    return this.#counted(async () => {
      const reach = reachOf(this.#expressions.parse(expr), at, at);
      return this.#run(options, reach, (task) => this.#deps.client().call("query", { expr, at, task }));
    });
  }

  async queryRange(
    expr: string,
    from: Instant,
    to: Instant,
    stepMs: number,
    options: QueryOptions = {},
  ): Promise<MatrixValue> {
    return this.#counted(async () => {
      if (!(stepMs >= 1)) {
        throw new OpsError(
          "INVALID_ARGUMENT",
          "zero or negative query resolution step widths are not accepted. Try a positive integer",
          { stepMs },
        );
      }
      if (to < from)
        throw new OpsError("INVALID_ARGUMENT", "end timestamp must not be before start time", { from, to });
      if ((to - from) / stepMs > STEPS_MAX) {
        throw new OpsError(
          "INVALID_ARGUMENT",
          `exceeded maximum resolution of ${STEPS_MAX.toLocaleString("en-US")} points per timeseries. Try decreasing the query resolution (?step=XX)`,
          { stepMs },
        );
      }
      const reach = reachOf(this.#expressions.parse(expr), from, to);
      const value = await this.#run(options, reach, (task) =>
        this.#deps.client().call("query-range", { expr, from, to, stepMs, task }),
      );
      if (value.kind !== "matrix") throw new OpsError("INTERNAL", `a range query gave a ${value.kind}`);
      return value;
    });
  }

  async evaluateMany(
    expressions: readonly KeyedExpression[],
    at: Instant,
    options: QueryOptions = {},
  ): Promise<ReadonlyMap<string, Evaluation>> {
    const outcomes = new Map<string, Evaluation>();
    const hot: KeyedExpression[] = [];
    for (const expression of expressions) {
      // Keeps the order of the answer.
      outcomes.set(expression.key, { kind: "failed", error: new OpsError("UNAVAILABLE", "not evaluated") });
      if (this.#isHot(expression.text, at)) {
        hot.push(expression);
        continue;
      }
      outcomes.set(
        expression.key,
        await this.query(expression.text, at, options).then(
          (value): Evaluation => ({ kind: "value", value }),
          (error: unknown): Evaluation => ({ kind: "failed", error: asOpsError(error) }),
        ),
      );
    }
    if (hot.length === 0) return outcomes;
    this.queries += hot.length;
    const answers = await this.#run(options, undefined, (task) =>
      this.#deps.client().call("evaluate-many", { expressions: hot.map(({ text }) => text), at, task }),
    );
    for (const [index, answer] of answers.entries()) {
      const { key } = hot[index] as KeyedExpression;
      if (answer.kind === "error") {
        this.failed++;
        outcomes.set(key, { kind: "failed", error: fromWireError(answer) });
      } else {
        outcomes.set(key, { kind: "value", value: answer });
      }
    }
    return outcomes;
  }

  async #counted<T>(work: () => Promise<T>): Promise<T> {
    this.queries++;
    try {
      return await work();
    } catch (error) {
      this.failed++;
      throw error;
    }
  }

  #hotFrom(): Instant {
    return this.#deps.clock.now() - this.#deps.hotAge;
  }

  /** An expression that cannot be parsed counts as hot: the engine says what is wrong with it. */
  #isHot(text: string, at: Instant): boolean {
    try {
      const reach = reachOf(this.#expressions.parse(text), at, at);
      return reach === undefined || reach.from >= this.#hotFrom() || this.#deps.chunks === undefined;
    } catch {
      return true;
    }
  }

  async #readCold(reach: Reach | undefined): Promise<StoredChunks | undefined> {
    const hotFrom = this.#hotFrom();
    const store = this.#deps.chunks;
    if (store === undefined || reach === undefined || reach.from >= hotFrom) return undefined;
    const nodeNames = reach.nodes === undefined ? undefined : [...reach.nodes, OWN, WRITTEN];
    const to = Math.min(reach.to, hotFrom);
    return readForQuery(store, { from: reach.from, to, spanMax: this.#deps.hotAge, nodeNames });
  }

  /** Runs `work` until it answers, the time is over, or the caller goes away; the engine is told to stop in the latter cases. */
  async #run<T>(
    options: QueryOptions,
    reach: Reach | undefined,
    work: (task: QueryTask) => Promise<T>,
  ): Promise<T> {
    const timeoutMs = Math.min(options.timeoutMs ?? TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MAX);
    if (options.signal?.aborted === true)
      throw new OpsError("CANCELLED", "query was canceled: the caller went away");
    const slot = this.#freeSlots.pop();
    if (slot === undefined) {
      throw new OpsError("RESOURCE_EXHAUSTED", `${QUERIES_MAX} queries are under way already`, {
        queriesMax: QUERIES_MAX,
      });
    }
    const flags = new Int32Array(this.#flags);
    Atomics.store(flags, slot, 0);
    const { promise: stopped, reject: stop } = withReject();
    const timer = setTimeout(() => {
      Atomics.store(flags, slot, STOP_TIMED_OUT);
      stop(new OpsError("DEADLINE_EXCEEDED", `query timed out after ${timeoutMs} ms`, { timeoutMs }));
    }, timeoutMs);
    const abort = (): void => {
      Atomics.store(flags, slot, STOP_CANCELLED);
      stop(new OpsError("CANCELLED", "query was canceled: the caller went away"));
    };
    options.signal?.addEventListener("abort", abort, { once: true });
    const working = (async () => {
      const cold = await this.#readCold(reach);
      return work({
        timeoutMs,
        samplesMax: options.samplesMax ?? SAMPLES_MAX_DEFAULT,
        stop: { flags: this.#flags, slot },
        cold,
      });
    })();
    // The word is free again only when the engine has answered, which may be after the caller was told.
    const free = (): void => {
      this.#freeSlots.push(slot);
    };
    working.then(free, free);
    try {
      return await Promise.race([working, stopped]);
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", abort);
    }
  }
}

function withReject(): { readonly promise: Promise<never>; readonly reject: (error: OpsError) => void } {
  let reject: (error: OpsError) => void = () => {};
  const promise = new Promise<never>((_, give) => {
    reject = give;
  });
  promise.catch(() => {});
  return { promise, reject };
}

function asOpsError(error: unknown): OpsError {
  return error instanceof OpsError
    ? error
    : new OpsError("INTERNAL", "time series engine failed", {}, { cause: error });
}
