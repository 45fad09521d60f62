/** The functions that templates may call, as Prometheus defines them (docs: template reference). */
import { escapeQuery, toNumber } from "../../kernel/template/builtins.js";
import { GoDuration, GoTime } from "../../kernel/template/go-time.js";
import { significant } from "../../kernel/template/printf.js";
import type { TemplateFunction, TemplateFunctions } from "../../kernel/template/run-template.js";
import { TemplateError } from "../../kernel/template/template-error.js";
import { SafeText } from "../../kernel/template/value.js";
import { parseDuration, SECOND } from "../../kernel/time.js";
import { type CompiledRegexp, compileRegexp, replaceAllMatches } from "../../promql/regexp.js";
import { RegexpError } from "../../promql/regexp-syntax.js";
import { QUERY_FUNCTIONS } from "./query-functions.js";

const numeric =
  (format: (value: number) => string): TemplateFunction =>
  ([value]) => {
    const number = toNumber(value);
    return number === undefined ? undefined : format(number);
  };

const textual =
  (format: (text: string) => string): TemplateFunction =>
  ([text]) =>
    typeof text === "string" ? format(text) : undefined;

/** `%.4g` of C and Go. */
const fourDigits = (value: number): string => significant(value, 4);

function humanize(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return fourDigits(value);
  const large = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"];
  const small = ["", "m", "u", "n", "p", "f", "a", "z", "y"];
  let rest = value;
  let step = 0;
  if (Math.abs(value) >= 1) {
    while (Math.abs(rest) >= 1000 && step < large.length - 1) {
      rest /= 1000;
      step++;
    }
    return `${fourDigits(rest)}${large[step]}`;
  }
  while (Math.abs(rest) < 1 && step < small.length - 1) {
    rest *= 1000;
    step++;
  }
  return `${fourDigits(rest)}${small[step]}`;
}

function humanize1024(value: number): string {
  if (Math.abs(value) <= 1 || !Number.isFinite(value)) return fourDigits(value);
  const units = ["", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];
  let rest = value;
  let step = 0;
  while (Math.abs(rest) >= 1024 && step < units.length - 1) {
    rest /= 1024;
    step++;
  }
  return `${fourDigits(rest)}${units[step]}`;
}

export function humanizeDuration(value: number): string {
  if (!Number.isFinite(value)) return fourDigits(value);
  if (value === 0) return "0s";
  if (Math.abs(value) >= 1) {
    const sign = value < 0 ? "-" : "";
    const total = Math.trunc(Math.abs(value));
    const seconds = total % 60;
    const minutes = Math.floor(total / 60) % 60;
    const hours = Math.floor(total / 3600) % 24;
    const days = Math.floor(total / 86400);
    if (days !== 0) return `${sign}${days}d ${hours}h ${minutes}m ${seconds}s`;
    if (hours !== 0) return `${sign}${hours}h ${minutes}m ${seconds}s`;
    if (minutes !== 0) return `${sign}${minutes}m ${seconds}s`;
    // Below a minute the fraction is shown.
    return `${fourDigits(value)}s`;
  }
  const units = ["", "m", "u", "n", "p", "f", "a", "z", "y"];
  let rest = value;
  let step = 0;
  while (Math.abs(rest) < 1 && step < units.length - 1) {
    rest *= 1000;
    step++;
  }
  return `${fourDigits(rest)}${units[step]}s`;
}

function humanizeTimestamp(seconds: number): string {
  const time = timeOf(seconds);
  return time === undefined ? fourDigits(seconds) : time.show();
}

/** Seconds since the epoch as a time, to the millisecond; undefined for what no calendar has. */
function timeOf(seconds: number): GoTime | undefined {
  const instant = Math.trunc(seconds * SECOND);
  return Math.abs(instant) <= INSTANT_MAX ? new GoTime(instant) : undefined;
}

/** As far as calendars go here. */
const INSTANT_MAX = 8.64e15;

/** The pattern, compiled; it never takes more time than its length times the text's. */
export function compilePattern(name: string, pattern: string): CompiledRegexp {
  try {
    return compileRegexp(pattern);
  } catch (error) {
    if (error instanceof RegexpError) throw new TemplateError(`error calling ${name}: ${error.message}`);
    throw error;
  }
}

/** Longest text in which a pattern is looked for. */
const SEARCHED_MAX = 64 * 1024;

export const reReplaceAll: TemplateFunction = ([pattern, replacement, text]) => {
  if (typeof pattern !== "string" || typeof replacement !== "string" || typeof text !== "string")
    return undefined;
  if (text.length > SEARCHED_MAX) throw new TemplateError("error calling reReplaceAll: the text is too long");
  return replaceAllMatches(compilePattern("reReplaceAll", pattern), text, replacement);
};

/** Whether the pattern is found anywhere. */
export const match: TemplateFunction = ([pattern, text]) => {
  if (typeof pattern !== "string" || typeof text !== "string") return undefined;
  if (text.length > SEARCHED_MAX) throw new TemplateError("error calling match: the text is too long");
  return compilePattern("match", pattern).find(text, 0) !== undefined;
};

/** The first letter of each word large. */
export const title = textual((text) =>
  text.replace(
    /(^|[^\p{L}\p{N}_'])(\p{Ll})/gu,
    (_, before: string, letter: string) => before + letter.toUpperCase(),
  ),
);

const seconds: TemplateFunction = ([text]) => {
  const duration = typeof text === "string" ? parseDuration(text) : undefined;
  return duration === undefined ? undefined : duration / SECOND;
};

/** What rules may call besides Go's own functions. */
export const RULE_FUNCTIONS: TemplateFunctions = {
  humanize: numeric(humanize),
  humanize1024: numeric(humanize1024),
  humanizeDuration: numeric(humanizeDuration),
  humanizePercentage: numeric((value) => `${fourDigits(value * 100)}%`),
  humanizeTimestamp: numeric(humanizeTimestamp),
  toUpper: textual((text) => text.toUpperCase()),
  toLower: textual((text) => text.toLowerCase()),
  title,
  stripPort: textual((text) => text.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1")),
  stripDomain: textual((text) =>
    /^[\d.]+(:\d+)?$/.test(text) ? text : text.replace(/^([^.:]+)\.[^:]*/, "$1"),
  ),
  reReplaceAll,
  match,
  safeHtml: ([text]) => (typeof text === "string" ? new SafeText(text) : undefined),
  parseDuration: seconds,
  externalURL: (_, { variables }) => variables?.["$externalURL"] ?? "",
  pathPrefix: (_, { variables }) => {
    const url = variables?.["$externalURL"];
    return typeof url === "string"
      ? url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "")
      : "";
  },
  toTime: ([value]) => {
    const seconds = toNumber(value);
    return seconds === undefined ? undefined : timeOf(seconds);
  },
  toDuration: ([value]) => {
    const length = toNumber(value);
    return length === undefined ? undefined : new GoDuration(length * SECOND);
  },
  now: (_, { now }) => now / SECOND,
  args: (values) => Object.fromEntries(values.map((value, index) => [`arg${index}`, value])),
  urlQueryEscape: textual(escapeQuery),
  ...QUERY_FUNCTIONS,
};
