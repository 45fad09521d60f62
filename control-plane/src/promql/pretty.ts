/** Expressions laid out for people, as Prometheus' `format_query` and `promtool promql format` do it. */
import type { Expr } from "./ast.js";
import { formatAggregateHead, formatBinaryOperator, formatExpr, formatSubqueryTail } from "./format.js";

/** An expression whose text is longer is spread over lines. */
const LINE_LENGTH_MAX = 100;

/** The expression as text that reads back as the same expression: on one line when it fits in 100 characters. */
export function formatPretty(expr: Expr): string {
  return pretty(expr, 0);
}

const indent = (level: number): string => "  ".repeat(level);

function pretty(expr: Expr, level: number): string {
  const line = formatExpr(expr);
  const margin = indent(level);
  if (line.length <= LINE_LENGTH_MAX) return margin + line;
  switch (expr.kind) {
    case "aggregate": {
      const param = expr.param === undefined ? "" : `${pretty(expr.param, level + 1)},\n`;
      return `${margin}${formatAggregateHead(expr)}(\n${param}${pretty(expr.expr, level + 1)}\n${margin})`;
    }
    case "binary":
      return `${pretty(expr.left, level + 1)}\n${margin}${formatBinaryOperator(expr)}\n${pretty(expr.right, level + 1)}`;
    case "call": {
      const args = expr.args.map((arg) => pretty(arg, level + 1)).join(",\n");
      return `${margin}${expr.func}(\n${args}\n${margin})`;
    }
    case "paren":
      return `${margin}(\n${pretty(expr.expr, level + 1)}\n${margin})`;
    case "subquery":
      return `${pretty(expr.expr, level)}${formatSubqueryTail(expr)}`;
    case "unary":
      return `${margin}${expr.op}${pretty(expr.expr, level).trimStart()}`;
    case "number":
    case "string":
    case "vector-selector":
    case "matrix-selector":
      return margin + line;
  }
}
