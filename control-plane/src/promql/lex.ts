import { quoteChar } from "./quote.js";
import { KEYWORDS, type Token, type TokenType } from "./tokens.js";

const SIGNS_INSIDE_BRACKETS = new Set("()+-*/%^".split(""));

function isSpace(char: string): boolean {
  return char === " " || char === "\t" || char === "\n" || char === "\r";
}

function isDigit(char: string): boolean {
  return char >= "0" && char <= "9";
}

function isAlpha(char: string): boolean {
  return char === "_" || (char >= "a" && char <= "z") || (char >= "A" && char <= "Z");
}

function isAlphaNumeric(char: string): boolean {
  return isAlpha(char) || isDigit(char);
}

/**
 * Cuts the text of an expression into tokens, one at each call of {@link next}; comments (`#` to the end of the line) and
 * white space are left out. A fault is a token of type `error`, after which there is nothing but that token.
 * Which characters mean what depends on where they stand: inside braces there are no keywords, inside brackets
 * only numbers and durations.
 */
export class Lexer {
  private at = 0;
  private start = 0;
  private parenDepth = 0;
  private braceOpen = false;
  private bracketOpen = false;
  private gotColon = false;
  private gotDuration = false;
  private failed: Token | undefined;

  constructor(private readonly text: string) {}

  next(): Token {
    if (this.failed !== undefined) return this.failed;
    this.skipBlank();
    this.start = this.at;
    if (this.braceOpen) return this.insideBraces();
    if (this.bracketOpen) return this.insideBrackets();
    return this.statement();
  }

  private skipBlank(): void {
    for (;;) {
      if (isSpace(this.peek())) this.at++;
      else if (this.peek() === "#" && !this.bracketOpen) {
        while (this.at < this.text.length && this.peek() !== "\n" && this.peek() !== "\r") this.at++;
      } else return;
    }
  }

  /** The character here or `ahead` of it; empty at the end. */
  private peek(ahead = 0): string {
    return this.text[this.at + ahead] ?? "";
  }

  /** The whole code point here, for messages. */
  private here(): string {
    const point = this.text.codePointAt(this.at);
    return point === undefined ? "" : String.fromCodePoint(point);
  }

  private take(length: number, type?: TokenType): Token {
    this.at += length;
    const text = this.text.slice(this.start, this.at);
    return { type: type ?? text, text, start: this.start, end: this.at };
  }

  private fail(message: string): Token {
    this.failed = { type: "error", text: message, start: this.start, end: this.text.length };
    return this.failed;
  }

  private statement(): Token {
    const char = this.peek();
    const following = this.peek(1);
    switch (char) {
      case "":
        if (this.parenDepth > 0) return this.fail("unclosed left parenthesis");
        return this.take(0, "eof");
      case ",":
      case "*":
      case "/":
      case "%":
      case "+":
      case "-":
      case "^":
      case "@":
        return this.take(1);
      case "=":
        if (following === "~") return this.fail(`unexpected character after '=': ${quoteChar("~")}`);
        return this.take(following === "=" ? 2 : 1);
      case "!":
        if (following === "=") return this.take(2);
        this.at++;
        return this.fail(
          `unexpected character after '!': ${this.here() === "" ? "'\\ufffd'" : quoteChar(this.here())}`,
        );
      case "<":
      case ">":
        return this.take(following === "=" ? 2 : 1);
      case "(":
        this.parenDepth++;
        return this.take(1);
      case ")":
        return this.closeParen();
      case "{":
        this.braceOpen = true;
        return this.take(1);
      case "[":
        this.bracketOpen = true;
        this.gotColon = false;
        this.gotDuration = false;
        return this.take(1);
      case "]":
        return this.fail(`unexpected right bracket ${quoteChar(char)}`);
      case '"':
      case "'":
        return this.quoted(char);
      case "`":
        return this.rawString();
      default:
        if (isDigit(char) || (char === "." && isDigit(following))) return this.numberOrDuration();
        if (isAlpha(char) || char === ":") return this.word();
        return this.fail(`unexpected character: ${quoteChar(this.here())}`);
    }
  }

