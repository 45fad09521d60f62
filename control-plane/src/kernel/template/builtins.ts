/** The functions that every template of Go may call. `and` and `or` are the engine's own: they stop early. */
import { formatText } from "./printf.js";
import type { TemplateFunction, TemplateFunctions } from "./run-template.js";
import { TemplateError } from "./template-error.js";
import { entryOf, itemsOf, mapOf, SafeText, showValue, type TemplateValue, truth } from "./value.js";

/** Two values in order; numbers among numbers, texts among texts, and a text that is a number among numbers. */
function order(name: string, a: TemplateValue | undefined, b: TemplateValue | undefined): number {
  const [x, y] = [toNumber(a), toNumber(b)];
  if (x !== undefined && y !== undefined) return x < y ? -1 : x > y ? 1 : x === y ? 0 : Number.NaN;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  throw new TemplateError(`error calling ${name}: incompatible types for comparison`);
}

export function toNumber(value: TemplateValue | undefined): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || value.trim() === "") return undefined;
  if (/^[+]?inf$/i.test(value)) return Number.POSITIVE_INFINITY;
  if (/^-inf$/i.test(value)) return Number.NEGATIVE_INFINITY;
  const number = Number(value);
  return Number.isNaN(number) && !/^nan$/i.test(value) ? undefined : number;
}

const compare =
  (name: string, holds: (order: number) => boolean): TemplateFunction =>
  ([a, b, ...rest]) =>
    a === undefined || b === undefined || rest.length > 0 ? undefined : holds(order(name, a, b));

const text =
  (name: string, change: (text: string) => string): TemplateFunction =>
  (args) => {
    if (args.length === 0) throw new TemplateError(`error calling ${name}: wrong arguments`);
    return change(args.map((arg) => showValue(arg)).join(""));
  };

export function escapeHtml(plain: string): string {
  const signs: Readonly<Record<string, string>> = {
    ...{ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd" },
  };
  return plain.replace(/[&<>"'\0]/g, (sign) => signs[sign] ?? sign);
}

/** As Go's url.QueryEscape: all but letters, digits and `-_.~`; a space is a plus. */
export function escapeQuery(plain: string): string {
  return encodeURIComponent(plain.toWellFormed())
    .replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}

function sizeOf(value: TemplateValue | undefined): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return utf8Length(value);
  const map = mapOf(value);
  return map === undefined ? itemsOf(value)?.length : Object.keys(map).length;
}

/** Go counts bytes. */
function utf8Length(plain: string): number {
  let bytes = 0;
  for (const char of plain) {
    const point = char.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}

function index([first, ...keys]: readonly TemplateValue[]): TemplateValue | undefined {
  if (first === undefined) return undefined;
  let value = first;
  for (const key of keys) {
    const map = mapOf(value);
    if (map !== undefined && typeof key === "string") {
      value = entryOf(map, key);
      continue;
    }
    const items = itemsOf(value);
    if (items === undefined || typeof key !== "number") return undefined;
    const item = items[key];
    if (item === undefined) throw new TemplateError(`error calling index: index out of range: ${key}`);
    value = item;
  }
  return value;
}

function slice([value, from, to]: readonly TemplateValue[]): TemplateValue | undefined {
  const bounds = [from, to].map((bound) => (typeof bound === "number" ? bound : undefined));
  const whole = typeof value === "string" ? value : value === undefined ? undefined : itemsOf(value);
  if (whole === undefined) return undefined;
  const [start = 0, end = whole.length] = bounds;
  if (start < 0 || end > whole.length || start > end)
    throw new TemplateError("error calling slice: index out of range");
  return whole.slice(start, end);
}

/** Go's print puts a space between two operands when neither is a text. */
function print(args: readonly TemplateValue[]): string {
  return args
    .map((arg, at) => {
      const before = args[at - 1];
      const spaced = at > 0 && typeof arg !== "string" && typeof before !== "string";
      return (spaced ? " " : "") + showValue(arg);
    })
    .join("");
}

const equal = (a: TemplateValue, b: TemplateValue): boolean =>
  a === b || (a instanceof SafeText && b instanceof SafeText && a.text === b.text);

export const BUILTINS: TemplateFunctions = {
  // Kept among the functions so that their names are known; the engine answers them itself.
  and: (args) => args.find((value) => !truth(value)) ?? args.at(-1),
  or: (args) => args.find(truth) ?? args.at(-1),
  not: ([value]) => (value === undefined ? undefined : !truth(value)),
  len: ([value]) => sizeOf(value),
  index,
  slice,
  print,
  println: (args) => `${args.map((arg) => showValue(arg)).join(" ")}\n`,
  printf: ([format, ...args]) => (typeof format === "string" ? formatText(format, args) : undefined),
  html: text("html", escapeHtml),
  js: text("js", (plain) =>
    JSON.stringify(plain).slice(1, -1).replaceAll("<", "\\u003C").replaceAll("'", "\\'"),
  ),
  urlquery: text("urlquery", escapeQuery),
  eq: ([first, ...rest]) =>
    first === undefined || rest.length === 0 ? undefined : rest.some((other) => equal(first, other)),
  ne: ([a, b]) => (a === undefined || b === undefined ? undefined : !equal(a, b)),
  lt: compare("lt", (sign) => sign < 0),
  le: compare("le", (sign) => sign <= 0),
  gt: compare("gt", (sign) => sign > 0),
  ge: compare("ge", (sign) => sign >= 0),
};
