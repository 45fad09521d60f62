import { aggregateGrid, countValues } from "./aggregate.js";
import type { Aggregate, Binary, Expr } from "./ast.js";
import { describeType, isSetOperator, unwrapParens } from "./ast.js";
import { binaryScalars, binaryVectorScalar, setOperation } from "./binary.js";
import { typeOf } from "./check.js";
import { EvalContext } from "./context.js";
import { executionError } from "./errors.js";
import { type Arguments, callScalar, callVector } from "./functions.js";
import { dropNames, type Grid, mapValues, sameLabelsError } from "./grid.js";
import { binaryVectors } from "./join.js";
import { keyOf, sortKeyOf } from "./label-sets.js";
import type { EvaluationLimits, EvaluationRange } from "./limits.js";
import {
  firstAfter,
  selectInstant,
  selectWindows,
  seriesOf,
  subqueryWindows,
  type Windows,
  withoutMarkers,
} from "./select.js";
import type { SeriesSource } from "./series-source.js";
import type { MatrixValue, Sample, SeriesPoints, Value } from "./value.js";

/**
 * The value of `expr` at `at` (ms since the epoch): a scalar, string or vector as the expression has it, a matrix for a range
 * vector. Throws {@link PromqlError}: kind "execution" for what these samples make impossible, "limit", "timeout".
 */
export function evaluateInstant(
  expr: Expr,
  at: number,
  source: SeriesSource,
  limits: EvaluationLimits = {},
): Value {
  const context = new EvalContext(source, { start: at, step: 1, count: 1 }, { start: at, end: at }, limits);
  context.checkStop();
  const evaluation = new Evaluation(context);
  const inner = unwrapParens(expr);
  if (inner.kind === "string")
    return { kind: "string", timestamp: at, value: inner.value, ...context.notes.result() };
  switch (typeOf(expr)) {
    case "scalar": {
      const value = evaluation.scalar(expr)[0] as number;
      return { kind: "scalar", timestamp: at, value, ...context.notes.result() };
    }
    case "matrix": {
      const series = pointsOf(evaluation.windows(expr));
      return { kind: "matrix", series, ...context.notes.result() };
    }
    default: {
      const samples = samplesOf(evaluation.vector(expr), at);
      return { kind: "vector", samples, ...context.notes.result() };
    }
  }
}

/**
 * The values of `expr`, a scalar or an instant vector, at every step of `range`, as series ordered by labels (a scalar is one without
 * labels). At each step they are what {@link evaluateInstant} gives, but for the order. Throws as that does, and for a
 * step that is not greater than 0 or a range that ends before it begins.
 */
export function evaluateRange(
  expr: Expr,
  range: EvaluationRange,
  source: SeriesSource,
  limits: EvaluationLimits = {},
): MatrixValue {
  const { from, to, step } = range;
  if (!(step > 0))
    throw executionError(`zero or negative query resolution step widths are not accepted, got ${step} ms`);
  if (!(to >= from)) throw executionError(`end timestamp must not be before start time: ${to} < ${from}`);
  const count = Math.floor((to - from) / step) + 1;
  const context = new EvalContext(source, { start: from, step, count }, { start: from, end: to }, limits);
  context.allowSamples(count);
  context.checkStop();
  const evaluation = new Evaluation(context);
  const type = typeOf(expr);
  if (type !== "scalar" && type !== "vector") {
    throw executionError(
      `invalid expression type "${describeType(type)}" for range query, must be Scalar or instant Vector`,
    );
  }
  if (type === "scalar") {
    const values = evaluation.scalar(expr);
    const timestamps = Float64Array.from(values, (_, index) => context.timeOf(index));
    return { kind: "matrix", series: [{ labels: {}, timestamps, values }], ...context.notes.result() };
  }
  const grid = evaluation.vector(expr);
  return { kind: "matrix", series: ordered(seriesOf(grid, context).map(trimmed)), ...context.notes.result() };
}

function trimmed(series: Windows["series"][number]): SeriesPoints {
  const { labels, timestamps, values, start, end } = series;
  return { labels, timestamps: timestamps.slice(start, end), values: values.slice(start, end) };
}