  private closeParen(): Token {
    this.parenDepth--;
    if (this.parenDepth < 0) return this.fail("unexpected right parenthesis ')'");
    return this.take(1);
  }

  private word(): Token {
    let length = 0;
    while (isAlphaNumeric(this.peek(length)) || this.peek(length) === ":") length++;
    const word = this.text.slice(this.at, this.at + length);
    const lower = word.toLowerCase();
    if (lower === "inf" || lower === "nan") return this.take(length, "number");
    if (KEYWORDS.has(lower)) return this.take(length, lower);
    return this.take(length, word.includes(":") ? "metric-identifier" : "identifier");
  }

  private insideBraces(): Token {
    const char = this.peek();
    const following = this.peek(1);
    switch (char) {
      case "":
        return this.fail("unexpected end of input inside braces");
      case ",":
        return this.take(1);
      case "=":
        return this.take(following === "~" ? 2 : 1);
      case "!":
        if (following === "=" || following === "~") return this.take(2);
        this.at++;
        return this.fail(`unexpected character after '!' inside braces: ${quoteChar(this.here())}`);
      case '"':
      case "'":
        return this.quoted(char);
      case "`":
        return this.rawString();
      case "{":
        return this.fail(`unexpected left brace ${quoteChar(char)}`);
      case "}":
        this.braceOpen = false;
        return this.take(1);
      default: {
        if (!isAlpha(char)) return this.fail(`unexpected character inside braces: ${quoteChar(this.here())}`);
        let length = 1;
        while (isAlphaNumeric(this.peek(length))) length++;
        return this.take(length, "identifier");
      }
    }
  }

  private insideBrackets(): Token {
    const char = this.peek();
    if (char === "") {
      return this.fail(
        this.gotDuration ? "unclosed left bracket" : "unexpected end of input in duration expression",
      );
    }
    if (char === "]") {
      this.bracketOpen = false;
      return this.take(1);
    }
    if (char === ":") {
      if (!this.gotDuration) return this.fail("unexpected colon before duration in duration expression");
      if (this.gotColon) return this.fail("unexpected colon ':'");
      this.gotColon = true;
      return this.take(1);
    }
    if (char === "[") return this.fail(`unexpected left bracket ${quoteChar(char)}`);
    if (SIGNS_INSIDE_BRACKETS.has(char)) {
      if (char === "(") this.parenDepth++;
      if (char === ")") return this.closeParen();
      return this.take(1);
    }
    if (isDigit(char) || (char === "." && isDigit(this.peek(1)))) {
      this.gotDuration = true;
      return this.numberOrDuration();
    }
    return this.fail(`unexpected character in duration expression: ${quoteChar(this.here())}`);
  }

  private quoted(mark: string): Token {
    let scan = this.at + 1;
    for (;;) {
      const char = this.text[scan];
      if (char === undefined || char === "\n") return this.fail("unterminated quoted string");
      if (char === mark) return this.take(scan + 1 - this.at, "string");
      if (char === "\\") {
        const length = this.escapeLength(scan + 1, mark);
        if (typeof length !== "number") return length;
        scan += 1 + length;
        continue;
      }
      const invalid = this.invalidRune(scan);
      if (invalid !== undefined) return invalid;
      scan++;
    }
  }

  private rawString(): Token {
    let scan = this.at + 1;
    for (;;) {
      const char = this.text[scan];
      if (char === undefined) return this.fail("unterminated raw string");
      if (char === "`") return this.take(scan + 1 - this.at, "string");
      const invalid = this.invalidRune(scan);
      if (invalid !== undefined) return invalid;
      scan++;
    }
  }

