import { compareText, type Labels, labelsKey, METRIC_NAME } from "../kernel/labels.js";
import { quote } from "./quote.js";

/** The labels that say what a metric is: gone once a function has made something else of it. */
const METADATA_LABELS = [METRIC_NAME, "__type__", "__unit__"] as const;

/** The upper bound of a histogram's bucket. */
export const BUCKET_LABEL = "le";

/** No labels at all. */
export const NO_LABELS: Labels = Object.freeze({});

/**
 * A text that is equal for two sets exactly if they are equal but for the labels of `except`. Sets mostly come with their names in order; then one pass does, and only
 * else are the names sorted.
 */
export function keyOf(labels: Labels, except: readonly string[] = []): string {
  let key = "";
  let before = "";
  for (const name in labels) {
    if (name < before) return labelsKey(except.length === 0 ? labels : withoutLabels(labels, except));
    before = name;
    const value = labels[name] as string;
    if (value !== "" && !except.includes(name)) key += `${name}=${value.length}:${value},`;
  }
  return key;
}

/**
 * The value of a label, empty if it is absent. A record also answers to `constructor` and the like, which it inherits and which a query may ask for: what
 * is no text is no label.
 */
export function labelValue(labels: Labels, name: string): string {
  const value: unknown = labels[name];
  return typeof value === "string" ? value : "";
}

/** The set without the labels of `names`, and without empty ones. */
export function withoutLabels(labels: Labels, names: readonly string[]): Labels {
  const rest: Record<string, string> = {};
  for (const name in labels) {
    const value = labels[name] as string;
    if (value !== "" && !names.includes(name)) rest[name] = value;
  }
  return rest;
}

/** Of the set only the labels of `names`, without empty ones. */
export function onlyLabels(labels: Labels, names: readonly string[]): Labels {
  const rest: Record<string, string> = {};
  for (const name of names) {
    const value = labelValue(labels, name);
    if (value !== "") rest[name] = value;
  }
  return rest;
}

/** The set without its metric name (and `__type__`, `__unit__`); the set itself if it has none. */
export function withoutName(labels: Labels): Labels {
  for (const name of METADATA_LABELS)
    if (labels[name] !== undefined) return withoutLabels(labels, METADATA_LABELS);
  return labels;
}

/** The set with one label set to `value`, or without it if that is empty. */
export function withLabel(labels: Labels, name: string, value: string): Labels {
  return value === "" ? withoutLabels(labels, [name]) : { ...labels, [name]: value };
}

/** The set in Prometheus' notation for messages: `{__name__="up", job="a"}`. */
export function describeLabels(labels: Labels): string {
  const names = Object.keys(labels).sort(compareText);
  return `{${names.map((name) => `${name}=${quote(labels[name] as string)}`).join(", ")}}`;
}

/** The names in order, each with its value: sorting by these texts sorts label sets as Prometheus does. */
export function sortKeyOf(labels: Labels): string {
  let key = "";
  for (const name of Object.keys(labels).sort(compareText)) key += `${name}\u0000${labels[name]}\u0000`;
  return key;
}

/** Texts that are equal for two sets exactly if an operation with this `on` or `ignoring` matches them. */
export function signatureOf(on: boolean, names: readonly string[]): (labels: Labels) => string {
  if (!on) {
    const ignored = [METRIC_NAME, ...names];
    return (labels) => keyOf(labels, ignored);
  }
  const only = names[0];
  if (names.length === 1 && only !== undefined) return (labels) => labelValue(labels, only);
  return (labels) => {
    let key = "";
    for (const name of names) {
      const value = labelValue(labels, name);
      key += `${value.length}:${value}`;
    }
    return key;
  };
}
