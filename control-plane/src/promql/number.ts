/**
 * The value of a number literal of PromQL: decimal, hexadecimal, octal with a leading 0, with `_` between
 * digits, `Inf` and `NaN` in any case. `undefined` if it is none or too large.
 */
export function parseNumberLiteral(text: string): number | undefined {
  const lower = text.toLowerCase();
  if (lower === "inf" || lower === "+inf") return Number.POSITIVE_INFINITY;
  if (lower === "-inf") return Number.NEGATIVE_INFINITY;
  if (lower === "nan") return Number.NaN;
  const plain = lower.replaceAll("_", "");
  if (/^0x[0-9a-f]+$/.test(plain)) return Number(plain);
  if (/^0[0-7]+$/.test(plain)) return Number.parseInt(plain, 8);
  if (!/^([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/.test(plain)) return undefined;
  const value = Number(plain);
  return Number.isFinite(value) ? value : undefined;
}

/** A float from a label such as `le`, as Go's `ParseFloat` reads it; `undefined` if it is none. */
export function parseFloatLabel(text: string): number | undefined {
  const match =
    /^([+-]?)(inf|infinity|nan|[0-9]+\.?[0-9]*(?:e[+-]?[0-9]+)?|\.[0-9]+(?:e[+-]?[0-9]+)?)$/i.exec(text);
  if (match === null) return undefined;
  const body = (match[2] as string).toLowerCase();
  if (body === "nan") return Number.NaN;
  const size = body.startsWith("inf") ? Number.POSITIVE_INFINITY : Number(body);
  if (size === Number.POSITIVE_INFINITY && !body.startsWith("inf")) return undefined;
  return match[1] === "-" ? -size : size;
}

/** The shortest decimal text without exponent that reads back as `value`, as Go's `FormatFloat(v, 'f', -1, 64)`: `NaN`, `+Inf`, `-Inf`. */
export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  if (Object.is(value, -0)) return "-0";
  const short = String(value);
  const match = /^(-?)([0-9]+)(?:\.([0-9]+))?e([+-][0-9]+)$/.exec(short);
  if (match === null) return short;
  const sign = match[1] as string;
  const whole = match[2] as string;
  const fraction = match[3] ?? "";
  const exponent = Number(match[4]);
  const digits = whole + fraction;
  const point = whole.length + exponent;
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  if (point >= digits.length) return `${sign}${digits}${"0".repeat(point - digits.length)}`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** The shortest text in Go's `%g` form: exponent below 1e-4 and from 1e21 on. */
export function formatGeneral(value: number): string {
  if (!Number.isFinite(value) || value === 0) return formatFloat(value);
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e21) return formatFloat(value);
  return value.toExponential().replace(/e([+-])([0-9])$/, "e$10$2");
}