function ordered(series: readonly SeriesPoints[]): readonly SeriesPoints[] {
  if (series.length < 2) return series;
  return series
    .map((one) => ({ one, key: sortKeyOf(one.labels) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ one }) => one);
}

/** The samples of an instant vector; label sets that are told apart by nothing are refused. */
function samplesOf(grid: Grid, timestamp: number): readonly Sample[] {
  const samples: Sample[] = [];
  grid.labels.forEach((labels, row) => {
    if (grid.present[row] === 1) samples.push({ labels, timestamp, value: grid.values[row] as number });
  });
  return samples;
}

/** The samples of a range vector at its only step. */
function pointsOf(windows: Windows): readonly SeriesPoints[] {
  const result: SeriesPoints[] = [];
  const seen = new Set<string>();
  for (const series of windows.series) {
    const { labels, timestamps, values, start, end } = withoutMarkers(series);
    const from = firstAfter(timestamps, start, end, windows.firstEnd - windows.range);
    const to = firstAfter(timestamps, from, end, windows.firstEnd);
    if (from === to) continue;
    if (seen.has(keyOf(labels))) throw sameLabelsError();
    seen.add(keyOf(labels));
    result.push({ labels, timestamps: timestamps.slice(from, to), values: values.slice(from, to) });
  }
  return ordered(result);
}

/** Evaluates expressions of each type at the steps of one context. */
class Evaluation implements Arguments {
  constructor(private readonly context: EvalContext) {}

  scalar(expr: Expr): Float64Array {
    switch (expr.kind) {
      case "number":
        return new Float64Array(this.context.steps.count).fill(expr.value);
      case "paren":
        return this.scalar(expr.expr);
      case "unary": {
        const values = this.scalar(expr.expr);
        return expr.op === "-" ? values.map((value) => -value) : values;
      }
      case "binary":
        return binaryScalars(expr.op, this.scalar(expr.left), this.scalar(expr.right));
      case "call":
        return callScalar(expr, this, this.context);
      default:
        throw executionError(`expected a scalar, got ${describeType(typeOf(expr))}`);
    }
  }

  vector(expr: Expr): Grid {
    this.context.checkStop();
    switch (expr.kind) {
      case "vector-selector":
        return selectInstant(expr, this.context);
      case "paren":
        return this.vector(expr.expr);
      case "unary": {
        const grid = this.vector(expr.expr);
        return expr.op === "-"
          ? dropNames(
              mapValues(grid, (value) => -value),
              expr,
              false,
            )
          : grid;
      }
      case "binary":
        return this.binary(expr);
      case "aggregate":
        return this.aggregate(expr);
      case "call":
        return callVector(expr, this, this.context);
      default:
        throw executionError(`expected an instant vector, got ${describeType(typeOf(expr))}`);
    }
  }

  windows(expr: Expr): Windows {
    const inner = unwrapParens(expr);
    if (inner.kind === "matrix-selector") return selectWindows(inner, this.context);
    if (inner.kind === "subquery") {
      return subqueryWindows(inner, this.context, (context) => new Evaluation(context).vector(inner.expr));
    }
    throw executionError(`expected a range vector, got ${describeType(typeOf(expr))}`);
  }

  private binary(expr: Binary): Grid {
    const { op, left, right, matching } = expr;
    if (typeOf(left) === "scalar") {
      return binaryVectorScalar(expr, this.vector(right), this.scalar(left), true);
    }
    if (typeOf(right) === "scalar") {
      return binaryVectorScalar(expr, this.vector(left), this.scalar(right), false);
    }
    if (matching === undefined) throw executionError(`operation ${op} between vectors without matching`);
    const leftGrid = this.vector(left);
    const rightGrid = this.vector(right);
    if (isSetOperator(op)) return setOperation(expr, op, leftGrid, rightGrid, matching);
    return binaryVectors(expr, leftGrid, rightGrid, matching, this.context);
  }

  private aggregate(expr: Aggregate): Grid {
    const param = expr.param === undefined ? undefined : unwrapParens(expr.param);
    if (param?.kind === "string") return countValues(expr, param.value, this.vector(expr.expr), this.context);
    const params = param === undefined ? undefined : this.scalar(param);
    return aggregateGrid(expr, this.vector(expr.expr), params, this.context);
  }
}
