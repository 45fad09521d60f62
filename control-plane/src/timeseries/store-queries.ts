/**
 * Queries over the hot window, and over chunks from before it when they come along.
 */
import { OpsError } from "../kernel/errors.js";
import { formatLabels, type Labels } from "../kernel/labels.js";
import type { Clock } from "../platform/system.js";
import type { Expr } from "../promql/ast.js";
import { PromqlError } from "../promql/errors.js";
import { evaluateInstant, evaluateRange } from "../promql/evaluate.js";
import type { EvaluationLimits } from "../promql/limits.js";
import type { SeriesSource } from "../promql/series-source.js";
import type { Value } from "../promql/value.js";
import { ColdSource } from "./cold-source.js";
import type { HotWindow, HotWindowOptions } from "./domain/hot-window.js";
import { ExpressionCache, toOpsError } from "./expression-cache.js";
import { STOP_CANCELLED, STOP_TIMED_OUT } from "./stop-flags.js";
import type { QueryTask, StoreCalls, WireError } from "./store-protocol.js";
import { toWireError } from "./wire-error.js";

export class StoreQueries {
  readonly #window: HotWindow;
  readonly #options: HotWindowOptions & { readonly clock: Clock };
  readonly #expressions = new ExpressionCache();

  constructor(window: HotWindow, options: HotWindowOptions & { readonly clock: Clock }) {
    this.#window = window;
    this.#options = options;
  }

  query({ expr, at, task }: StoreCalls["query"]["request"]): Value {
    return this.#evaluate(expr, task, (tree, source, limits) => evaluateInstant(tree, at, source, limits));
  }

  queryRange({ expr, from, to, stepMs, task }: StoreCalls["query-range"]["request"]): Value {
    return this.#evaluate(expr, task, (tree, source, limits) =>
      evaluateRange(tree, { from, to, step: stepMs }, source, limits),
    );
  }

  evaluateMany({ expressions, at, task }: StoreCalls["evaluate-many"]["request"]): (Value | WireError)[] {
    return expressions.map((expr) => {
      try {
        return this.query({ expr, at, task });
      } catch (error) {
        return toWireError(error);
      }
    });
  }

  list(request: StoreCalls["list"]["request"]): StoreCalls["list"]["answer"] {
    const ids = this.#window.find(request.selectors, request.from, request.to);
    if (request.what === "series") {
      const series = Array.from(ids.subarray(0, request.limit), (id): Labels => this.#window.labelsOf(id));
      series.sort((a, b) => (formatLabels(a) < formatLabels(b) ? -1 : 1));
      return { texts: [], series, truncated: ids.length > request.limit };
    }
    const all =
      request.what === "label-names"
        ? this.#window.labelNames(ids)
        : this.#window.labelValues(request.label, ids);
    const texts = all.filter((text) => text.startsWith(request.prefix));
    return { texts: texts.slice(0, request.limit), series: [], truncated: texts.length > request.limit };
  }

  #evaluate(
    text: string,
    task: QueryTask,
    work: (tree: Expr, source: SeriesSource, limits: EvaluationLimits) => Value,
  ): Value {
    try {
      const source =
        task.cold === undefined ? this.#window : new ColdSource(task.cold, this.#window, this.#options);
      const limits = this.#limits(task);
      // It may have waited for longer than it was given.
      if (limits.shouldStop?.() === true)
        throw new PromqlError("timeout", "query timed out before it was evaluated");
      return work(this.#expressions.parse(text), source, { ...limits, text });
    } catch (error) {
      throw error instanceof PromqlError ? toOpsError(error) : error;
    }
  }

  #limits(task: QueryTask): EvaluationLimits {
    const flags = new Int32Array(task.stop.flags);
    const started = this.#options.clock.monotonic();
    return {
      maxSamples: task.samplesMax,
      shouldStop: () => {
        const stop = Atomics.load(flags, task.stop.slot);
        if (stop === STOP_CANCELLED)
          throw new OpsError("CANCELLED", "query was canceled: the caller went away");
        return stop === STOP_TIMED_OUT || this.#options.clock.monotonic() - started > task.timeoutMs;
      },
    };
  }
}
