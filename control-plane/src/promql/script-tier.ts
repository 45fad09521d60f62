import type { Labels, Matcher } from "../kernel/labels.js";
import type { Expr } from "./ast.js";
import { PromqlError } from "./errors.js";
import { compileMatchers } from "./match.js";
import { parseExpr } from "./parse.js";
import type { Evaluation } from "./promqltest-script.js";

/**
 * What an `eval` of a script asks of an engine:
 * - `essential`: float samples and classic histograms only,
 * - `native-histograms`: it reads, makes or expects native histograms,
 * - `experimental`: functions or syntax that Prometheus has behind a feature flag.
 */
export type Tier = "essential" | "native-histograms" | "experimental";

/**
 * Prometheus' own scripts whose queries mean something else under a feature flag, or whose data is native histograms throughout: nothing
 * in the text of such a query tells. Named as in its testdata.
 */
const TIER_OF_SCRIPT: ReadonlyMap<string, Tier> = new Map([
  ["name_label_dropping.test", "experimental"],
  ["type_and_unit.test", "experimental"],
  ["duration_expression.test", "experimental"],
  ["native_histograms.test", "native-histograms"],
  ["limit.test", "native-histograms"],
]);

/** Functions that are about native histograms by their names. */
const NATIVE_FUNCTION = /\bhistogram_(?:avg|count|sum|stddev|stdvar)\s*\(/;
const NEEDS_FLAG = /is not enabled$|is experimental and must be enabled/;

/** The tier of an `eval`; `histograms` are the label sets of the series that hold native histograms when it runs. */
export function tierOf(script: string, evaluation: Evaluation, histograms: readonly Labels[]): Tier {
  const selectors: (readonly Matcher[])[] = [];
  try {
    collectSelectors(parseExpr(evaluation.expr), selectors);
  } catch (error) {
    if (!(error instanceof PromqlError)) throw error;
    if (NEEDS_FLAG.test(error.message) && !evaluation.fails) return "experimental";
  }
  const expects = evaluation.expected.some(({ points }) => points.includes("histogram"));
  if (expects || NATIVE_FUNCTION.test(evaluation.expr)) return "native-histograms";
  const reads = selectors.some((matchers) => histograms.some(compileMatchers(matchers)));
  if (reads) return "native-histograms";
  return TIER_OF_SCRIPT.get(script) ?? "essential";
}

function collectSelectors(expr: Expr, found: (readonly Matcher[])[]): void {
  switch (expr.kind) {
    case "vector-selector":
      found.push(expr.matchers);
      break;
    case "matrix-selector":
      found.push(expr.selector.matchers);
      break;
    case "subquery":
    case "paren":
    case "unary":
      collectSelectors(expr.expr, found);
      break;
    case "call":
      for (const arg of expr.args) collectSelectors(arg, found);
      break;
    case "aggregate":
      collectSelectors(expr.expr, found);
      if (expr.param !== undefined) collectSelectors(expr.param, found);
      break;
    case "binary":
      collectSelectors(expr.left, found);
      collectSelectors(expr.right, found);
      break;
    case "number":
    case "string":
      break;
  }
}
