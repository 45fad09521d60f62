import type { Labels } from "../kernel/labels.js";
import type { EvalContext } from "./context.js";
import { executionError } from "./errors.js";
import { type Grid, pickRows } from "./grid.js";
import { formatFloat } from "./number.js";

/** Which group each row belongs to; groups are numbered in the order in which rows bring them up. */
export interface Groups {
  readonly ofRow: Int32Array;
  readonly labels: readonly Labels[];
}

/**
 * `topk` and `bottomk`: of each group the rows with the greatest or least values, NaN last. At a single step the rows come in
 * that order.
 */
export function selectExtremes(
  op: "topk" | "bottomk",
  grid: Grid,
  groups: Groups,
  params: Float64Array,
  context: EvalContext,
): Grid {
  const sign = op === "topk" ? 1 : -1;
  const { steps, values, present } = grid;
  const order: number[] = [];
  for (let step = 0; step < steps; step++) {
    context.spend(grid.labels.length);
    if (grid.labels.length === 0) break;
    const most = wholeCount(params[step] as number, grid.labels.length);
    const before = (a: number, b: number): boolean => {
      const x = (values[a * steps + step] as number) * sign;
      const y = (values[b * steps + step] as number) * sign;
      return x > y || (Number.isNaN(y) && !Number.isNaN(x));
    };
    const best: number[][] = groups.labels.map(() => []);
    for (let row = 0; row < grid.labels.length; row++) {
      const at = row * steps + step;
      if (present[at] !== 1) continue;
      present[at] = 0;
      insertBest(best[groups.ofRow[row] as number] as number[], row, most, before);
    }
    for (const rows of best) {
      for (const row of rows) present[row * steps + step] = 1;
      if (steps === 1) order.push(...rows);
    }
  }
  return steps === 1 ? pickRows(grid, order) : grid;
}

/** How many to select: `count` without its fraction, at least 0, at most all. */
function wholeCount(count: number, all: number): number {
  if (!(count > -(2 ** 63) && count < 2 ** 63)) {
    throw executionError(`Scalar value ${formatFloat(count)} overflows int64`);
  }
  return Math.min(Math.max(Math.trunc(count), 0), all);
}

/** Puts `row` in its place among the `most` best, which stay in order. */
function insertBest(
  rows: number[],
  row: number,
  most: number,
  before: (a: number, b: number) => boolean,
): void {
  const last = rows[rows.length - 1];
  if (rows.length === most && (last === undefined || !before(row, last))) return;
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (before(row, rows[middle] as number)) high = middle;
    else low = middle + 1;
  }
  rows.splice(low, 0, row);
  if (rows.length > most) rows.pop();
}
