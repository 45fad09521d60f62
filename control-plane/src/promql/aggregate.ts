import { compareText, type Labels, labelsKey, METRIC_NAME } from "../kernel/labels.js";
import type { Aggregate } from "./ast.js";
import type { EvalContext } from "./context.js";
import { executionError } from "./errors.js";
import { type Groups, selectExtremes } from "./extremes.js";
import { blankGrid, type Grid, GridBuilder, hasValue } from "./grid.js";
import { kahanError, MeanCarried } from "./kahan.js";
import { keyOf, labelValue, NO_LABELS, onlyLabels, withLabel, withoutLabels } from "./label-sets.js";
import { formatFloat } from "./number.js";
import { noteQuantiles } from "./over-time.js";
import { PlanMemory } from "./plans.js";
import { quantileOf } from "./quantile.js";
import { isUsableLabelName, quote } from "./quote.js";

/** The labels that a series shares with its group. */
function groupLabels(labels: Labels, aggregate: Aggregate): Labels {
  if (aggregate.without) return withoutLabels(labels, [METRIC_NAME, ...aggregate.grouping]);
  return aggregate.grouping.length === 0 ? NO_LABELS : onlyLabels(labels, aggregate.grouping);
}

const groupings = new PlanMemory<Groups>();

function groupRows(rows: readonly Labels[], aggregate: Aggregate): Groups {
  const ofRow = new Int32Array(rows.length);
  const labels: Labels[] = [];
  const known = new Map<string, number>();
  const only = !aggregate.without && aggregate.grouping.length === 1 ? aggregate.grouping[0] : undefined;
  const dropped = [METRIC_NAME, ...aggregate.grouping];
  rows.forEach((rowLabels, row) => {
    if (!aggregate.without && aggregate.grouping.length === 0) {
      if (labels.length === 0) labels.push(NO_LABELS);
      return;
    }
    const key =
      only !== undefined
        ? labelValue(rowLabels, only)
        : aggregate.without
          ? keyOf(rowLabels, dropped)
          : labelsKey(groupLabels(rowLabels, aggregate));
    let group = known.get(key);
    if (group === undefined) {
      group = labels.push(groupLabels(rowLabels, aggregate)) - 1;
      known.set(key, group);
    }
    ofRow[row] = group;
  });
  return { ofRow, labels };
}

/** An aggregation without parameter, or `quantile` and the others whose parameter at each step is `params`. */
export function aggregateGrid(
  aggregate: Aggregate,
  grid: Grid,
  params: Float64Array | undefined,
  context: EvalContext,
): Grid {
  const groups = groupings.recall(aggregate, [grid.labels], () => groupRows(grid.labels, aggregate));
  switch (aggregate.op) {
    case "topk":
    case "bottomk":
      return selectExtremes(aggregate.op, grid, groups, params as Float64Array, context);
    case "quantile":
      noteQuantiles(params as Float64Array, (aggregate.param ?? aggregate).span, context);
      return quantiles(grid, groups, params as Float64Array);
    case "stddev":
      return variances(grid, groups, Math.sqrt);
    case "stdvar":
      return variances(grid, groups, (variance) => variance);
    case "avg":
      return averages(grid, groups);
    case "sum":
      return sums(grid, groups);
    case "min":
      return fold(grid, groups, (best, value) => (best > value || Number.isNaN(best) ? value : best));
    case "max":
      return fold(grid, groups, (best, value) => (best < value || Number.isNaN(best) ? value : best));
    case "group":
      return fold(
        grid,
        groups,
        (one) => one,
        () => 1,
      );
    case "count":
      return fold(
        grid,
        groups,
        (count) => count + 1,
        () => 1,
      );
    case "count_values":
      throw executionError("count_values needs the name of a label");
  }
}

/** Goes through all values: `visit(index in the grid, index in the groups' grid)`. */
function eachValue(grid: Grid, groups: Groups, visit: (from: number, to: number) => void): void {
  const { steps, present } = grid;
  for (let row = 0; row < grid.labels.length; row++) {
    const shift = ((groups.ofRow[row] as number) - row) * steps;
    for (let at = row * steps, end = at + steps; at < end; at++) if (present[at] === 1) visit(at, at + shift);
  }
}

function fold(
  grid: Grid,
  groups: Groups,
  next: (held: number, value: number) => number,
  first: (value: number) => number = (value) => value,
): Grid {
  const result = blankGrid(groups.labels, grid.steps);
  eachValue(grid, groups, (from, to) => {
    const value = grid.values[from] as number;
    result.values[to] = result.present[to] === 1 ? next(result.values[to] as number, value) : first(value);
    result.present[to] = 1;
  });
  return result;
}

