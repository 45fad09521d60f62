/*
 * Strings in Go's notation, which is PromQL's. A string of PromQL is a run of bytes; ours are text. A byte that is no
 * part of valid UTF-8 (`"\xff"`) is kept as one lone surrogate U+DC80..U+DCFF, so that nothing is lost, the
 * string can be told to be invalid, and it prints as it was written.
 */
const LONE_BYTE = 0xdc00;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether the text holds a byte that is not part of valid UTF-8, or half a surrogate pair. */
export function isInvalidText(text: string): boolean {
  return LONE_SURROGATE.test(text);
}

/** Whether a label of a result may have this name: any valid text but the empty one, and `__proto__`, which no record can hold. */
export function isUsableLabelName(name: string): boolean {
  return name !== "" && name !== "__proto__" && !isInvalidText(name);
}

/** Text from bytes; invalid bytes become lone surrogates. */
function decodeBytes(bytes: readonly number[]): string {
  let text = "";
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at] as number;
    const length =
      first < 0x80 ? 1 : first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    let point =
      length === 1 ? first : length === 2 ? first & 0x1f : length === 3 ? first & 0x0f : first & 0x07;
    let valid = length > 0 && first < 0xf5 && at + length <= bytes.length;
    for (let i = 1; valid && i < length; i++) {
      const next = bytes[at + i] as number;
      if ((next & 0xc0) !== 0x80) valid = false;
      point = (point << 6) | (next & 0x3f);
    }
    if (valid && length === 3 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) valid = false;
    if (valid && length === 4 && (point < 0x10000 || point > 0x10ffff)) valid = false;
    text += valid ? String.fromCodePoint(point) : String.fromCharCode(LONE_BYTE + first);
    at += valid ? length : 1;
  }
  return text;
}

function encodePoint(point: number, into: number[]): void {
  if (point < 0x80) into.push(point);
  else if (point < 0x800) into.push(0xc0 | (point >> 6), 0x80 | (point & 0x3f));
  else if (point < 0x10000)
    into.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f));
  else {
    into.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 0x3f));
    into.push(0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f));
  }
}

const SIMPLE_ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  "\\": 92,
  "'": 39,
  '"': 34,
};

/** The value of a string literal, quotes included in `literal`; the lexer has checked its form. */
export function unquote(literal: string): string {
  const body = literal.slice(1, -1);
  if (literal.startsWith("`") || !body.includes("\\")) return body;
  const bytes: number[] = [];
  let at = 0;
  const readDigits = (count: number, base: number): number => {
    const value = Number.parseInt(body.slice(at, at + count), base);
    at += count;
    return value;
  };
  while (at < body.length) {
    const point = body.codePointAt(at) as number;
    at += point > 0xffff ? 2 : 1;
    if (point !== 92) {
      encodePoint(point, bytes);
      continue;
    }
    const kind = body[at] as string;
    const simple = SIMPLE_ESCAPES[kind];
    if (simple !== undefined) {
      at++;
      bytes.push(simple);
    } else if (kind === "x") {
      at++;
      bytes.push(readDigits(2, 16));
    } else if (kind === "u" || kind === "U") {
      at++;
      encodePoint(readDigits(kind === "u" ? 4 : 8, 16), bytes);
    } else {
      bytes.push(readDigits(3, 8));
    }
  }
  return decodeBytes(bytes);
}

const NAMED: Readonly<Record<number, string>> = {
  7: "\\a",
  8: "\\b",
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
};

const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, "0");
}

function quoteWith(text: string, mark: string): string {
  let out = mark;
  for (const char of text) {
    const point = char.codePointAt(0) as number;
    const named = NAMED[point];
    if (char === mark || char === "\\") out += `\\${char}`;
    else if (named !== undefined) out += named;
    else if (point < 0x20 || point === 0x7f) out += `\\x${hex(point, 2)}`;
    else if (point >= LONE_BYTE + 0x80 && point <= LONE_BYTE + 0xff) out += `\\x${hex(point - LONE_BYTE, 2)}`;
    else if (point >= 0xd800 && point <= 0xdfff) out += "\\ufffd";
    else if (point > 0x7f && UNPRINTABLE.test(char))
      out += point > 0xffff ? `\\U${hex(point, 8)}` : `\\u${hex(point, 4)}`;
    else out += char;
  }
  return out + mark;
}

/** A text in double quotes, as Go's `%q` prints it. */
export function quote(text: string): string {
  return quoteWith(text, '"');
}

/** One character in single quotes, as Go's `%q` prints it. */
export function quoteChar(char: string): string {
  return quoteWith(char, "'");
}
