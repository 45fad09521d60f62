import { type Labels, METRIC_NAME } from "../kernel/labels.js";
import { executionError, type PromqlError } from "./errors.js";
import { keyOf, withoutName } from "./label-sets.js";
import { PlanMemory } from "./plans.js";

/**
 * An instant vector at every step: one row for each series, all rows in two blocks of memory. The value of row `r` at step
 * `s` is `values[r * steps + s]`, and it is there if `present` is 1 at the same place. Label sets
 * are unique among rows. A grid belongs to whoever was given it, who may write over it.
 */
export interface Grid {
  readonly labels: readonly Labels[];
  readonly steps: number;
  readonly values: Float64Array;
  readonly present: Uint8Array;
}

export function emptyGrid(steps: number): Grid {
  return { labels: [], steps, values: new Float64Array(0), present: new Uint8Array(0) };
}

/** The error for two results that nothing tells apart. */
export function sameLabelsError(): PromqlError {
  return executionError("vector cannot contain metrics with the same labelset");
}

/** A grid with no value yet. */
export function blankGrid(labels: readonly Labels[], steps: number): Grid {
  const size = labels.length * steps;
  return { labels, steps, values: new Float64Array(size), present: new Uint8Array(size) };
}

/** Rows found by their labels while going through the steps; for operations that cannot tell in advance what they will make. */
export class GridBuilder {
  private readonly rows = new Map<string, number>();
  private readonly labels: Labels[] = [];
  private values: Float64Array;
  private present: Uint8Array;

  constructor(private readonly steps: number) {
    this.values = new Float64Array(16 * steps);
    this.present = new Uint8Array(16 * steps);
  }

  /** The row of a label set, new if need be. */
  rowOf(labels: Labels): number {
    const key = keyOf(labels);
    const known = this.rows.get(key);
    if (known !== undefined) return known;
    const row = this.labels.push(labels) - 1;
    this.rows.set(key, row);
    if ((row + 1) * this.steps > this.values.length) this.grow();
    return row;
  }

  /** Sets a value; throws if the row has one at this step already. */
  put(row: number, step: number, value: number): void {
    const at = row * this.steps + step;
    if (this.present[at] === 1) throw sameLabelsError();
    this.values[at] = value;
    this.present[at] = 1;
  }

  /** Adds to a value, which begins at 0. */
  add(row: number, step: number, value: number): void {
    const at = row * this.steps + step;
    this.values[at] = (this.values[at] as number) + value;
    this.present[at] = 1;
  }

  get rowCount(): number {
    return this.labels.length;
  }

  private grow(): void {
    const values = new Float64Array(this.values.length * 2);
    values.set(this.values);
    this.values = values;
    const present = new Uint8Array(this.present.length * 2);
    present.set(this.present);
    this.present = present;
  }

  finish(): Grid {
    const length = this.labels.length * this.steps;
    return {
      labels: this.labels,
      steps: this.steps,
      values: this.values.subarray(0, length),
      present: this.present.subarray(0, length),
    };
  }
}

/** Whether the row has a value at any step. */
export function hasValue(grid: Grid, row: number): boolean {
  const { present, steps } = grid;
  for (let at = row * steps, end = at + steps; at < end; at++) if (present[at] === 1) return true;
  return false;
}

/** The rows of `order`, in that order. */
export function pickRows(grid: Grid, order: readonly number[]): Grid {
  const { steps } = grid;
  const values = new Float64Array(order.length * steps);
  const present = new Uint8Array(order.length * steps);
  order.forEach((row, to) => {
    values.set(grid.values.subarray(row * steps, (row + 1) * steps), to * steps);
    present.set(grid.present.subarray(row * steps, (row + 1) * steps), to * steps);
  });
  return { labels: order.map((row) => grid.labels[row] as Labels), steps, values, present };
}

/**
 * The grid under other labels. Rows that come to share a label set become one if they have no step in common, as two metrics may that took turns;
 * else, and always if `mayMerge` is false, the operation has no answer and this throws.
 */
export function relabel(grid: Grid, labels: readonly Labels[], mayMerge: boolean): Grid {
  const first = new Map<string, number>();
  const kept: number[] = [];
  let merged = false;
  for (let row = 0; row < labels.length; row++) {
    if (!hasValue(grid, row)) continue;
    const key = keyOf(labels[row] as Labels);
    const into = first.get(key);
    if (into === undefined) {
      first.set(key, row);
      kept.push(row);
    } else {
      if (!mayMerge) throw sameLabelsError();
      mergeRow(grid, row, into);
      merged = true;
    }
  }
  const renamed = { ...grid, labels };
  return merged ? pickRows(renamed, kept) : renamed;
}

function mergeRow(grid: Grid, from: number, into: number): void {
  const { steps, values, present } = grid;
  for (let step = 0; step < steps; step++) {
    const source = from * steps + step;
    if (present[source] !== 1) continue;
    const target = into * steps + step;
    if (present[target] === 1) throw sameLabelsError();
    values[target] = values[source] as number;
    present[target] = 1;
  }
}

/** The label sets without names, and whether they still tell all rows apart. */
interface Nameless {
  readonly labels: readonly Labels[];
  readonly distinct: boolean;
}

const namelessOf = new PlanMemory<Nameless>();

/** The labels of rows without metric names, as `node` drops them. */
function nameless(node: object, labels: readonly Labels[]): Nameless {
  return namelessOf.recall(node, [labels], () => {
    const renamed = labels.map(withoutName);
    // Rows of one metric stay apart without its name, and almost every query is about one metric.
    return { labels: renamed, distinct: areOfOneMetric(labels) || areDistinct(renamed) };
  });
}

/** The grid without metric names, for the result of `node`; see {@link relabel} for rows that were told apart by name only. */
export function dropNames(grid: Grid, node: object, mayMerge = true): Grid {
  const { labels, distinct } = nameless(node, grid.labels);
  return distinct ? { ...grid, labels } : relabel(grid, labels, mayMerge);
}

function areDistinct(labels: readonly Labels[]): boolean {
  return new Set(labels.map((set) => keyOf(set))).size === labels.length;
}

function areOfOneMetric(labels: readonly Labels[]): boolean {
  const first = labels[0];
  if (first === undefined) return true;
  const { [METRIC_NAME]: name, __type__: type, __unit__: unit } = first;
  return labels.every(
    (set) => set[METRIC_NAME] === name && set["__type__"] === type && set["__unit__"] === unit,
  );
}

/** Replaces every value by `change` of it, in place. */
export function mapValues(grid: Grid, change: (value: number) => number): Grid {
  const { values, present } = grid;
  for (let at = 0; at < values.length; at++) {
    if (present[at] === 1) values[at] = change(values[at] as number);
  }
  return grid;
}
