import { METRIC_NAME } from "../kernel/labels.js";
import {
  type Aggregate,
  type Binary,
  type Call,
  describeType,
  type Expr,
  isComparison,
  isSetOperator,
  type Span,
  type VectorMatching,
  type VectorSelector,
} from "./ast.js";
import type { PromqlError } from "./errors.js";
import { compileMatcher } from "./match.js";
import { quote } from "./quote.js";
import { SIGNATURES } from "./signatures.js";
import { parseError } from "./token-stream.js";
import type { ValueType } from "./value.js";

/** The type of the value an expression has, known without evaluating it. */
export function typeOf(expr: Expr): ValueType {
  switch (expr.kind) {
    case "number":
      return "scalar";
    case "string":
      return "string";
    case "vector-selector":
    case "aggregate":
      return "vector";
    case "matrix-selector":
    case "subquery":
      return "matrix";
    case "call":
      return SIGNATURES.get(expr.func)?.returns ?? "vector";
    case "paren":
    case "unary":
      return typeOf(expr.expr);
    case "binary":
      return typeOf(expr.left) === "scalar" && typeOf(expr.right) === "scalar" ? "scalar" : "vector";
  }
}

/**
 * Throws for the first place where a tree, though well formed, means nothing: wrong types, numbers of arguments, matchers that select
 * everything. The order of the checks is Prometheus', so that the same fault is told first.
 */
export class Checker {
  constructor(
    private readonly text: string,
    /** The matching as written, also of operations that turned out not to be between vectors. */
    private readonly written: ReadonlyMap<Binary, VectorMatching>,
  ) {}

  check(expr: Expr): ValueType {
    switch (expr.kind) {
      case "number":
      case "string":
        break;
      case "paren":
        this.check(expr.expr);
        break;
      case "unary": {
        const type = this.check(expr.expr);
        if (type !== "scalar" && type !== "vector") {
          throw this.fault(
            expr.span,
            `unary expression only allowed on expressions of type scalar or instant vector, got ${quote(describeType(type))}`,
          );
        }
        break;
      }
      case "vector-selector":
        this.checkSelector(expr);
        break;
      case "matrix-selector":
        this.checkSelector(expr.selector);
        break;
      case "subquery": {
        const type = this.check(expr.expr);
        if (type !== "vector") {
          throw this.fault(expr.span, `subquery is only allowed on instant vector, got ${type} instead`);
        }
        break;
      }
      case "call":
        this.checkCall(expr);
        break;
      case "aggregate":
        this.checkAggregate(expr);
        break;
      case "binary":
        this.checkBinary(expr);
        break;
    }
    return typeOf(expr);
  }

  private fault(span: Span, message: string): PromqlError {
    return parseError(this.text, span, message);
  }

  private expect(expr: Expr, want: ValueType, context: string): void {
    const type = this.check(expr);
    if (type !== want) {
      throw this.fault(
        expr.span,
        `expected type ${describeType(want)} in ${context}, got ${describeType(type)}`,
      );
    }
  }

  private checkSelector(selector: VectorSelector): void {
    if (selector.name !== "") {
      const other = selector.matchers.slice(0, -1).find((matcher) => matcher.name === METRIC_NAME);
      if (other !== undefined) {
        throw this.fault(
          selector.span,
          `metric name must not be set twice: ${quote(selector.name)} or ${quote(other.value)}`,
        );
      }
      return;
    }
    if (!selector.matchers.some((matcher) => !compileMatcher(matcher)(""))) {
      throw this.fault(selector.span, "vector selector must contain at least one non-empty matcher");
    }
  }

  private checkCall(call: Call): void {
    const signature = SIGNATURES.get(call.func);
    if (signature === undefined) return;
    const { args, variadic } = signature;
    const got = call.args.length;
    const name = quote(call.func);
    if (variadic === 0 && got !== args.length) {
      throw this.fault(call.span, `expected ${args.length} argument(s) in call to ${name}, got ${got}`);
    }
    const least = args.length - 1;
    if (variadic !== 0 && got < least) {
      throw this.fault(call.span, `expected at least ${least} argument(s) in call to ${name}, got ${got}`);
    }
    if (variadic > 0 && got > least + variadic) {
      throw this.fault(
        call.span,
        `expected at most ${least + variadic} argument(s) in call to ${name}, got ${got}`,
      );
    }
    call.args.forEach((arg, index) => {
      this.expect(arg, args[Math.min(index, args.length - 1)] as ValueType, `call to function ${name}`);
    });
  }

  private checkAggregate(aggregate: Aggregate): void {
    this.expect(aggregate.expr, "vector", "aggregation expression");
    if (aggregate.param !== undefined) {
      this.expect(
        aggregate.param,
        aggregate.op === "count_values" ? "string" : "scalar",
        "aggregation parameter",
      );
    }
  }

  private checkBinary(binary: Binary): void {
    const { op, left, right } = binary;
    const leftType = this.check(left);
    const rightType = this.check(right);
    const matching = this.written.get(binary);
    const operator = this.operatorSpan(binary);
    if (binary.returnBool && !isComparison(op)) {
      throw this.fault(operator, "bool modifier can only be used on comparison operators");
    }
    if (isComparison(op) && !binary.returnBool && leftType === "scalar" && rightType === "scalar") {
      throw this.fault(operator, "comparisons between scalars must use BOOL modifier");
    }
    const included = new Set(matching?.include);
    const twice = matching?.on ? matching.labels.find((label) => included.has(label)) : undefined;
    if (twice !== undefined) {
      throw this.fault(operator, `label ${quote(twice)} must not occur in ON and GROUP clause at once`);
    }
    for (const side of [left, right]) {
      const type = typeOf(side);
      if (type !== "scalar" && type !== "vector") {
        throw this.fault(side.span, "binary expression must contain only scalar and instant vector types");
      }
    }
    const betweenVectors = leftType === "vector" && rightType === "vector";
    if (!betweenVectors && (matching?.labels.length ?? 0) > 0) {
      throw this.fault(binary.span, "vector matching only allowed between instant vectors");
    }
    if (!isSetOperator(op)) return;
    if (!betweenVectors) {
      throw this.fault(binary.span, `set operator ${quote(op)} not allowed in binary scalar expression`);
    }
    if (matching?.card === "one-to-many" || matching?.card === "many-to-one") {
      throw this.fault(binary.span, `no grouping allowed for ${quote(op)} operation`);
    }
  }

  private operatorSpan(binary: Binary): Span {
    let start = binary.left.span.end;
    while (/\s/.test(this.text[start] ?? "")) start++;
    return { start, end: start + binary.op.length };
  }
}
