/** The functions that templates may call, as Prometheus defines them (docs: template reference). */
import type { Labels } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";

export type TemplateValue = string | number | boolean | Labels;

/** Undefined: the arguments do not fit. */
export type TemplateFunction = (args: readonly TemplateValue[], now: Instant) => TemplateValue | undefined;

export function truth(value: TemplateValue): boolean {
  if (typeof value === "object") return Object.keys(value).length > 0;
  return typeof value === "number" ? value !== 0 : value !== "" && value !== false;
}

function toNumber(value: TemplateValue | undefined): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || value.trim() === "") return undefined;
  if (/^[+]?inf$/i.test(value)) return Number.POSITIVE_INFINITY;
  if (/^-inf$/i.test(value)) return Number.NEGATIVE_INFINITY;
  const number = Number(value);
  return Number.isNaN(number) && !/^nan$/i.test(value) ? undefined : number;
}

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

/** `%.4g` of C and Go: four significant digits, no trailing zeros. */
function fourDigits(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value === 0) return "0";
  const exponent = Number(value.toExponential(3).split("e")[1]);
  if (exponent < -4 || exponent >= 4) {
    const [digits, power] = value.toExponential(3).split("e") as [string, string];
    const sign = power.startsWith("-") ? "-" : "+";
    const trimmed = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
    return `${trimmed}e${sign}${power.replace(/^[+-]/, "").padStart(2, "0")}`;
  }
  const text = value.toPrecision(4);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

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

function humanizeDuration(value: number): string {
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
  if (!Number.isFinite(seconds)) return fourDigits(seconds);
  const total = Math.floor(seconds);
  // Days since the epoch to a civil date, after Hinnant's algorithm; there is no Date here.
  const days = Math.floor(total / 86400);
  const z = days + 719468;
  const era = Math.floor(z / 146097);
  const dayOfEra = z - era * 146097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1;
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const two = (n: number): string => String(n).padStart(2, "0");
  const clock = total - days * 86400;
  return `${year}-${two(month)}-${two(day)} ${two(Math.floor(clock / 3600))}:${two(Math.floor(clock / 60) % 60)}:${two(clock % 60)} +0000 UTC`;
}

function printf([format, ...args]: readonly TemplateValue[]): string | undefined {
  if (typeof format !== "string") return undefined;
  let next = 0;
  return format.replace(
    /%(-?0?\d*)(?:\.(\d+))?([vsdfgeqtx%])/g,
    (_, width: string, precision: string | undefined, verb: string) => {
      if (verb === "%") return "%";
      const value = args[next++];
      if (value === undefined) return `%!${verb}(MISSING)`;
      return pad(one(value, verb, precision), width);
    },
  );
}

function one(value: TemplateValue, verb: string, precision: string | undefined): string {
  const number = toNumber(value);
  const digits = precision === undefined ? undefined : Math.min(Number(precision), 100);
  if (verb === "f" && number !== undefined)
    return Number.isFinite(number) ? number.toFixed(digits ?? 6) : fourDigits(number);
  if (verb === "e" && number !== undefined)
    return number.toExponential(digits ?? 6).replace(/e([+-])(\d)$/, "e$10$2");
  if (verb === "g" && number !== undefined)
    return digits === undefined ? String(number) : String(Number(number.toPrecision(Math.max(1, digits))));
  if (verb === "d" && number !== undefined) return String(Math.trunc(number));
  if (verb === "x" && number !== undefined) return Math.trunc(number).toString(16);
  if (verb === "q") return JSON.stringify(String(value));
  const text = String(value);
  return verb === "s" && digits !== undefined ? text.slice(0, digits) : text;
}

function pad(text: string, width: string): string {
  const size = Math.min(Number(width.replace(/^-?0?/, "")) || 0, 1_000);
  if (width.startsWith("-")) return text.padEnd(size);
  return width.startsWith("0") ? text.padStart(size, "0") : text.padStart(size);
}

const compare =
  (holds: (a: number, b: number) => boolean): TemplateFunction =>
  ([a, b]) => {
    const [x, y] = [toNumber(a), toNumber(b)];
    return x === undefined || y === undefined ? undefined : holds(x, y);
  };

export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  humanize: numeric(humanize),
  humanize1024: numeric(humanize1024),
  humanizeDuration: numeric(humanizeDuration),
  humanizePercentage: numeric((value) => `${fourDigits(value * 100)}%`),
  humanizeTimestamp: numeric(humanizeTimestamp),
  toUpper: textual((text) => text.toUpperCase()),
  toLower: textual((text) => text.toLowerCase()),
  title: textual((text) =>
    text.replace(/(^|\s)(\p{Ll})/gu, (_, before: string, letter: string) => before + letter.toUpperCase()),
  ),
  stripPort: textual((text) => text.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1")),
  stripDomain: textual((text) =>
    /^[\d.]+(:\d+)?$/.test(text) ? text : text.replace(/^([^.:]+)\.[^:]*/, "$1"),
  ),
  reReplaceAll: ([pattern, replacement, text]) => {
    if (typeof pattern !== "string" || typeof replacement !== "string" || typeof text !== "string")
      return undefined;
    try {
      return text.replace(new RegExp(pattern, "gu"), replacement.replace(/\$\{(\w+)\}/g, "$$$1"));
    } catch {
      return undefined;
    }
  },
  printf,
  print: (args) => args.map(String).join(""),
  eq: ([first, ...rest]) => (first === undefined || rest.length === 0 ? undefined : rest.includes(first)),
  ne: ([a, b]) => (a === undefined || b === undefined ? undefined : a !== b),
  lt: compare((a, b) => a < b),
  le: compare((a, b) => a <= b),
  gt: compare((a, b) => a > b),
  ge: compare((a, b) => a >= b),
  not: ([value]) => (value === undefined ? undefined : !truth(value)),
  and: (args) => args.find((value) => !truth(value)) ?? args.at(-1),
  or: (args) => args.find(truth) ?? args.at(-1),
  len: ([value]) =>
    typeof value === "string"
      ? value.length
      : typeof value === "object"
        ? Object.keys(value).length
        : undefined,
  index: ([map, key]) => (typeof map === "object" && typeof key === "string" ? (map[key] ?? "") : undefined),
};
