/** Go's fmt.Sprintf, as far as templates use it. */
import { showNumber, showValue, type TemplateValue, twoDigitExponent } from "./value.js";

/** Widest field and most digits that a format may ask for. */
const WIDTH_MAX = 1_000;
const DIGITS_MAX = 100;

const VERB = /%([-+# 0]*)(\d*)(?:\.(\d*))?([a-zA-Z%])/g;

/** Never throws: a verb that does not fit says so in its place, as in Go. */
export function formatText(format: string, args: readonly TemplateValue[]): string {
  let next = 0;
  const text = format.replace(
    VERB,
    (_, flags: string, width: string, precision: string | undefined, verb: string) => {
      if (verb === "%") return "%";
      if (next >= args.length) return `%!${verb}(MISSING)`;
      const value = args[next++] as TemplateValue;
      const digits = precision === undefined ? undefined : Math.min(Number(precision), DIGITS_MAX);
      const shown = one(value, verb, digits);
      if (shown === undefined) return `%!${verb}(${typeof value}=${showValue(value)})`;
      const signed = flags.includes("+") && typeof value === "number" && value >= 0 ? `+${shown}` : shown;
      return pad(signed, flags, Math.min(Number(width) || 0, WIDTH_MAX));
    },
  );
  if (next >= args.length) return text;
  const extra = args.slice(next).map((value) => `${typeof value}=${showValue(value)}`);
  return `${text}%!(EXTRA ${extra.join(", ")})`;
}

/** Numbers are taken from texts too: labels are texts. */
function numberOf(value: TemplateValue): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || value.trim() === "") return undefined;
  const number = Number(value);
  return Number.isNaN(number) ? undefined : number;
}

function one(value: TemplateValue, verb: string, digits: number | undefined): string | undefined {
  if (verb === "v" || verb === "s") {
    const text = showValue(value);
    return verb === "s" && digits !== undefined ? text.slice(0, digits) : text;
  }
  if (verb === "q") return JSON.stringify(showValue(value));
  if (verb === "t") return typeof value === "boolean" ? String(value) : undefined;
  if ((verb === "x" || verb === "X") && typeof value === "string") {
    const hex = [...value].map((char) => (char.codePointAt(0) ?? 0).toString(16).padStart(2, "0")).join("");
    return verb === "X" ? hex.toUpperCase() : hex;
  }
  const number = numberOf(value);
  return number === undefined ? undefined : oneNumber(number, verb, digits);
}

function oneNumber(value: number, verb: string, digits: number | undefined): string | undefined {
  if (!Number.isFinite(value) && "fFgGeE".includes(verb)) return showNumber(value);
  switch (verb) {
    case "f":
    case "F":
      return value.toFixed(digits ?? 6);
    case "e":
      return twoDigitExponent(value.toExponential(digits ?? 6));
    case "E":
      return twoDigitExponent(value.toExponential(digits ?? 6)).toUpperCase();
    case "g":
    case "G":
      return digits === undefined ? showNumber(value) : significant(value, Math.max(1, digits));
    case "d":
      return String(Math.trunc(value));
    case "x":
      return Math.trunc(value).toString(16);
    case "X":
      return Math.trunc(value).toString(16).toUpperCase();
    case "o":
      return Math.trunc(value).toString(8);
    case "b":
      return Math.trunc(value).toString(2);
    case "c":
      return value >= 0 && value <= 0x10ffff ? String.fromCodePoint(Math.trunc(value)) : "\ufffd";
    default:
      return undefined;
  }
}

/** `%.4g` of C and Go: so many significant digits, no trailing zeros. */
export function significant(value: number, digits: number): string {
  if (!Number.isFinite(value)) return showNumber(value);
  if (value === 0) return "0";
  const [mantissa = "", power = "0"] = value.toExponential(digits - 1).split("e");
  const exponent = Number(power);
  const trim = (text: string): string => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (exponent >= -4 && exponent < digits) return trim(value.toPrecision(digits));
  return `${trim(mantissa)}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

function pad(text: string, flags: string, width: number): string {
  if (flags.includes("-")) return text.padEnd(width);
  if (!flags.includes("0")) return text.padStart(width);
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  return sign + text.slice(sign.length).padStart(width - sign.length, "0");
}
