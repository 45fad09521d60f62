import type { Labels } from "../kernel/labels.js";
import { type ElementOperation, elementOperation } from "./arithmetic.js";
import type { Binary, VectorMatching } from "./ast.js";
import type { EvalContext } from "./context.js";
import { executionError, type PromqlError } from "./errors.js";
import { blankGrid, type Grid, GridBuilder } from "./grid.js";
import {
  describeLabels,
  keyOf,
  labelValue,
  onlyLabels,
  withLabel,
  withoutLabels,
  withoutName,
} from "./label-sets.js";
import { PlanMemory } from "./plans.js";
import { type Signatures, signatures } from "./row-signatures.js";

/** The labels of what comes of an element of the "many" side and its partner. */
function resultLabels(many: Labels, one: Labels, changesMeaning: boolean, matching: VectorMatching): Labels {
  let labels = changesMeaning ? withoutName(many) : many;
  if (matching.card === "one-to-one") {
    if (matching.on) labels = onlyLabels(labels, matching.labels);
    else if (matching.labels.length > 0) labels = withoutLabels(labels, matching.labels);
  }
  for (const name of matching.include) labels = withLabel(labels, name, labelValue(one, name));
  return labels;
}

/** An arithmetic operation or comparison between two vectors. */
export function binaryVectors(
  node: Binary,
  left: Grid,
  right: Grid,
  matching: VectorMatching,
  context: EvalContext,
): Grid {
  const { op, returnBool } = node;
  // From here on the right side is the "one" side; `swapped` remembers which way round values go.
  const swapped = matching.card === "one-to-many";
  const many = swapped ? right : left;
  const one = swapped ? left : right;
  const operation = elementOperation(op, returnBool);
  const numbers = signatures(node, many, one, matching);
  const join: Join = { many, one, numbers, operation, swapped, matching };
  const plan = joins.recall(node, [left.labels, right.labels], () => planJoin(join));
  return plan === undefined ? joinSteps(join, context) : joinRows(join, plan);
}

interface Join {
  readonly many: Grid;
  readonly one: Grid;
  readonly numbers: Signatures;
  readonly operation: ElementOperation;
  readonly swapped: boolean;
  readonly matching: VectorMatching;
}

/** Row of the "one" side by signature; -1 where there is none, `undefined` if any has two. */
function uniqueRows(rows: Int32Array, count: number): Int32Array | undefined {
  const byNumber = new Int32Array(count).fill(-1);
  for (let row = 0; row < rows.length; row++) {
    const number = rows[row] as number;
    if (byNumber[number] !== -1) return undefined;
    byNumber[number] = row;
  }
  return byNumber;
}

/** The usual case, in which every row has one partner for all steps and all results differ in labels: result `i` comes of rows `many[i]` and `one[i]`. */
interface JoinPlan {
  readonly labels: readonly Labels[];
  readonly many: Int32Array;
  readonly one: Int32Array;
}

const joins = new PlanMemory<JoinPlan | undefined>();

/** `undefined` if it is not the usual case. */
function planJoin({ many, one, numbers, operation, matching }: Join): JoinPlan | undefined {
  const partners = uniqueRows(numbers.right, numbers.count);
  if (partners === undefined) return undefined;
  if (matching.card === "one-to-one" && uniqueRows(numbers.left, numbers.count) === undefined)
    return undefined;
  const seen = new Set<string>();
  const labels: Labels[] = [];
  const manyRows: number[] = [];
  const oneRows: number[] = [];
  for (let row = 0; row < many.labels.length; row++) {
    const partner = partners[numbers.left[row] as number] as number;
    if (partner === -1) continue;
    const result = resultLabels(
      many.labels[row] as Labels,
      one.labels[partner] as Labels,
      operation.changesMeaning,
      matching,
    );
    const key = keyOf(result);
    if (seen.has(key)) return undefined;
    seen.add(key);
    labels.push(result);
    manyRows.push(row);
    oneRows.push(partner);
  }
  return { labels, many: Int32Array.from(manyRows), one: Int32Array.from(oneRows) };
}

