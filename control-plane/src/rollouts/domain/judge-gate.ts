/** Whether what an expression gave says that all is well. */
import type { Value } from "../../promql/value.js";
import type { Health } from "./next-rollout.js";

const SHOWN_MAX = 200;

/** It holds when it gives at least one sample and none that is zero or not a number: as a comparison with `bool` does. */
export function judgeGate(expr: string, value: Value): Health {
  const shown = expr.length > SHOWN_MAX ? `${expr.slice(0, SHOWN_MAX)}…` : expr;
  const holds = (number: number): boolean => number !== 0 && !Number.isNaN(number);
  if (value.kind === "scalar") {
    return holds(value.value)
      ? { kind: "healthy", because: `${shown} is ${value.value}` }
      : { kind: "unhealthy", because: `${shown} is ${value.value}` };
  }
  if (value.kind !== "vector")
    return { kind: "unknown", because: `${shown} gives a ${value.kind}, expected a vector or a scalar` };
  if (value.samples.length === 0) return { kind: "unhealthy", because: `${shown} gives nothing` };
  const wrong = value.samples.filter((sample) => !holds(sample.value)).length;
  return wrong === 0
    ? { kind: "healthy", because: `${shown} holds` }
    : { kind: "unhealthy", because: `${shown} does not hold for ${wrong} of ${value.samples.length} series` };
}
