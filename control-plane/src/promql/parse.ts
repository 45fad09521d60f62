import type { Matcher } from "../kernel/labels.js";
import { METRIC_NAME } from "../kernel/labels.js";
import {
  AGGREGATORS,
  type Aggregate,
  type Aggregator,
  type AtModifier,
  type Binary,
  type BinaryOperator,
  type Expr,
  isSetOperator,
  type Span,
  type VectorMatching,
  type VectorSelector,
} from "./ast.js";
import { Checker, typeOf } from "./check.js";
import { atNumber, parseAtModifier, parseNumber, parseOffsetMs, parsePositiveMs } from "./parse-duration.js";
import { parseGroupingLabels, parseMatchers } from "./parse-selector.js";
import { quote, unquote } from "./quote.js";
import { SIGNATURES } from "./signatures.js";
import { parseError, TokenStream } from "./token-stream.js";
import { AGGREGATION_WORDS, type Token } from "./tokens.js";

/** How tightly each operator binds; `^` from right to left, the others from left to right. */
const PRECEDENCE: ReadonlyMap<string, number> = new Map([
  ["or", 1],
  ["and", 2],
  ["unless", 2],
  ...["==", "!=", "<", "<=", ">", ">="].map((op) => [op, 3] as const),
  ["+", 4],
  ["-", 4],
  ...["*", "/", "%", "atan2"].map((op) => [op, 5] as const),
  ["^", 6],
]);
const PRECEDENCE_POWER = 6;

/** Keywords that may name a metric where an operand is expected. */
const METRIC_WORDS: ReadonlySet<string> = new Set([
  ...AGGREGATION_WORDS,
  "by",
  "and",
  "or",
  "unless",
  "offset",
  "without",
  "start",
  "end",
]);

/** What may follow an aggregation's word if the word is a metric's name after all. */
const AFTER_METRIC: ReadonlySet<string> = new Set([
  "{",
  "eof",
  ")",
  ",",
  "[",
  "@",
  "offset",
  ...PRECEDENCE.keys(),
]);

const AGGREGATOR_SET: ReadonlySet<string> = new Set(AGGREGATORS);
const WITH_PARAMETER: ReadonlySet<Aggregator> = new Set<Aggregator>([
  "topk",
  "bottomk",
  "count_values",
  "quantile",
]);

/** Deeper trees are refused: evaluation and printing go down them by recursion. */
const DEPTH_MAX = 1000;
const NESTING_MAX = 250;
/** As much as the doors take in one request; nobody writes a hundredth of it. */
const TEXT_MAX = 1024 * 1024;

/**
 * The expression in `text`. Throws a {@link PromqlError} of kind "parse" with Prometheus' message and place
 * (`1:5: parse error: unexpected end of input`) for the first fault.
 */
export function parseExpr(text: string): Expr {
  if (text.length > TEXT_MAX)
    throw parseError("", { start: 0, end: 0 }, `expression is longer than ${TEXT_MAX} characters`);
  return new Parser(new TokenStream(text)).parse();
}

/** The matchers of a lone selector, `up{job="a"}`, as the series API takes them. Throws as {@link parseExpr} does, and for any other expression. */
export function parseSelector(text: string): readonly Matcher[] {
  const expr = parseExpr(text);
  if (expr.kind === "vector-selector" && expr.offset === 0 && expr.at === undefined) return expr.matchers;
  throw new TokenStream(text).fault(expr.span, "expected a selector without modifiers");
}

class Parser {
  private readonly written = new Map<Binary, VectorMatching>();
  private readonly depths = new WeakMap<Expr, number>();
  private nesting = 0;

  constructor(private readonly tokens: TokenStream) {}

  parse(): Expr {
    const { tokens } = this;
    if (tokens.at("eof")) throw tokens.fault({ start: 0, end: 0 }, "no expression found in input");
    const expr = this.expression(1);
    if (!tokens.at("eof")) throw tokens.unexpected();
    new Checker(tokens.text, this.written).check(expr);
    return expr;
  }

  /** Notes how deep a new node's tree is. */
  private built<T extends Expr>(expr: T, children: readonly Expr[] = []): T {
    let depth = 0;
    for (const child of children) depth = Math.max(depth, this.depths.get(child) ?? 0);
    if (depth >= DEPTH_MAX) {
      throw this.tokens.fault(expr.span, `expression is nested more than ${DEPTH_MAX} levels deep`);
    }
    this.depths.set(expr, depth + 1);
    return expr;
  }

  private expression(least: number): Expr {
    const { tokens } = this;
    if (++this.nesting > NESTING_MAX) {
      throw tokens.fault(tokens.peek(), `expression is nested more than ${NESTING_MAX} levels deep`);
    }
    let left = this.unary();
    for (;;) {
      const precedence = PRECEDENCE.get(tokens.peek().type);
      if (precedence === undefined || precedence < least) break;
      left = this.binary(left, precedence);
    }
    this.nesting--;
    return left;
  }

