import { type Matcher, METRIC_NAME } from "../kernel/labels.js";
import type { AtModifier, Binary, Expr, VectorSelector } from "./ast.js";
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
    case "subquery": {
      const step = expr.step === undefined ? "" : formatDuration(expr.step);
      return `${formatExpr(expr.expr)}[${formatDuration(expr.range)}:${step}]${formatModifiers(expr.at, expr.offset)}`;
    }
    case "call":
      return `${expr.func}(${expr.args.map(formatExpr).join(", ")})`;
    case "aggregate": {
      const clause = expr.without ? "without" : expr.grouping.length > 0 ? "by" : "";
      const grouping = clause === "" ? "" : ` ${clause} (${formatNames(expr.grouping)}) `;
      const param = expr.param === undefined ? "" : `${formatExpr(expr.param)}, `;
      return `${expr.op}${grouping}(${param}${formatExpr(expr.expr)})`;
    }
    case "binary": {
      const bool = expr.returnBool ? " bool" : "";
      // "+Inf ^ 2" would be read as +(Inf ^ 2).
      const infinite = expr.left.kind === "number" && expr.left.value === Number.POSITIVE_INFINITY;
      const left = expr.op === "^" && infinite ? "Inf" : formatExpr(expr.left);
      return `${left} ${expr.op}${bool}${formatMatching(expr)} ${formatExpr(expr.right)}`;
    }
    case "unary":
      return `${expr.op}${formatExpr(expr.expr)}`;
    case "paren":
      return `(${formatExpr(expr.expr)})`;
  }
}
