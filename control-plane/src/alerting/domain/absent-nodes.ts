/** Nodes of the fleet that a rule hears nothing of: a target that vanished leaves no series to compare with anything. */
import type { Labels } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import type { Sample } from "../../promql/value.js";

/** The label that names a sample's node; the control plane sets it, whatever an agent says. */
export const NODE_LABEL = "node";

/**
 * `vector` and, for each of `nodes` that neither `present` nor `vector` knows, one element with value 0 and the labels
 * `node` and `instance`, as the node's own series have them.
 */
export function withAbsentNodes(
  vector: readonly Sample[],
  present: readonly Sample[],
  nodes: readonly string[],
  now: Instant,
): readonly Sample[] {
  const known = new Set([...vector, ...present].map(({ labels }) => labels[NODE_LABEL] ?? ""));
  const absent = nodes.filter((name) => !known.has(name));
  if (absent.length === 0) return vector;
  return [
    ...vector,
    ...absent.map((name): Sample => {
      const labels: Labels = { instance: name, [NODE_LABEL]: name };
      return { labels, timestamp: now, value: 0 };
    }),
  ];
}
