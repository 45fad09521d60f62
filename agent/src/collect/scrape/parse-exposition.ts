/**
 * The text exposition format of Prometheus (version 0.0.4), read line by line; pure. Hostile text costs one pass over
 * it and no more: nothing here backtracks, and every bound is the caller's.
 */

/** Why a text is not an exposition. */
export interface ExpositionFault {
  /** From 1. */
  readonly line: number;
  readonly because: string;
}

/** Takes one sample: the text that names its series, exactly as it stands there, and its value. False ends the parsing. */
export type TakeSample = (seriesText: string, value: number) => boolean;

const TAB = 9;
const SPACE = 32;
const QUOTE = 34;
const HASH = 35;
const BACKSLASH = 92;
const OPEN = 123;
const CLOSE = 125;

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/u;
/** Name and labels of one series. What Kubernetes exporters say of a pod is about 1 KB. */
const SERIES_TEXT_MAX = 65_536;

/** Whether a series' text was taken before: then it is known to be whole, and its line needs no careful reading. */
export type IsKnown = (seriesText: string) => boolean;

/**
 * Gives every sample of `text` to `take`. Comments, types, timestamps and exemplars are passed over: a reading has one
 * time, that of the scrape (Prometheus' `honor_timestamps: false`). Answers with the first fault, after which nothing
 * of the text should be believed.
 */
export function parseExposition(
  text: string,
  take: TakeSample,
  isKnown: IsKnown = () => false,
): ExpositionFault | undefined {
  const { length } = text;
  let at = 0;
  for (let line = 1; at < length; line++) {
    let end = text.indexOf("\n", at);
    if (end < 0) end = length;
    const start = at;
    at = end + 1;
    // The ordinary line, in native steps alone: a series that is known, one blank, a value. That this cut is the one that
    // careful reading would make follows from the text being known: it ends where labels or a name end.
    // Within the line: looking back from its end in the whole text would go through all lines before that have no blank.
    const whole = text.slice(start, end);
    const blank = whole.lastIndexOf(" ");
    if (blank > 0) {
      const seriesText = whole.slice(0, blank);
      const value = isKnown(seriesText) ? parseNumber(whole.slice(blank + 1)) : undefined;
      if (value !== undefined) {
        if (take(seriesText, value)) continue;
        return undefined;
      }
    }
    const from = skipBlanks(text, start, end);
    if (from >= end || text.charCodeAt(from) === HASH) continue;
    const seriesEnd = endOfSeries(text, from, end);
    if (seriesEnd < 0) return { line, because: "the labels do not end" };
    if (seriesEnd === from) return { line, because: "there is no metric name" };
    if (seriesEnd - from > SERIES_TEXT_MAX)
      return { line, because: `a series' text is over ${SERIES_TEXT_MAX} long` };
    const valueFrom = skipBlanks(text, seriesEnd, end);
    const valueEnd = endOfWord(text, valueFrom, end);
    const value = parseNumber(text.slice(valueFrom, valueEnd));
    if (value === undefined)
      return { line, because: `the value is ${quoted(text.slice(valueFrom, valueEnd))}` };
    const fault = faultOfTail(text, valueEnd, end);
    if (fault !== undefined) return { line, because: fault };
    if (!take(text.slice(from, seriesEnd), value)) return undefined;
  }
  return undefined;
}

/** A metric's name and labels. */
export interface ParsedSeries {
  readonly name: string;
  /** Names and values in the order of the text. */
  readonly labels: readonly (readonly [name: string, value: string])[];
}

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/u;
// After a label comes a comma or, looked at only, the brace that ends them.
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(?:,|(?=\}$))/uy;

