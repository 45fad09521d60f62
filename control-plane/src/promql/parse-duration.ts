import type { AtModifier, NumberLiteral, Span } from "./ast.js";
import { MAX_DURATION_MS, parseDuration } from "./duration.js";
import { formatFloat, parseNumberLiteral } from "./number.js";
import type { TokenStream } from "./token-stream.js";

const DURATION_OPERATORS: ReadonlySet<string> = new Set(["+", "-", "*", "/", "%", "^"]);

/** The number or duration that is next; a duration stands for its seconds. */
export function parseNumber(tokens: TokenStream): NumberLiteral {
  const token = tokens.next();
  const span: Span = { start: token.start, end: token.end };
  if (token.type === "duration") {
    const ms = parseDuration(token.text);
    if (typeof ms !== "number") throw tokens.fault(span, ms.invalid);
    return { kind: "number", value: ms / 1000, isDuration: true, span };
  }
  const value = parseNumberLiteral(token.text);
  if (value === undefined) {
    const reason = /^[0-9.]+$/.test(token.text) ? "value out of range" : "invalid syntax";
    throw tokens.fault(span, `error parsing number: strconv.ParseFloat: parsing "${token.text}": ${reason}`);
  }
  return { kind: "number", value, isDuration: false, span };
}

export function atNumber(tokens: TokenStream): boolean {
  return tokens.at("number") || tokens.at("duration");
}

/**
 * A length of time in ms, with any number of signs before it. Sums and the like are experimental in
 * Prometheus and refused. `notOne` makes the error if there is no duration at all.
 */
function parseSignedMs(
  tokens: TokenStream,
  notOne: () => Error,
): { readonly ms: number; readonly span: Span } {
  const first = tokens.peek();
  let sign = 1;
  while (tokens.at("+") || tokens.at("-")) {
    if (tokens.next().type === "-") sign = -sign;
  }
  if (tokens.at("(")) throw tokens.fault(first, "experimental duration expression is not enabled");
  if (!atNumber(tokens)) throw notOne();
  const literal = parseNumber(tokens);
  const span = { start: first.start, end: literal.span.end };
  const ms = sign * literal.value * 1000;
  if (!(Math.abs(ms) <= MAX_DURATION_MS)) throw tokens.fault(span, "duration out of range");
  return { ms: Math.round(ms), span };
}

/** The length within brackets: greater than 0. */
export function parsePositiveMs(tokens: TokenStream, notOne: () => Error): number {
  const { ms, span } = parseSignedMs(tokens, notOne);
  if (DURATION_OPERATORS.has(tokens.peek().type)) {
    throw tokens.fault(span, "experimental duration expression is not enabled");
  }
  if (ms <= 0) throw tokens.fault(span, "duration must be greater than 0");
  return ms;
}

/** What follows `offset`. */
export function parseOffsetMs(tokens: TokenStream): number {
  return parseSignedMs(tokens, () => tokens.unexpected("offset", "number or duration")).ms;
}

/** What follows `@`; `before` is the expression it applies to, where an impossible time is reported. */
export function parseAtModifier(tokens: TokenStream, before: Span): AtModifier {
  if (tokens.at("start") || tokens.at("end")) {
    const kind = tokens.next().type === "start" ? "start" : "end";
    for (const paren of ["(", ")"]) if (tokens.take(paren) === undefined) throw tokens.unexpected();
    return { kind };
  }
  let sign = 1;
  if (tokens.at("+") || tokens.at("-")) sign = tokens.next().type === "-" ? -1 : 1;
  if (!atNumber(tokens)) throw tokens.unexpected("@", "timestamp");
  const seconds = sign * parseNumber(tokens).value;
  if (!(Math.abs(seconds) < 2 ** 63)) {
    throw tokens.fault(before, `timestamp out of bounds for @ modifier: ${formatFloat(seconds)}`);
  }
  return { kind: "time", at: Math.round(seconds * 1000) };
}
