import type { ArithmeticOperator, BinaryOperator, ComparisonOperator } from "./ast.js";

/** Go's `math.Pow`, which unlike JavaScript's gives 1 for `1 ^ x` and `(-1) ^ ±Inf`. */
function power(base: number, exponent: number): number {
  if (base === 1 || (base === -1 && Math.abs(exponent) === Number.POSITIVE_INFINITY)) return 1;
  return base ** exponent;
}

const ARITHMETIC: Readonly<Record<ArithmeticOperator, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
  "^": power,
  atan2: Math.atan2,
};

const COMPARISON: Readonly<Record<ComparisonOperator, (a: number, b: number) => boolean>> = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

/** What an operator does to two numbers: `keeps` says whether the pair stays, `value` what becomes of it. */
export interface ElementOperation {
  readonly value: (a: number, b: number) => number;
  /** Absent if every pair stays. */
  readonly keeps: ((a: number, b: number) => boolean) | undefined;
  /** Whether the result is no longer the metric it was. */
  readonly changesMeaning: boolean;
}

/**
 * The operation on elements of vectors. A comparison keeps the pairs for which it holds, with the left value; with `returnBool` all pairs stay and
 * become 1 or 0.
 */
export function elementOperation(op: BinaryOperator, returnBool: boolean): ElementOperation {
  const compare = COMPARISON[op as ComparisonOperator];
  if (compare === undefined) {
    return { value: ARITHMETIC[op as ArithmeticOperator], keeps: undefined, changesMeaning: true };
  }
  if (returnBool) {
    return { value: (a, b) => (compare(a, b) ? 1 : 0), keeps: undefined, changesMeaning: true };
  }
  return { value: (a) => a, keeps: compare, changesMeaning: false };
}

/** The operation on two scalars. */
export function scalarOperation(op: BinaryOperator): (a: number, b: number) => number {
  return elementOperation(op, true).value;
}
