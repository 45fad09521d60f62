/** What of a rule's expression is drawn: the side that is compared, and what it is compared with. */
import { type ComparisonOperator, type Expr, isComparison, unwrapParens } from "../../promql/ast.js";
import { formatExpr } from "../../promql/format.js";
import { parseExpr } from "../../promql/parse.js";

export interface ChartSubject {
  /** The expression whose values are drawn: they are there whether the condition holds or not. */
  readonly expr: string;
  /** Absent where nothing is compared: the expression itself is drawn, where it gives something. */
  readonly threshold?:
    | { readonly kind: "number"; readonly op: ComparisonOperator; readonly value: number }
    | { readonly kind: "expression"; readonly op: ComparisonOperator; readonly expr: string };
}

/** A comparison read from its other side. */
const MIRRORED: Readonly<Record<ComparisonOperator, ComparisonOperator>> = {
  ...{ "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=" },
};

/**
 * The first comparison on the way down: of `a > 5 and b < 3` it is `a` with 5. Throws PromqlError for a text that is no
 * expression.
 */
export function chartSubject(text: string): ChartSubject {
  const root = parseExpr(text);
  return comparisonIn(root) ?? { expr: formatExpr(root) };
}

function comparisonIn(expr: Expr): ChartSubject | undefined {
  const inner = unwrapParens(expr);
  if (inner.kind !== "binary") return undefined;
  const { op, left, right } = inner;
  if (!isComparison(op)) {
    return op === "and" || op === "or" || op === "unless"
      ? (comparisonIn(left) ?? comparisonIn(right))
      : undefined;
  }
  const [a, b] = [numberIn(left), numberIn(right)];
  if (b !== undefined) return { expr: formatExpr(left), threshold: { kind: "number", op, value: b } };
  if (a !== undefined)
    return { expr: formatExpr(right), threshold: { kind: "number", op: MIRRORED[op], value: a } };
  return { expr: formatExpr(left), threshold: { kind: "expression", op, expr: formatExpr(right) } };
}

/** What a side without series comes to; undefined: it has series, or is more than sums and products of numbers. */
function numberIn(expr: Expr): number | undefined {
  const inner = unwrapParens(expr);
  if (inner.kind === "number") return inner.value;
  if (inner.kind === "unary") {
    const value = numberIn(inner.expr);
    return value === undefined || inner.op === "+" ? value : -value;
  }
  if (inner.kind !== "binary") return undefined;
  const [a, b] = [numberIn(inner.left), numberIn(inner.right)];
  if (a === undefined || b === undefined) return undefined;
  switch (inner.op) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    default:
      return undefined;
  }
}
