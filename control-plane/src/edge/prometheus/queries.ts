/** Queries: at an instant, over a range, and what is told of an expression without evaluating it. */
import { OpsError } from "../../kernel/errors.js";
import { MINUTE } from "../../kernel/time.js";
import type { Clock } from "../../platform/system.js";
import type { Expr } from "../../promql/ast.js";
import { PromqlError } from "../../promql/errors.js";
import { parseExpr } from "../../promql/parse.js";
import { formatPretty } from "../../promql/pretty.js";
import type { Value } from "../../promql/value.js";
import type { TimeSeriesDoor } from "../../timeseries/timeseries.module.js";
import type { Asked, Endpoint, Fields } from "../http-endpoint.js";
import { type Answer, enveloped, GET_OR_POST, QUERY, TRUNCATED } from "./envelope.js";
import { bad, duration, limit, range, text, time } from "./parameters.js";
import { type QueryData, queryData } from "./shapes.js";
import { syntaxTree } from "./syntax-tree.js";

export interface QueryDeps {
  readonly series: Pick<TimeSeriesDoor, "query" | "queryRange">;
  readonly clock: Clock;
}

/** As Prometheus has it when nothing is asked. */
const TIMEOUT_MAX = 2 * MINUTE;
const LOOKBACK = 5 * MINUTE;

export function queryEndpoints(deps: QueryDeps): readonly Endpoint[] {
  return [
    enveloped("query", GET_OR_POST, QUERY, (asked) => query(deps, asked)),
    enveloped("query_range", GET_OR_POST, QUERY, (asked) => queryRange(deps, asked)),
    enveloped("query_exemplars", GET_OR_POST, QUERY, async ({ fields }) => {
      // None are kept; a bad question is told all the same.
      parsed(fields);
      time(fields, "start", 0);
      time(fields, "end", 0);
      return { data: [] };
    }),
    enveloped("format_query", GET_OR_POST, QUERY, async ({ fields }) => ({
      data: formatPretty(parsed(fields)),
    })),
    enveloped("parse_query", GET_OR_POST, QUERY, async ({ fields }) => ({
      data: syntaxTree(parsed(fields)),
    })),
  ];
}

async function query({ series, clock }: QueryDeps, { fields, signal }: Asked): Promise<Answer> {
  const at = time(fields, "time", clock.now());
  const options = { signal, ...timeout(fields) };
  const most = limit(fields);
  refuseOtherLookback(fields);
  parsed(fields);
  const started = clock.monotonic();
  const value = await run(() => series.query(text(fields, "query") ?? "", at, options));
  return answered(value, most, stats(fields, clock.monotonic() - started));
}

async function queryRange({ series, clock }: QueryDeps, { fields, signal }: Asked): Promise<Answer> {
  const { from, to, step } = range(fields);
  const options = { signal, ...timeout(fields) };
  const most = limit(fields);
  refuseOtherLookback(fields);
  const expr = parsed(fields);
  if (expr.kind === "string" || expr.kind === "matrix-selector" || expr.kind === "subquery") {
    const type = expr.kind === "string" ? "string" : "range vector";
    throw bad("query", `invalid expression type "${type}" for range query, must be Scalar or instant Vector`);
  }
  const started = clock.monotonic();
  const value = await run(() => series.queryRange(text(fields, "query") ?? "", from, to, step, options));
  return answered(value, most, stats(fields, clock.monotonic() - started));
}

/** The expression, parsed once here so that a fault in its text is told from one in its evaluation. */
function parsed(fields: Fields): Expr {
  try {
    return parseExpr(text(fields, "query") ?? "");
  } catch (error) {
    if (error instanceof PromqlError) throw bad("query", error.message);
    throw error;
  }
}

/** A valid expression that cannot be answered is "execution" in Prometheus' words. */
async function run<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof OpsError && error.code === "INVALID_ARGUMENT") {
      throw new OpsError("FAILED_PRECONDITION", error.message, error.facts, { cause: error });
    }
    throw error;
  }
}

function timeout(fields: Fields): { timeoutMs?: number } {
  const asked = duration(fields, "timeout");
  if (asked === undefined) return {};
  if (asked <= 0) throw bad("timeout", "timeout must be positive");
  return { timeoutMs: Math.min(asked, TIMEOUT_MAX) };
}

function refuseOtherLookback(fields: Fields): void {
  const asked = duration(fields, "lookback_delta");
  if (asked !== undefined && asked !== LOOKBACK) {
    throw bad("lookback_delta", "only the default of 5m is offered here");
  }
}

/** What `stats` asks for, as far as it is known: how long the whole took. */
function stats(fields: Fields, tookMs: number): { stats?: object } {
  if (text(fields, "stats") === undefined) return {};
  const took = Math.round(tookMs * 1_000) / 1e6;
  const timings = {
    evalTotalTime: took,
    resultSortTime: 0,
    queryPreparationTime: 0,
    innerEvalTime: took,
    execQueueTime: 0,
    execTotalTime: took,
  };
  return { stats: { timings } };
}

function answered(value: Value, most: number | undefined, told: { stats?: object }): Answer {
  const data = queryData(value);
  const cut = most !== undefined && isSeries(data) && data.result.length > most;
  const warnings = cut ? [...value.warnings, TRUNCATED] : value.warnings;
  return {
    data: { ...data, ...(cut ? { result: data.result.slice(0, most) } : {}), ...told },
    ...(warnings.length === 0 ? {} : { warnings }),
    ...(value.infos.length === 0 ? {} : { infos: value.infos }),
  };
}

const isSeries = (data: QueryData): boolean => data.resultType === "vector" || data.resultType === "matrix";
