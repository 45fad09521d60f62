/** An alert of a rule of ours as those see it who are told. */
import { compareText, type Labels } from "../../kernel/labels.js";

/**
 * A rule's labels and the house's own beside them, as Prometheus sends its alerts: a label of the alert's own stands, and
 * an empty one is none. Sorted, so that the same labels are the same text.
 */
export function sentLabels(labels: Labels, externalLabels: Labels): Labels {
  const sent: Record<string, string> = {};
  for (const [name, value] of [...Object.entries(externalLabels), ...Object.entries(labels)])
    if (value !== "") sent[name] = value;
  return Object.fromEntries(Object.entries(sent).sort(([a], [b]) => compareText(a, b)));
}
