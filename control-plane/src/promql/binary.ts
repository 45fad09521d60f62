import { elementOperation, scalarOperation } from "./arithmetic.js";
import {
  type Binary,
  type BinaryOperator,
  isComparison,
  type SetOperator,
  type VectorMatching,
} from "./ast.js";
import { dropNames, type Grid, relabel } from "./grid.js";
import { signatures } from "./row-signatures.js";

/** Two scalars, step by step; the result is written over the left one. */
export function binaryScalars(op: BinaryOperator, left: Float64Array, right: Float64Array): Float64Array {
  const operate = scalarOperation(op);
  for (let step = 0; step < left.length; step++)
    left[step] = operate(left[step] as number, right[step] as number);
  return left;
}

/** A vector and a scalar; `scalarOnLeft` says which way round. A comparison always keeps the vector's value. */
export function binaryVectorScalar(
  node: Binary,
  grid: Grid,
  scalar: Float64Array,
  scalarOnLeft: boolean,
): Grid {
  const { op, returnBool } = node;
  const { value, keeps, changesMeaning } = elementOperation(op, returnBool);
  const { values, present, steps } = grid;
  const filters = isComparison(op) && !returnBool;
  for (let at = 0, step = 0; at < values.length; at++, step = step + 1 === steps ? 0 : step + 1) {
    if (present[at] !== 1) continue;
    const element = values[at] as number;
    const other = scalar[step] as number;
    const a = scalarOnLeft ? other : element;
    const b = scalarOnLeft ? element : other;
    if (keeps !== undefined && !keeps(a, b)) present[at] = 0;
    else if (!filters) values[at] = value(a, b);
  }
  return changesMeaning ? dropNames(grid, node) : grid;
}

/** `and`, `or`, `unless`. */
export function setOperation(
  node: Binary,
  op: SetOperator,
  left: Grid,
  right: Grid,
  matching: VectorMatching,
): Grid {
  const numbers = signatures(node, left, right, matching);
  const { steps } = left;
  const decided = op === "or" ? left : right;
  const has = presenceBySignature(decided, op === "or" ? numbers.left : numbers.right, numbers.count);
  const filtered = op === "or" ? right : left;
  const rows = op === "or" ? numbers.right : numbers.left;
  const wanted = op === "and" ? 1 : 0;
  rows.forEach((number, row) => {
    for (let step = 0; step < steps; step++) {
      if (has[number * steps + step] !== wanted) filtered.present[row * steps + step] = 0;
    }
  });
  if (op !== "or") return filtered;
  const labels = [...left.labels, ...right.labels];
  const values = new Float64Array(labels.length * steps);
  values.set(left.values);
  values.set(right.values, left.values.length);
  const present = new Uint8Array(labels.length * steps);
  present.set(left.present);
  present.set(right.present, left.present.length);
  return relabel({ labels, steps, values, present }, labels, true);
}

function presenceBySignature(grid: Grid, numbers: Int32Array, count: number): Uint8Array {
  const { steps, present } = grid;
  const has = new Uint8Array(count * steps);
  numbers.forEach((number, row) => {
    for (let step = 0; step < steps; step++) {
      if (present[row * steps + step] === 1) has[number * steps + step] = 1;
    }
  });
  return has;
}
