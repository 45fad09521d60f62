/** An expression's tree as Prometheus 3 answers `parse_query`. */
import type { Matcher } from "../../kernel/labels.js";
import type { AtModifier, Expr, VectorSelector } from "../../promql/ast.js";
import { formatFloat } from "../../promql/number.js";
import { SIGNATURES } from "../../promql/signatures.js";

export function syntaxTree(expr: Expr): object {
  switch (expr.kind) {
    case "number":
      return { type: "numberLiteral", val: formatFloat(expr.value) };
    case "string":
      return { type: "stringLiteral", val: expr.value };
    case "vector-selector":
      return { type: "vectorSelector", ...selectorShape(expr) };
    case "matrix-selector":
      return { type: "matrixSelector", ...selectorShape(expr.selector), range: expr.range };
    case "subquery":
      return {
        type: "subquery",
        expr: syntaxTree(expr.expr),
        range: expr.range,
        step: expr.step ?? 0,
        offset: expr.offset,
        ...atShape(expr.at),
      };
    case "call": {
      const signature = SIGNATURES.get(expr.func);
      return {
        type: "call",
        func: {
          name: expr.func,
          argTypes: signature?.args ?? [],
          variadic: signature?.variadic ?? 0,
          returnType: signature?.returns ?? "none",
        },
        args: expr.args.map(syntaxTree),
      };
    }
    case "aggregate":
      return {
        type: "aggregation",
        op: expr.op,
        expr: syntaxTree(expr.expr),
        param: expr.param === undefined ? null : syntaxTree(expr.param),
        grouping: expr.grouping,
        without: expr.without,
      };
    case "binary":
      return {
        type: "binaryExpr",
        op: expr.op,
        lhs: syntaxTree(expr.left),
        rhs: syntaxTree(expr.right),
        matching:
          expr.matching === undefined
            ? null
            : {
                card: expr.matching.card,
                labels: expr.matching.labels,
                on: expr.matching.on,
                include: expr.matching.include,
              },
        bool: expr.returnBool,
      };
    case "unary":
      return { type: "unaryExpr", op: expr.op, expr: syntaxTree(expr.expr) };
    case "paren":
      return { type: "parenExpr", expr: syntaxTree(expr.expr) };
  }
}

const selectorShape = ({ name, offset, matchers, at }: VectorSelector): object => ({
  name,
  offset,
  matchers: matchers.map(matcherShape),
  ...atShape(at),
});

const matcherShape = ({ name, op, value }: Matcher): object => ({ name, value, type: op });

const atShape = (at: AtModifier | undefined): object => ({
  timestamp: at?.kind === "time" ? at.at : null,
  startOrEnd: at === undefined || at.kind === "time" ? null : at.kind,
});
