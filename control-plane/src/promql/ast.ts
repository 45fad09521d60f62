import type { Matcher } from "../kernel/labels.js";
import type { ValueType } from "./value.js";

/** Offsets in the text of the expression: `start` inclusive, `end` exclusive, in UTF-16 units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The moment given by `@`: a fixed time (ms since the epoch), or an end of the query's own range. */
export type AtModifier =
  | { readonly kind: "time"; readonly at: number }
  | { readonly kind: "start" }
  | { readonly kind: "end" };

/** `1`, `0x1F`, `Inf`, or a duration such as `5m` standing for its seconds. */
export interface NumberLiteral {
  readonly kind: "number";
  readonly value: number;
  /** Written as a duration, and printed as one. */
  readonly isDuration: boolean;
  readonly span: Span;
}

export interface StringLiteral {
  readonly kind: "string";
  readonly value: string;
  readonly span: Span;
}

/** `name{label="value"} offset 5m @ 1600000000`. The name also stands among the matchers, as one on `__name__`. */
export interface VectorSelector {
  readonly kind: "vector-selector";
  /** The metric name written before the braces or quoted within; empty if neither. */
  readonly name: string;
  readonly matchers: readonly Matcher[];
  /** How far back, in ms; negative for ahead. */
  readonly offset: number;
  readonly at: AtModifier | undefined;
  readonly span: Span;
}

/** `selector[5m]`; offset and `@` stand in the selector. */
export interface MatrixSelector {
  readonly kind: "matrix-selector";
  readonly selector: VectorSelector;
  /** Length of the window in ms, greater than 0. */
  readonly range: number;
  readonly span: Span;
}

/** `expr[30m:1m]`. */
export interface Subquery {
  readonly kind: "subquery";
  readonly expr: Expr;
  /** Length of the window in ms, greater than 0. */
  readonly range: number;
  /** Distance of the inner evaluations in ms; undefined for the engine's default. */
  readonly step: number | undefined;
  readonly offset: number;
  readonly at: AtModifier | undefined;
  readonly span: Span;
}

export interface Call {
  readonly kind: "call";
  /** Name of a function in `functions.ts`. */
  readonly func: string;
  readonly args: readonly Expr[];
  readonly span: Span;
}

export const AGGREGATORS = [
  "sum",
  "avg",
  "count",
  "min",
  "max",
  "group",
  "stddev",
  "stdvar",
  "topk",
  "bottomk",
  "count_values",
  "quantile",
] as const;

export type Aggregator = (typeof AGGREGATORS)[number];

/** `sum by (job) (expr)`, `topk(3, expr)`. */
export interface Aggregate {
  readonly kind: "aggregate";
  readonly op: Aggregator;
  readonly expr: Expr;
  /** The first argument of `topk`, `bottomk`, `quantile` (scalar) and `count_values` (string). */
  readonly param: Expr | undefined;
  /** The labels of `by` or `without`. */
  readonly grouping: readonly string[];
  readonly without: boolean;
  readonly span: Span;
}

export type ArithmeticOperator = "+" | "-" | "*" | "/" | "%" | "^" | "atan2";
export type ComparisonOperator = "==" | "!=" | "<" | "<=" | ">" | ">=";
export type SetOperator = "and" | "or" | "unless";
export type BinaryOperator = ArithmeticOperator | ComparisonOperator | SetOperator;

/** How elements of two vectors find each other. */
export interface VectorMatching {
  readonly card: "one-to-one" | "many-to-one" | "one-to-many" | "many-to-many";
  /** `on(labels)` if true, else `ignoring(labels)`. */
  readonly on: boolean;
  readonly labels: readonly string[];
  /** Labels of the "one" side to take over: `group_left(labels)`. */
  readonly include: readonly string[];
}

export interface Binary {
  readonly kind: "binary";
  readonly op: BinaryOperator;
  readonly left: Expr;
  readonly right: Expr;
  /** Absent unless both sides are vectors. */
  readonly matching: VectorMatching | undefined;
  readonly returnBool: boolean;
  readonly span: Span;
}

export interface Unary {
  readonly kind: "unary";
  readonly op: "+" | "-";
  readonly expr: Expr;
  readonly span: Span;
}

export interface Paren {
  readonly kind: "paren";
  readonly expr: Expr;
  readonly span: Span;
}

/** A parsed expression. It holds no text and no samples; it may be kept and evaluated as often as wanted. */
export type Expr =
  | NumberLiteral
  | StringLiteral
  | VectorSelector
  | MatrixSelector
  | Subquery
  | Call
  | Aggregate
  | Binary
  | Unary
  | Paren;

export function isComparison(op: BinaryOperator): op is ComparisonOperator {
  return op === "==" || op === "!=" || op === "<" || op === "<=" || op === ">" || op === ">=";
}

export function isSetOperator(op: BinaryOperator): op is SetOperator {
  return op === "and" || op === "or" || op === "unless";
}

/** The expression without the parentheses around it. */
export function unwrapParens(expr: Expr): Expr {
  let inner = expr;
  while (inner.kind === "paren") inner = inner.expr;
  return inner;
}

/** The type of a value as Prometheus names it in messages. */
export function describeType(type: ValueType): string {
  switch (type) {
    case "scalar":
      return "scalar";
    case "string":
      return "string";
    case "vector":
      return "instant vector";
    case "matrix":
      return "range vector";
  }
}