  /** U+FFFD is what bytes that are not UTF-8 have become on their way here; Prometheus refuses it too. */
  private invalidRune(scan: number): Token | undefined {
    const code = this.text.charCodeAt(scan);
    const before = this.text.charCodeAt(scan - 1);
    const after = this.text.charCodeAt(scan + 1);
    const lone =
      (code >= 0xd800 && code < 0xdc00 && !(after >= 0xdc00 && after < 0xe000)) ||
      (code >= 0xdc00 && code < 0xe000 && !(before >= 0xd800 && before < 0xdc00));
    return code === 0xfffd || lone ? this.fail("invalid UTF-8 rune") : undefined;
  }

  /** Length of the escape sequence whose first character after the backslash stands at `from`. */
  private escapeLength(from: number, mark: string): number | Token {
    const kind = this.text[from];
    if (kind === undefined) return this.fail("escape sequence not terminated");
    if ("abfnrtv\\".includes(kind) || kind === mark) return 1;
    const octal = kind >= "0" && kind <= "7";
    const digits = octal ? 3 : kind === "x" ? 2 : kind === "u" ? 4 : kind === "U" ? 8 : 0;
    if (digits === 0) return this.fail(`unknown escape sequence ${this.codePointName(from)}`);
    const first = octal ? from : from + 1;
    const base = octal ? 8 : 16;
    for (let i = 0; i < digits; i++) {
      const digit = this.text[first + i];
      if (digit === undefined) return this.fail("escape sequence not terminated");
      if (!/[0-9a-fA-F]/.test(digit) || Number.parseInt(digit, 16) >= base) {
        return this.fail(`illegal character ${this.codePointName(first + i)} in escape sequence`);
      }
    }
    const value = Number.parseInt(this.text.slice(first, first + digits), base);
    const most = octal || kind === "x" ? 255 : 0x10ffff;
    if (value > most || (value >= 0xd800 && value < 0xe000)) {
      return this.fail("escape sequence is an invalid Unicode code point");
    }
    return first + digits - from;
  }

  private codePointName(at: number): string {
    const point = this.text.codePointAt(at) as number;
    return `U+${point.toString(16).toUpperCase().padStart(4, "0")} ${quoteChar(String.fromCodePoint(point))}`;
  }

  private numberOrDuration(): Token {
    if (this.scanNumber()) return this.take(0, "number");
    if (this.scanRestOfDuration()) return this.take(0, "duration");
    return this.fail(`bad number or duration syntax: "${this.text.slice(this.start, this.at)}"`);
  }

  private accept(chars: string): boolean {
    const char = this.peek();
    if (char === "" || !chars.includes(char)) return false;
    this.at++;
    return true;
  }

  /**
   * Moves past `[.]digit[digit . _ e E]*`. False, with the place where it broke off, if that is no number; a digit
   * string followed by a unit breaks off before the unit, where a duration goes on.
   */
  private scanNumber(): boolean {
    let digits = "0123456789";
    if (this.accept("0") && this.accept("xX")) {
      this.accept("_");
      digits = "0123456789abcdefABCDEF";
    }
    const hexadecimal = digits.length > 10;
    this.accept(".");
    this.accept(digits);
    let sawDot = false;
    let sawExponent = false;
    while (this.peek() !== "" && `${digits}._eE`.includes(this.peek())) {
      const char = this.peek();
      if (digits.includes(char)) {
        this.at++;
        continue;
      }
      this.at++;
      if (char === ".") {
        if (sawDot) return false;
        sawDot = true;
        if (this.accept("_.") || hexadecimal) return false;
      } else if (char === "_") {
        if (this.accept("._eE") || this.peek() === "") return false;
      } else {
        if (sawExponent) return false;
        sawExponent = true;
        this.accept("+-");
        if (this.accept("._eE") || this.peek() === "") return false;
      }
    }
    return !isAlphaNumeric(this.peek());
  }

  private scanRestOfDuration(): boolean {
    if (!this.accept("smhdwy")) return false;
    this.accept("s");
    while (this.accept("0123456789")) {
      while (this.accept("0123456789"));
      if (!this.accept("smhdw")) return false;
      this.accept("s");
    }
    if (!isAlphaNumeric(this.peek())) return true;
    this.at++;
    return false;
  }
}
