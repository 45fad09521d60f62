import type { Expr } from "./ast.js";
import { executionError } from "./errors.js";
import type { EvaluationLimits, EvaluationRange } from "./limits.js";
import type { SeriesSource } from "./series-source.js";
import type { MatrixValue, Value } from "./value.js";

/** The value of `expr` at `at` (ms since the epoch). Throws {@link PromqlError}. */
export function evaluateInstant(
  expr: Expr,
  _at: number,
  _source: SeriesSource,
  _limits?: EvaluationLimits,
): Value {
  throw executionError(`not yet: ${expr.kind}`);
}

/** The values of `expr` at every step of `range`. Throws {@link PromqlError}. */
export function evaluateRange(
  expr: Expr,
  _range: EvaluationRange,
  _source: SeriesSource,
  _limits?: EvaluationLimits,
): MatrixValue {
  throw executionError(`not yet: ${expr.kind}`);
}
