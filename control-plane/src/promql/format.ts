import { type Matcher, METRIC_NAME } from "../kernel/labels.js";
import type { Aggregate, AtModifier, Binary, Expr, Subquery, VectorSelector } from "./ast.js";
import { formatDuration } from "./duration.js";
import { formatFloat } from "./number.js";
import { quote } from "./quote.js";

const PLAIN_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

function formatLabelName(name: string): string {
  return PLAIN_LABEL.test(name) ? name : quote(name);
}

function formatNames(names: readonly string[]): string {
  return names.map(formatLabelName).join(", ");
}

/** A matcher as Prometheus prints it: `job=~"a|b"`. */
export function formatMatcher(matcher: Matcher): string {
  return `${formatLabelName(matcher.name)}${matcher.op}${quote(matcher.value)}`;
}

function formatModifiers(at: AtModifier | undefined, offset: number): string {
  let out = "";
  if (at?.kind === "time") out += ` @ ${(at.at / 1000).toFixed(3)}`;
  else if (at !== undefined) out += ` @ ${at.kind}()`;
  if (offset > 0) out += ` offset ${formatDuration(offset)}`;
  if (offset < 0) out += ` offset -${formatDuration(-offset)}`;
  return out;
}

function formatSelector(selector: VectorSelector): string {
  const matchers = selector.matchers
    .filter(
      ({ name, op, value }) =>
        !(name === METRIC_NAME && op === "=" && value === selector.name && value !== ""),
    )
    .map(formatMatcher)
    .sort();
  if (matchers.length > 0) return `${selector.name}{${matchers.join(",")}}`;
  return selector.name === "" ? "{}" : selector.name;
}

function formatMatching(binary: Binary): string {
  const { matching } = binary;
  if (matching === undefined || (matching.labels.length === 0 && !matching.on)) return "";
  let out = ` ${matching.on ? "on" : "ignoring"} (${formatNames(matching.labels)})`;
  if (matching.card === "many-to-one") out += ` group_left (${formatNames(matching.include)})`;
  if (matching.card === "one-to-many") out += ` group_right (${formatNames(matching.include)})`;
  return out;
}

/** `sum by (job) `: all of an aggregation that stands before its parenthesis. */
export function formatAggregateHead(expr: Aggregate): string {
  const clause = expr.without ? "without" : expr.grouping.length > 0 ? "by" : "";
  return clause === "" ? expr.op : `${expr.op} ${clause} (${formatNames(expr.grouping)}) `;
}

/** `== bool on (job) group_left ()`: all that stands between the two sides. */
export function formatBinaryOperator(expr: Binary): string {
  return `${expr.op}${expr.returnBool ? " bool" : ""}${formatMatching(expr)}`;
}

/** `[30m:1m] offset 5m`: all that follows the expression of a subquery. */
export function formatSubqueryTail(expr: Subquery): string {
  const step = expr.step === undefined ? "" : formatDuration(expr.step);
  return `[${formatDuration(expr.range)}:${step}]${formatModifiers(expr.at, expr.offset)}`;
}

/** The expression as Prometheus prints it, on one line; it reads back as the same expression. */
export function formatExpr(expr: Expr): string {
  switch (expr.kind) {
    case "number":
      if (!expr.isDuration) return formatFloat(expr.value);
      return `${expr.value < 0 ? "-" : ""}${formatDuration(Math.abs(expr.value) * 1000)}`;
    case "string":
      return quote(expr.value);
    case "vector-selector":
      return `${formatSelector(expr)}${formatModifiers(expr.at, expr.offset)}`;
    case "matrix-selector": {
      const { selector } = expr;
      return `${formatSelector(selector)}[${formatDuration(expr.range)}]${formatModifiers(selector.at, selector.offset)}`;
    }
    case "subquery":
      return `${formatExpr(expr.expr)}${formatSubqueryTail(expr)}`;
    case "call":
      return `${expr.func}(${expr.args.map(formatExpr).join(", ")})`;
    case "aggregate": {
      const param = expr.param === undefined ? "" : `${formatExpr(expr.param)}, `;
      return `${formatAggregateHead(expr)}(${param}${formatExpr(expr.expr)})`;
    }
    case "binary": {
      // "+Inf ^ 2" would be read as +(Inf ^ 2).
      const infinite = expr.left.kind === "number" && expr.left.value === Number.POSITIVE_INFINITY;
      const left = expr.op === "^" && infinite ? "Inf" : formatExpr(expr.left);
      return `${left} ${formatBinaryOperator(expr)} ${formatExpr(expr.right)}`;
    }
    case "unary":
      return `${expr.op}${formatExpr(expr.expr)}`;
    case "paren":
      return `(${formatExpr(expr.expr)})`;
  }
}
