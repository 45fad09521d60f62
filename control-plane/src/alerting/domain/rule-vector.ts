/** What an expression gave, as rules and their texts take it. */
import type { Instant } from "../../kernel/time.js";
import type { Sample, Value } from "../../promql/value.js";

/** A rule's result as a vector; undefined for what no rule may give (a string, a range vector). */
export function vectorOf(value: Value, now: Instant): readonly Sample[] | undefined {
  if (value.kind === "vector") return value.samples;
  if (value.kind === "scalar") return [{ labels: {}, timestamp: now, value: value.value }];
  return undefined;
}
