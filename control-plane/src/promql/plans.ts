import type { Labels } from "../kernel/labels.js";

interface Remembered<T> {
  readonly inputs: readonly (readonly Labels[])[];
  readonly plan: T;
}

/**
 * What was worked out from label sets, remembered with the node of the expression it was worked out for. Which rows match, which groups there are and
 * how results are labelled depends on the label sets of the inputs alone, and these stay the same from evaluation to evaluation; on ten
 * thousand series this work takes ten times as long as the arithmetic. A plan is forgotten together with its expression.
 */
export class PlanMemory<T> {
  private readonly byNode = new WeakMap<object, Remembered<T>>();

  /** The plan for `node`: the last one if it was made for the very same label sets, else a new one. */
  recall(node: object, inputs: readonly (readonly Labels[])[], make: () => T): T {
    const remembered = this.byNode.get(node);
    if (remembered !== undefined && inputs.every((input, i) => sameSets(input, remembered.inputs[i]))) {
      return remembered.plan;
    }
    const plan = make();
    this.byNode.set(node, { inputs, plan });
    return plan;
  }
}

/** Whether both hold the same objects in the same order: a source hands out one object for each series. */
function sameSets(a: readonly Labels[], b: readonly Labels[] | undefined): boolean {
  if (a === b) return true;
  if (b === undefined || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

const selected = new PlanMemory<readonly Labels[]>();

/** `labels`, or if the node had the same ones before, that array: so that all who come later see at one glance that nothing changed. */
export function settledLabels(node: object, labels: readonly Labels[]): readonly Labels[] {
  return selected.recall(node, [labels], () => labels);
}
