/** Results of trials as a table: one row for each system, profile, mode and fault. Pure. */

const second = (ms) => (ms === undefined ? "-" : (ms / 1_000).toFixed(2));
const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
const spread = (values) => {
  if (values.length === 0) return "-";
  return `${second(median(values))} (${second(Math.min(...values))}-${second(Math.max(...values))})`;
};
const given = (results, key) => results.map((one) => one[key]).filter((value) => typeof value === "number");
const sum = (results, key) => given(results, key).reduce((all, value) => all + value, 0);

export const HEAD = [
  "system, profile, mode, fault",
  "trials",
  "failed",
  "no writes s, median (min-max)",
  "lost",
  "worst",
  "both",
  "failovers",
  "redundant again s",
  "never",
];

/** Rows in the order in which their first result came. */
export function summarize(results) {
  const groups = new Map();
  for (const result of results) {
    const key = [result.system, result.profile, result.mode, result.fault].join(", ");
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  return [...groups].map(([key, of]) => {
    const measured = of.filter(({ failed }) => failed === undefined);
    return [
      key,
      of.length,
      of.length - measured.length,
      spread(given(measured, "noWritesMs")),
      sum(measured, "lost"),
      Math.max(0, ...given(measured, "lost")),
      sum(measured, "both"),
      sum(measured, "failovers"),
      spread(given(measured, "redundantMs")),
      measured.filter(({ neverRedundant }) => neverRedundant === true).length,
    ];
  });
}

/** Of the decisions that were made: when each step was reached after the fault, as medians in ms. */
export function phases(results) {
  const steps = new Map();
  for (const { phases: of = {} } of results) {
    for (const [step, at] of Object.entries(of)) steps.set(step, [...(steps.get(step) ?? []), at]);
  }
  return [...steps].map(([step, values]) => `${step} ${Math.round(median(values))}`).join(", ");
}
