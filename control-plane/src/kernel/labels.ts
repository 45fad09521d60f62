/**
 * Label sets and matchers, in Prometheus' sense: the words by which series, alerts and targets are named.
 *
 * A label set is a plain record of names to values. An empty value is the same as an absent label
 * (https://prometheus.io/docs/concepts/data_model/). The name `__proto__` cannot be a key of a record
 * and is refused at ingestion.
 */
export type Labels = Readonly<Record<string, string>>;

/** The label that holds a series' metric name. */
export const METRIC_NAME = "__name__";

const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const METRIC_NAME_FORM = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/** Whether `name` may name a label: Prometheus' classic form, less `__proto__`. */
export function isLabelName(name: string): boolean {
  return LABEL_NAME.test(name) && name !== "__proto__";
}

/** Whether `name` may name a metric: Prometheus' classic form. */
export function isMetricName(name: string): boolean {
  return METRIC_NAME_FORM.test(name);
}

/** Orders names as Prometheus does: by code unit, never by locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * A text that is equal for two label sets if and only if they are equal.
 * Names are sorted, empty values are left out, and each value carries its length so that no value can imitate a separator.
 */
export function labelsKey(labels: Labels): string {
  const names = Object.keys(labels).sort(compareText);
  let key = "";
  for (const name of names) {
    const value = labels[name] as string;
    if (value !== "") key += `${name}=${value.length}:${value},`;
  }
  return key;
}

/** The labels as Prometheus prints them: `up{instance="a",job="b"}`; `{}` for the empty set. */
export function formatLabels(labels: Labels): string {
  const name = labels[METRIC_NAME] ?? "";
  const parts: string[] = [];
  for (const label of Object.keys(labels).sort(compareText)) {
    if (label !== METRIC_NAME) parts.push(`${label}=${JSON.stringify(labels[label])}`);
  }
  if (parts.length === 0 && name !== "") return name;
  return `${name}{${parts.join(", ")}}`;
}

/** How a matcher compares; the regular expressions are anchored at both ends, RE2 syntax. */
export type MatchOperator = "=" | "!=" | "=~" | "!~";

/** One condition on a label; an absent label counts as the empty string. */
export interface Matcher {
  readonly name: string;
  readonly op: MatchOperator;
  readonly value: string;
}