  private binary(left: Expr, precedence: number): Expr {
    const { tokens } = this;
    const op = tokens.next().type as BinaryOperator;
    const returnBool = tokens.take("bool") !== undefined;
    const matching = this.matching();
    const right = this.expression(precedence === PRECEDENCE_POWER ? precedence : precedence + 1);
    const betweenVectors = typeOf(left) === "vector" && typeOf(right) === "vector";
    const binary: Binary = this.built(
      {
        kind: "binary",
        op,
        left,
        right,
        matching: !betweenVectors
          ? undefined
          : isSetOperator(op)
            ? { ...matching, card: "many-to-many" }
            : matching,
        returnBool,
        span: { start: left.span.start, end: right.span.end },
      },
      [left, right],
    );
    this.written.set(binary, matching);
    return binary;
  }

  private matching(): VectorMatching {
    const { tokens } = this;
    const none: VectorMatching = { card: "one-to-one", on: false, labels: [], include: [] };
    if (!tokens.at("on") && !tokens.at("ignoring")) return none;
    const on = tokens.next().type === "on";
    const labels = parseGroupingLabels(tokens);
    if (!tokens.at("group_left") && !tokens.at("group_right")) return { ...none, on, labels };
    const card = tokens.next().type === "group_left" ? "many-to-one" : "one-to-many";
    const include = tokens.at("(") ? parseGroupingLabels(tokens) : [];
    return { card, on, labels, include };
  }

  private unary(): Expr {
    const { tokens } = this;
    if (!tokens.at("+") && !tokens.at("-")) return this.postfix();
    const sign = tokens.next();
    const expr = this.expression(PRECEDENCE_POWER);
    const span: Span = { start: sign.start, end: expr.span.end };
    if (expr.kind === "number") return { ...expr, value: sign.type === "-" ? -expr.value : expr.value, span };
    return this.built({ kind: "unary", op: sign.type as "+" | "-", expr, span }, [expr]);
  }

  private postfix(): Expr {
    const { tokens } = this;
    let expr = this.operand();
    for (;;) {
      if (tokens.at("[")) expr = this.brackets(expr);
      else if (tokens.take("offset") !== undefined) expr = this.withOffset(expr, parseOffsetMs(tokens));
      else if (tokens.take("@") !== undefined) expr = this.withAt(expr, parseAtModifier(tokens, expr.span));
      else return expr;
    }
  }

  private brackets(expr: Expr): Expr {
    const { tokens } = this;
    const open = tokens.next();
    const range = parsePositiveMs(tokens, () => tokens.unexpected("subquery selector", "number or duration"));
    if (tokens.take(":") !== undefined) {
      let step: number | undefined;
      if (!tokens.at("]")) {
        const expected = 'number or duration or "]"';
        step = parsePositiveMs(tokens, () => tokens.unexpected("subquery selector", expected));
      }
      if (tokens.take("]") === undefined) throw tokens.unexpected("subquery selector", '"]"');
      const span = { start: expr.span.start, end: tokens.end };
      return this.built({ kind: "subquery", expr, range, step, offset: 0, at: undefined, span }, [expr]);
    }
    if (tokens.take("]") === undefined) throw tokens.unexpected("subquery or range", '":" or "]"');
    if (expr.kind !== "vector-selector") throw tokens.fault(open, "ranges only allowed for vector selectors");
    if (expr.offset !== 0) throw tokens.fault(open, "no offset modifiers allowed before range");
    if (expr.at?.kind === "time") throw tokens.fault(open, "no @ modifiers allowed before range");
    const span = { start: expr.span.start, end: tokens.end };
    return this.built({ kind: "matrix-selector", selector: expr, range, span }, [expr]);
  }

  private withOffset(expr: Expr, offset: number): Expr {
    const target = this.modified(expr, "offset modifier");
    if (target.offset !== 0) throw this.tokens.fault(expr.span, "offset may not be set multiple times");
    return this.rebuilt(expr, { offset });
  }

  private withAt(expr: Expr, at: AtModifier): Expr {
    const target = this.modified(expr, "@ modifier");
    if (target.at !== undefined)
      throw this.tokens.fault(expr.span, "@ <timestamp> may not be set multiple times");
    return this.rebuilt(expr, { at });
  }

  /** The part of `expr` that carries offset and `@`. */
  private modified(
    expr: Expr,
    modifier: string,
  ): { readonly offset: number; readonly at: AtModifier | undefined } {
    if (expr.kind === "vector-selector" || expr.kind === "subquery") return expr;
    if (expr.kind === "matrix-selector") return expr.selector;
    throw this.tokens.fault(
      expr.span,
      `${modifier} must be preceded by an instant vector selector or range vector selector or a subquery`,
    );
  }

