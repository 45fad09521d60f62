/** What notices' templates may call besides Go's own functions: Alertmanager's set. */
import { humanizeDuration, match, reReplaceAll, title } from "../../alerting/domain/template-functions.js";
import { toNumber } from "../../kernel/template/builtins.js";
import { GoDuration, GoTime } from "../../kernel/template/go-time.js";
import type { TemplateFunction, TemplateFunctions } from "../../kernel/template/run-template.js";
import { TemplateError } from "../../kernel/template/template-error.js";
import {
  isList,
  isMap,
  itemsOf,
  SafeText,
  TemplateObject,
  type TemplateValue,
} from "../../kernel/template/value.js";
import { SECOND } from "../../kernel/time.js";

const textual =
  (change: (text: string) => TemplateValue): TemplateFunction =>
  ([text]) =>
    typeof text === "string" ? change(text) : undefined;

/** Deepest value that is written as JSON. */
const JSON_DEPTH_MAX = 20;

function plain(value: TemplateValue, depth = 0): unknown {
  if (depth > JSON_DEPTH_MAX) throw new TemplateError("error calling toJson: a value is nested too deep");
  if (value instanceof TemplateObject) return plain(value.plain(), depth + 1);
  if (isList(value)) return value.map((item) => plain(item, depth + 1));
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part, depth + 1)]));
}

function urlUnescape(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new TemplateError("error calling urlUnescape: invalid URL escape");
  }
}

export const NOTICE_FUNCTIONS: TemplateFunctions = {
  toUpper: textual((text) => text.toUpperCase()),
  toLower: textual((text) => text.toLowerCase()),
  title,
  trimSpace: textual((text) => text.trim()),
  match,
  reReplaceAll,
  safeHtml: textual((text) => new SafeText(text)),
  safeUrl: textual((text) => new SafeText(text)),
  urlUnescape: textual(urlUnescape),
  /** `join ", " list`: the separator first, so that a list can be piped in. */
  join: ([separator, list]) => {
    const items = list === undefined ? undefined : itemsOf(list);
    if (typeof separator !== "string" || items === undefined) return undefined;
    return items.every((item) => typeof item === "string") ? items.join(separator) : undefined;
  },
  stringSlice: (texts) => (texts.every((text) => typeof text === "string") ? texts : undefined),
  list: (items) => items,
  append: ([list, ...items]) => {
    const known = list === undefined ? undefined : itemsOf(list);
    return known === undefined ? undefined : [...known, ...items];
  },
  dict: (args) => {
    if (args.length % 2 === 1) return undefined;
    const entries: [string, TemplateValue][] = [];
    for (let at = 0; at < args.length; at += 2) {
      const [name, value] = [args[at], args[at + 1]];
      if (typeof name !== "string" || value === undefined) return undefined;
      entries.push([name, value]);
    }
    return Object.fromEntries(entries);
  },
  date: ([layout, time]) =>
    typeof layout === "string" && time instanceof GoTime ? time.format(layout) : undefined,
  tz: ([zone, time]) => (typeof zone === "string" && time instanceof GoTime ? time.in(zone) : undefined),
  now: (_, { now }) => new GoTime(now),
  since: ([time], { now }) =>
    time instanceof GoTime ? new GoDuration(now - (time.instant ?? 0)) : undefined,
  humanizeDuration: ([value]) => {
    const seconds = value instanceof GoDuration ? value.length / SECOND : toNumber(value);
    return seconds === undefined ? undefined : humanizeDuration(seconds);
  },
  toJson: ([value]) => (value === undefined ? undefined : JSON.stringify(plain(value))),
};
