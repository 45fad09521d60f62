import type { Labels } from "../kernel/labels.js";
import type { Binary, VectorMatching } from "./ast.js";
import type { Grid } from "./grid.js";
import { signatureOf } from "./label-sets.js";
import { PlanMemory } from "./plans.js";

/** A number for each row such that rows of both sides match exactly if their numbers are equal. */
export interface Signatures {
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly count: number;
}

const numbered = new PlanMemory<Signatures>();

/** The numbers for the two sides of `node`. */
export function signatures(node: Binary, left: Grid, right: Grid, matching: VectorMatching): Signatures {
  return numbered.recall(node, [left.labels, right.labels], () => {
    const signature = signatureOf(matching.on, matching.labels);
    const numbers = new Map<string, number>();
    const number = (labels: Labels): number => {
      const text = signature(labels);
      let known = numbers.get(text);
      if (known === undefined) {
        known = numbers.size;
        numbers.set(text, known);
      }
      return known;
    };
    return {
      left: Int32Array.from(left.labels, number),
      right: Int32Array.from(right.labels, number),
      count: numbers.size,
    };
  });
}
