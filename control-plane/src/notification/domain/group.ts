/** Groups: alerts that are told together, and how a group is named. */
import { compareText, type Labels } from "../../kernel/labels.js";
import type { Route } from "./config.js";

/** The labels that alerts of a group share by its route's `group_by`. */
export function groupLabels(route: Route, labels: Labels): Labels {
  if (route.groupBy === "all") return labels;
  const of: Record<string, string> = {};
  for (const name of route.groupBy) {
    const value = Object.hasOwn(labels, name) ? labels[name] : undefined;
    if (value !== undefined) of[name] = value;
  }
  return of;
}

/** As Alertmanager writes it: `{}/{severity="critical"}:{alertname="X"}`. */
export const groupKey = (route: Route, labels: Labels): string => `${route.key}:${formatLabelSet(labels)}`;

/** `{a="b", c="d"}`, values quoted as Go quotes them. */
export function formatLabelSet(labels: Labels): string {
  const parts = Object.keys(labels)
    .sort(compareText)
    .map((name) => `${name}=${quote(labels[name] as string)}`);
  return `{${parts.join(", ")}}`;
}

/** Go's strconv.Quote: what is printable stays, the rest is escaped. */
function quote(text: string): string {
  const simple: Readonly<Record<string, string>> = {
    ...{ '"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r" },
    ...{ "\x07": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v" },
  };
  let out = '"';
  for (const char of text.toWellFormed()) {
    const point = char.codePointAt(0) as number;
    const known = simple[char];
    if (known !== undefined) out += known;
    else if (char === " " || !/^[\p{C}\p{Z}]$/u.test(char)) out += char;
    else if (point < 0x80) out += `\\x${point.toString(16).padStart(2, "0")}`;
    else if (point < 0x10000) out += `\\u${point.toString(16).padStart(4, "0")}`;
    else out += `\\U${point.toString(16).padStart(8, "0")}`;
  }
  return `${out}"`;
}

/** Names a group of one receiver: two routes may have equal keys and different receivers. */
export interface GroupName {
  readonly groupKey: string;
  readonly receiver: string;
}

export const groupId = ({ groupKey: key, receiver }: GroupName): string => `${receiver}\n${key}`;
