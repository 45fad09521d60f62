import type { Span } from "./ast.js";
import { PromqlError } from "./errors.js";
import { Lexer } from "./lex.js";
import { describeToken, type Token } from "./tokens.js";

/** Bytes that a UTF-16 unit takes in UTF-8: Prometheus counts columns in bytes. */
function utf8Length(unit: number): number {
  if (unit < 0x80) return 1;
  if (unit < 0x800) return 2;
  return unit >= 0xd800 && unit < 0xe000 ? 2 : 3;
}

/** The place of an offset as Prometheus prints it, `line:column`, both from 1. */
export function formatPosition(text: string, offset: number): string {
  let line = 1;
  let column = 1;
  for (let i = 0; i < offset && i < text.length; i++) {
    if (text[i] === "\n") {
      line++;
      column = 1;
    } else {
      column += utf8Length(text.charCodeAt(i));
    }
  }
  return `${line}:${column}`;
}

/** The error for a fault at `span` of `text`. */
export function parseError(text: string, span: Span, message: string): PromqlError {
  return new PromqlError("parse", `${formatPosition(text, span.start)}: parse error: ${message}`, span);
}

/** The tokens of a text, with one token of lookahead; a token that is a fault is thrown when it is looked at. */
export class TokenStream {
  private readonly lexer: Lexer;
  private ahead: Token | undefined;
  private last: Token = { type: "eof", text: "", start: 0, end: 0 };

  constructor(readonly text: string) {
    this.lexer = new Lexer(text);
  }

  peek(): Token {
    this.ahead ??= this.lexer.next();
    if (this.ahead.type === "error") throw this.fault(this.ahead, this.ahead.text);
    return this.ahead;
  }

  next(): Token {
    const token = this.peek();
    this.ahead = undefined;
    this.last = token;
    return token;
  }

  /** End of the token taken last. */
  get end(): number {
    return this.last.end;
  }

  /** Whether the next token is of this type. */
  at(type: string): boolean {
    return this.peek().type === type;
  }

  /** Takes the next token if it is of this type. */
  take(type: string): Token | undefined {
    return this.at(type) ? this.next() : undefined;
  }

  fault(span: Span, message: string): PromqlError {
    return parseError(this.text, span, message);
  }

  /** The error for the next token, which fits nothing that could stand here. */
  unexpected(context = "", expected = ""): PromqlError {
    const token = this.peek();
    let message = `unexpected ${describeToken(token)}`;
    if (context !== "") message += ` in ${context}`;
    if (expected !== "") message += `, expected ${expected}`;
    return this.fault(token, message);
  }
}
