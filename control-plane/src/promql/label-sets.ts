import { compareText, type Labels, labelsKey, METRIC_NAME } from "../kernel/labels.js";
import { quote } from "./quote.js";

/*
 * Label sets are kept by their sources from query to query, so what is derived from one is remembered with it: for ten thousand series the
 * text that tells them apart costs more than the arithmetic on their samples. A WeakMap forgets with the set.
 */
const keys = new WeakMap<Labels, string>();
const nameless = new WeakMap<Labels, Labels>();
const bucketless = new WeakMap<Labels, Labels>();

/** The labels that say what a metric is: gone once a function has made something else of it. */
const METADATA_LABELS = [METRIC_NAME, "__type__", "__unit__"] as const;

/** The upper bound of a histogram's bucket. */
export const BUCKET_LABEL = "le";

/** No labels at all. */
export const NO_LABELS: Labels = Object.freeze({});

/** As `labelsKey`, remembered with the set. */
export function keyOf(labels: Labels): string {
  let key = keys.get(labels);
  if (key === undefined) {
    key = labelsKey(labels);
    keys.set(labels, key);
  }
  return key;
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
    const value = labels[name];
    if (value !== undefined && value !== "") rest[name] = value;
  }
  return rest;
}

/** The set without its metric name (and `__type__`, `__unit__`), remembered. */
export function withoutName(labels: Labels): Labels {
  let rest = nameless.get(labels);
  if (rest === undefined) {
    rest = METADATA_LABELS.some((name) => name in labels) ? withoutLabels(labels, METADATA_LABELS) : labels;
    nameless.set(labels, rest);
  }
  return rest;
}

/** The set without `le`, remembered. */
export function withoutBucket(labels: Labels): Labels {
  let rest = bucketless.get(labels);
  if (rest === undefined) {
    rest = withoutLabels(labels, [BUCKET_LABEL]);
    bucketless.set(labels, rest);
  }
  return rest;
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
    if (names.length === 0) return (labels) => keyOf(withoutName(labels));
    const left = [METRIC_NAME, ...names];
    return (labels) => labelsKey(withoutLabels(labels, left));
  }
  const only = names[0];
  if (names.length === 1 && only !== undefined) return (labels) => labels[only] ?? "";
  return (labels) => {
    let key = "";
    for (const name of names) {
      const value = labels[name] ?? "";
      key += `${value.length}:${value}`;
    }
    return key;
  };
}
