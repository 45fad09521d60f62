/** A template cut into its texts and actions, and actions into tokens. */
import { TemplateError } from "./template-error.js";

export type Token =
  | { readonly kind: "mark"; readonly mark: "|" | "(" | ")" | "," | ":=" | "=" }
  /** `.name`; `spaced`: white space stands before it, so it begins an operand. */
  | { readonly kind: "field"; readonly name: string; readonly spaced: boolean }
  | { readonly kind: "dot" }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "literal"; readonly value: string | number | boolean | null }
  | { readonly kind: "word"; readonly word: string };

export type Piece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly keyword: string; readonly tokens: readonly Token[] };

const KEYWORDS: ReadonlySet<string> = new Set([
  ...["if", "else", "end", "range", "with", "define", "template", "block", "break", "continue"],
]);

/** Longest template that is read. */
const TEXT_MAX = 256 * 1024;

export function cutTemplate(text: string): readonly Piece[] {
  if (text.length > TEXT_MAX)
    throw new TemplateError(`a template of ${text.length} characters, at most ${TEXT_MAX}`);
  const pieces: Piece[] = [];
  let at = 0;
  for (;;) {
    const open = text.indexOf("{{", at);
    if (open === -1) {
      if (at < text.length) pieces.push({ kind: "text", text: text.slice(at) });
      return pieces;
    }
    const trimBefore = /^-\s/.test(text.slice(open + 2, open + 4));
    const literal = text.slice(at, open);
    const shown = trimBefore ? literal.replace(/[ \t\r\n]+$/, "") : literal;
    if (shown !== "") pieces.push({ kind: "text", text: shown });
    const start = open + 2 + (trimBefore ? 2 : 0);
    const { inner, end, trimAfter } = readAction(text, start);
    at = end;
    if (trimAfter) while (" \t\r\n".includes(text[at] ?? "x")) at++;
    if (inner !== undefined) pieces.push(actionOf(inner));
  }
}

/** The action that begins at `start`, up to its closing braces; `inner` is undefined for a comment. */
function readAction(
  text: string,
  start: number,
): { inner: string | undefined; end: number; trimAfter: boolean } {
  const comment = /^\/\*/.test(text.slice(start, start + 2));
  if (comment) {
    const close = text.indexOf("*/", start + 2);
    if (close === -1) throw new TemplateError("unclosed comment");
    const after = /^(?:(\s-)?\}\})/.exec(text.slice(close + 2, close + 6));
    if (after === null) throw new TemplateError("comment ends before closing delimiter");
    return { inner: undefined, end: close + 2 + after[0].length, trimAfter: after[1] !== undefined };
  }
  let quote = "";
  for (let i = start; i < text.length; i++) {
    const char = text[i] as string;
    if (quote !== "") {
      if (char === "\\" && quote !== "`") i++;
      else if (char === quote) quote = "";
    } else if (char === '"' || char === "`" || char === "'") quote = char;
    else if (char === "}" && text[i + 1] === "}") {
      const inner = text.slice(start, i);
      const trimAfter = /\s-$/.test(inner);
      return { inner: trimAfter ? inner.slice(0, -1) : inner, end: i + 2, trimAfter };
    }
  }
  throw new TemplateError("unclosed action");
}

function actionOf(inner: string): Piece {
  const tokens = cutAction(inner);
  const first = tokens[0];
  if (first?.kind === "word" && KEYWORDS.has(first.word)) {
    return { kind: "action", keyword: first.word, tokens: tokens.slice(1) };
  }
  return { kind: "action", keyword: "", tokens };
}

const TOKEN =
  /(\s*)(?:(:=|[|(),=])|(\$[A-Za-z0-9_]*)|\.([A-Za-z_]\w*)|([+-]?(?:0[xX][0-9a-fA-F_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))(?![\w.])|(\.)|("(?:[^"\\\n]|\\.)*"|`[^`]*`)|'((?:[^'\\\n]|\\.)+)'|([\p{L}_][\p{L}\p{N}_]*))/uy;

function cutAction(source: string): readonly Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  for (;;) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(source);
    if (match === null) {
      const rest = source.slice(from).trim();
      if (rest === "") return tokens;
      throw new TemplateError(`unexpected ${JSON.stringify(rest.slice(0, 40))} in action`);
    }
    tokens.push(tokenOf(match));
  }
}

function tokenOf(match: RegExpExecArray): Token {
  const [, space, mark, variable, field, number, dot, text, char, word] = match;
  if (mark !== undefined) return { kind: "mark", mark: mark as (Token & { kind: "mark" })["mark"] };
  if (variable !== undefined) return { kind: "variable", name: variable };
  if (field !== undefined) return { kind: "field", name: field, spaced: space !== "" };
  if (number !== undefined) return { kind: "literal", value: Number(number.replaceAll("_", "")) };
  if (dot !== undefined) return { kind: "dot" };
  if (text !== undefined) return { kind: "literal", value: unquote(text) };
  if (char !== undefined) return { kind: "literal", value: unquote(`"${char}"`).codePointAt(0) ?? 0 };
  if (word === "true" || word === "false") return { kind: "literal", value: word === "true" };
  if (word === "nil") return { kind: "literal", value: null };
  return { kind: "word", word: word ?? "" };
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" },
  ...{ "\\": "\\", '"': '"', "'": "'" },
};

/** A string of Go, in quotes or back quotes. */
function unquote(text: string): string {
  if (text.startsWith("`")) return text.slice(1, -1).replaceAll("\r", "");
  return text
    .slice(1, -1)
    .replace(
      /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))/gs,
      (_, hex, short, long, octal, plain: string) => {
        const code: unknown = hex ?? short ?? long;
        if (typeof code === "string") return characterOf(Number.parseInt(code, 16), text);
        if (typeof octal === "string") return characterOf(Number.parseInt(octal, 8), text);
        const known = ESCAPES[plain];
        if (known === undefined) throw new TemplateError(`malformed string ${text}`);
        return known;
      },
    );
}

function characterOf(point: number, text: string): string {
  if (point > 0x10ffff) throw new TemplateError(`malformed string ${text}`);
  return String.fromCodePoint(point);
}