/** The name and labels that a series' text says, or why it does not. */
export function parseSeriesText(text: string): ParsedSeries | { readonly because: string } {
  const open = text.indexOf("{");
  const name = (open < 0 ? text : text.slice(0, open)).trim();
  if (!METRIC_NAME.test(name)) return { because: `${quoted(name)} is no metric name` };
  if (open < 0) return { name, labels: [] };
  const close = text.length - 1;
  const labels: [string, string][] = [];
  const seen = new Set(["__name__"]);
  // A comma after the last label is allowed, so a blank rest is the end.
  for (
    let at = skipBlanks(text, open + 1, close);
    at < close;
    at = skipBlanks(text, LABEL.lastIndex, close)
  ) {
    LABEL.lastIndex = at;
    const match = LABEL.exec(text);
    const [label, value] = [match?.[1], match?.[2]];
    if (label === undefined || value === undefined)
      return { because: `labels at ${quoted(text.slice(at, close))}` };
    if (seen.has(label)) return { because: `label ${quoted(label)} may not stand there, or not twice` };
    seen.add(label);
    labels.push([label, unescapeLabel(value)]);
  }
  return { name, labels };
}

function skipBlanks(text: string, from: number, end: number): number {
  let at = from;
  while (at < end && isBlank(text.charCodeAt(at))) at++;
  return at;
}

function endOfWord(text: string, from: number, end: number): number {
  let at = from;
  while (at < end && !isBlank(text.charCodeAt(at))) at++;
  return at;
}

function isBlank(code: number): boolean {
  // A carriage return: some exporters are written on Windows, and Prometheus' own lexer takes it for a blank too.
  return code === SPACE || code === TAB || code === 13;
}

/** The end of name and labels; -1 when a brace or a quote is open at the end of the line. */
function endOfSeries(text: string, from: number, end: number): number {
  let at = from;
  for (; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === OPEN) return endOfLabels(text, at, end);
    if (!isBlank(code)) continue;
    // `name {a="b"} 1` is allowed.
    const next = skipBlanks(text, at, end);
    return text.charCodeAt(next) === OPEN && next < end ? endOfLabels(text, next, end) : at;
  }
  return at;
}

function endOfLabels(text: string, from: number, end: number): number {
  let quotes = false;
  for (let at = from; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH && quotes) at++;
    else if (code === QUOTE) quotes = !quotes;
    else if (code === CLOSE && !quotes) return at + 1;
  }
  return -1;
}

/** A float as Go reads it, less the hexadecimal ones and underscores, which Prometheus refuses too. */
export function parseNumber(word: string): number | undefined {
  if (NUMBER.test(word)) return Number(word);
  switch (word.toLowerCase()) {
    case "nan":
    case "+nan":
    case "-nan":
      return Number.NaN;
    case "inf":
    case "+inf":
    case "infinity":
    case "+infinity":
      return Number.POSITIVE_INFINITY;
    case "-inf":
    case "-infinity":
      return Number.NEGATIVE_INFINITY;
    default:
      return undefined;
  }
}

/** What may follow the value: a timestamp, an exemplar after `#`, nothing. */
function faultOfTail(text: string, from: number, end: number): string | undefined {
  let at = skipBlanks(text, from, end);
  if (at >= end || text.charCodeAt(at) === HASH) return undefined;
  const wordEnd = endOfWord(text, at, end);
  const timestamp = text.slice(at, wordEnd);
  if (!NUMBER.test(timestamp)) return `the timestamp is ${quoted(timestamp)}`;
  at = skipBlanks(text, wordEnd, end);
  if (at < end && text.charCodeAt(at) !== HASH)
    return `${quoted(text.slice(at, end))} stands after the timestamp`;
  return undefined;
}

function unescapeLabel(value: string): string {
  if (!value.includes("\\")) return value;
  // Prometheus keeps the backslash of an escape that it does not know.
  return value.replaceAll(/\\(.)/gu, (whole, escaped: string) => {
    if (escaped === "n") return "\n";
    return escaped === "\\" || escaped === '"' ? escaped : whole;
  });
}

/** Foreign text in a message: bounded and escaped. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}