function sums(grid: Grid, groups: Groups): Grid {
  const result = blankGrid(groups.labels, grid.steps);
  const errors = new Float64Array(result.values.length);
  eachValue(grid, groups, (from, to) => {
    const value = grid.values[from] as number;
    const sum = result.values[to] as number;
    const next = sum + value;
    errors[to] = kahanError(value, sum, next, errors[to] as number);
    // The first value is taken as it is, so that a sum of nothing but -0 stays -0.
    result.values[to] = result.present[to] === 1 ? next : value;
    result.present[to] = 1;
  });
  for (let at = 0; at < errors.length; at++)
    result.values[at] = (result.values[at] as number) + (errors[at] as number);
  return result;
}

/** See `meanOf`: a sum divided by the count as long as the sum stays finite, then a mean carried along. */
function averages(grid: Grid, groups: Groups): Grid {
  const result = blankGrid(groups.labels, grid.steps);
  const errors = new Float64Array(result.values.length);
  const counts = new Float64Array(result.values.length);
  const carried = new Map<number, MeanCarried>();
  eachValue(grid, groups, (from, to) => {
    const value = grid.values[from] as number;
    const count = counts[to] as number;
    const sum = result.values[to] as number;
    const error = errors[to] as number;
    const next = count === 0 ? value : sum + value;
    counts[to] = count + 1;
    result.present[to] = 1;
    const mean = carried.get(to);
    if (mean !== undefined) {
      mean.add(value);
    } else if (count > 0 && Math.abs(next) === Number.POSITIVE_INFINITY) {
      const begun = new MeanCarried(sum / count, error / count, count);
      begun.add(value);
      carried.set(to, begun);
    } else {
      if (count > 0) errors[to] = kahanError(value, sum, next, error);
      result.values[to] = next;
    }
  });
  for (let at = 0; at < counts.length; at++) {
    const count = counts[at] as number;
    result.values[at] =
      carried.get(at)?.value ?? (result.values[at] as number) / count + (errors[at] as number) / count;
  }
  return result;
}

function variances(grid: Grid, groups: Groups, finish: (variance: number) => number): Grid {
  const result = blankGrid(groups.labels, grid.steps);
  const counts = new Float64Array(result.values.length);
  const means = new Float64Array(result.values.length);
  eachValue(grid, groups, (from, to) => {
    const value = grid.values[from] as number;
    const count = (counts[to] as number) + 1;
    counts[to] = count;
    result.present[to] = 1;
    if (count === 1) {
      means[to] = value;
      result.values[to] = Number.isFinite(value) ? 0 : Number.NaN;
      return;
    }
    const delta = value - (means[to] as number);
    const mean = (means[to] as number) + delta / count;
    means[to] = mean;
    result.values[to] = (result.values[to] as number) + delta * (value - mean);
  });
  for (let at = 0; at < counts.length; at++) {
    result.values[at] = finish((result.values[at] as number) / (counts[at] as number));
  }
  return result;
}

function quantiles(grid: Grid, groups: Groups, params: Float64Array): Grid {
  const result = blankGrid(groups.labels, grid.steps);
  const sizes = new Int32Array(groups.labels.length);
  for (const group of groups.ofRow) sizes[group] = (sizes[group] as number) + 1;
  const rooms = Array.from(sizes, (size) => new Float64Array(size));
  for (let step = 0; step < grid.steps; step++) {
    const filled = new Int32Array(groups.labels.length);
    for (let row = 0; row < grid.labels.length; row++) {
      const at = row * grid.steps + step;
      if (grid.present[at] !== 1) continue;
      const group = groups.ofRow[row] as number;
      const place = filled[group] as number;
      (rooms[group] as Float64Array)[place] = grid.values[at] as number;
      filled[group] = place + 1;
    }
    filled.forEach((size, group) => {
      if (size === 0) return;
      const to = group * grid.steps + step;
      result.values[to] = quantileOf(
        params[step] as number,
        (rooms[group] as Float64Array).subarray(0, size),
      );
      result.present[to] = 1;
    });
  }
  return result;
}

/** `count_values`: how many rows of a group have each value, with the value as text under a new label. */
export function countValues(aggregate: Aggregate, label: string, grid: Grid, context: EvalContext): Grid {
  if (!isUsableLabelName(label)) throw executionError(`invalid label name ${quote(label)}`);
  const builder = new GridBuilder(grid.steps);
  const grouped: Aggregate = aggregate.without
    ? aggregate
    : { ...aggregate, grouping: [...new Set([...aggregate.grouping, label])].sort(compareText) };
  for (let row = 0; row < grid.labels.length; row++) {
    context.tick();
    if (!hasValue(grid, row)) continue;
    const resultRow = new Map<number, number>();
    for (let step = 0; step < grid.steps; step++) {
      const at = row * grid.steps + step;
      if (grid.present[at] !== 1) continue;
      const value = grid.values[at] as number;
      let to = resultRow.get(value);
      if (to === undefined) {
        const labels = withLabel(grid.labels[row] as Labels, label, formatFloat(value));
        to = builder.rowOf(groupLabels(labels, grouped));
        resultRow.set(value, to);
        context.allowRows(builder.rowCount);
      }
      builder.add(to, step, 1);
    }
  }
  return builder.finish();
}