function joinRows({ many, one, operation, swapped }: Join, plan: JoinPlan): Grid {
  const { steps } = many;
  const { value, keeps } = operation;
  const result = blankGrid(plan.labels, steps);
  for (let row = 0; row < plan.labels.length; row++) {
    const manyBase = (plan.many[row] as number) * steps;
    const oneBase = (plan.one[row] as number) * steps;
    for (let step = 0; step < steps; step++) {
      if (many.present[manyBase + step] !== 1 || one.present[oneBase + step] !== 1) continue;
      const a = (swapped ? one.values[oneBase + step] : many.values[manyBase + step]) as number;
      const b = (swapped ? many.values[manyBase + step] : one.values[oneBase + step]) as number;
      if (keeps !== undefined && !keeps(a, b)) continue;
      result.values[row * steps + step] = value(a, b);
      result.present[row * steps + step] = 1;
    }
  }
  return result;
}

/** The general case: partners are looked for anew at each step, among the rows that have a value there. */
function joinSteps(join: Join, context: EvalContext): Grid {
  const { many, one, numbers, operation, swapped, matching } = join;
  const { steps } = many;
  const builder = new GridBuilder(steps);
  const rowOfPair = new Map<number, number>();
  const partners = new Int32Array(numbers.count);
  const used = new Int32Array(numbers.count);
  for (let step = 0; step < steps; step++) {
    context.spend(many.labels.length + one.labels.length);
    if (!anyAt(many, step) || !anyAt(one, step)) continue;
    partners.fill(-1);
    used.fill(0);
    findPartners(join, partners, step);
    const made = new Set<number>();
    for (let row = 0; row < many.labels.length; row++) {
      if (many.present[row * steps + step] !== 1) continue;
      const number = numbers.left[row] as number;
      const partner = partners[number] as number;
      if (partner === -1) continue;
      const a = (swapped ? one.values[partner * steps + step] : many.values[row * steps + step]) as number;
      const b = (swapped ? many.values[row * steps + step] : one.values[partner * steps + step]) as number;
      if (operation.keeps !== undefined && !operation.keeps(a, b)) continue;
      const pair = row * one.labels.length + partner;
      let result = rowOfPair.get(pair);
      if (result === undefined) {
        const labels = resultLabels(
          many.labels[row] as Labels,
          one.labels[partner] as Labels,
          operation.changesMeaning,
          matching,
        );
        result = builder.rowOf(labels);
        rowOfPair.set(pair, result);
        context.allowRows(builder.rowCount);
      }
      if (matching.card === "one-to-one") {
        if (used[number] === 1)
          throw ambiguous("many-to-one matching must be explicit (group_left/group_right)");
        used[number] = 1;
      } else {
        if (made.has(result) && used[number] === 1)
          throw ambiguous("grouping labels must ensure unique matches");
        used[number] = 1;
        made.add(result);
      }
      builder.put(result, step, operation.value(a, b));
    }
  }
  return builder.finish();
}

function anyAt(grid: Grid, step: number): boolean {
  for (let at = step; at < grid.present.length; at += grid.steps) if (grid.present[at] === 1) return true;
  return false;
}

function findPartners(join: Join, partners: Int32Array, step: number): void {
  const { one, numbers, matching, swapped } = join;
  for (let row = 0; row < one.labels.length; row++) {
    if (one.present[row * one.steps + step] !== 1) continue;
    const number = numbers.right[row] as number;
    const other = partners[number] as number;
    if (other === -1) {
      partners[number] = row;
      continue;
    }
    const labels = one.labels[row] as Labels;
    const group = matching.on
      ? onlyLabels(labels, matching.labels)
      : withoutLabels(withoutName(labels), matching.labels);
    throw executionError(
      `found duplicate series for the match group ${describeLabels(group)} on the ${swapped ? "left" : "right"} hand-side of the operation: ` +
        `[${describeLabels(labels)}, ${describeLabels(one.labels[other] as Labels)}]` +
        ";many-to-many matching not allowed: matching labels must be unique on one side",
    );
  }
}

function ambiguous(reason: string): PromqlError {
  return executionError(`multiple matches for labels: ${reason}`);
}