  private rebuilt(expr: Expr, change: { readonly offset: number } | { readonly at: AtModifier }): Expr {
    const span = { start: expr.span.start, end: this.tokens.end };
    if (expr.kind === "vector-selector") return this.built({ ...expr, ...change, span });
    if (expr.kind === "matrix-selector") {
      return this.built({ ...expr, selector: { ...expr.selector, ...change }, span });
    }
    return expr.kind === "subquery" ? this.built({ ...expr, ...change, span }, [expr.expr]) : expr;
  }

  private operand(): Expr {
    const { tokens } = this;
    const token = tokens.peek();
    if (atNumber(tokens)) return parseNumber(tokens);
    if (token.type === "string") {
      tokens.next();
      return { kind: "string", value: unquote(token.text), span: { start: token.start, end: token.end } };
    }
    if (token.type === "(") return this.parenthesis();
    if (token.type === "{") return this.selector(undefined);
    if (AGGREGATION_WORDS.has(token.type)) return this.aggregateOrMetric();
    if (token.type === "identifier") {
      tokens.next();
      return tokens.at("(") ? this.call(token) : this.selector(token);
    }
    if (token.type === "metric-identifier" || METRIC_WORDS.has(token.type))
      return this.selector(tokens.next());
    throw tokens.unexpected();
  }

  private parenthesis(): Expr {
    const { tokens } = this;
    const open = tokens.next();
    const expr = this.expression(1);
    if (tokens.take(")") === undefined) throw tokens.unexpected();
    return this.built({ kind: "paren", expr, span: { start: open.start, end: tokens.end } }, [expr]);
  }

  private selector(nameToken: Token | undefined): VectorSelector {
    const { tokens } = this;
    const start = nameToken?.start ?? tokens.peek().start;
    const matchers: Matcher[] = tokens.at("{") ? parseMatchers(tokens) : [];
    const name = nameToken?.text ?? "";
    if (name !== "") matchers.push({ name: METRIC_NAME, op: "=", value: name });
    return {
      kind: "vector-selector",
      name,
      matchers,
      offset: 0,
      at: undefined,
      span: { start, end: tokens.end },
    };
  }

  private call(name: Token): Expr {
    const { tokens } = this;
    const args = this.args();
    const span = { start: name.start, end: tokens.end };
    const signature = SIGNATURES.get(name.text);
    if (signature === undefined) throw tokens.fault(name, `unknown function with name ${quote(name.text)}`);
    if (signature.experimental) throw tokens.fault(name, `function ${quote(name.text)} is not enabled`);
    return this.built({ kind: "call", func: name.text, args, span }, args);
  }

  private args(): Expr[] {
    const { tokens } = this;
    tokens.next();
    const args: Expr[] = [];
    if (tokens.take(")") !== undefined) return args;
    for (;;) {
      args.push(this.expression(1));
      if (tokens.take(")") !== undefined) return args;
      if (!tokens.at(",")) throw tokens.unexpected();
      const comma = tokens.next();
      if (tokens.at(")")) throw tokens.fault(comma, "trailing commas not allowed in function call args");
    }
  }

  private aggregateOrMetric(): Expr {
    const { tokens } = this;
    const word = tokens.next();
    if (AFTER_METRIC.has(tokens.peek().type)) return this.selector(word);
    let modifier = this.aggregateModifier();
    if (!tokens.at("(")) throw tokens.unexpected("aggregation");
    const args = this.args();
    const span = { start: word.start, end: tokens.end };
    modifier ??= this.aggregateModifier();
    return this.aggregate(word, args, { ...span, end: tokens.end }, modifier);
  }

  private aggregateModifier():
    | { readonly grouping: readonly string[]; readonly without: boolean }
    | undefined {
    const { tokens } = this;
    if (!tokens.at("by") && !tokens.at("without")) return undefined;
    const without = tokens.next().type === "without";
    return { grouping: parseGroupingLabels(tokens), without };
  }

  private aggregate(
    word: Token,
    args: readonly Expr[],
    span: Span,
    modifier: { readonly grouping: readonly string[]; readonly without: boolean } | undefined,
  ): Aggregate {
    const { tokens } = this;
    if (args.length === 0) throw tokens.fault(span, "no arguments for aggregate expression provided");
    if (!AGGREGATOR_SET.has(word.type)) {
      throw tokens.fault(
        span,
        `${word.type}() is experimental and must be enabled with --enable-feature=promql-experimental-functions`,
      );
    }
    const op = word.type as Aggregator;
    const wanted = WITH_PARAMETER.has(op) ? 2 : 1;
    if (args.length !== wanted) {
      throw tokens.fault(
        span,
        `wrong number of arguments for aggregate expression provided, expected ${wanted}, got ${args.length}`,
      );
    }
    return this.built(
      {
        kind: "aggregate",
        op,
        expr: args[wanted - 1] as Expr,
        param: wanted === 2 ? args[0] : undefined,
        grouping: modifier?.grouping ?? [],
        without: modifier?.without ?? false,
        span,
      },
      args,
    );
  }
}
