/**
 * Matchers in Alertmanager's two grammars. The classic one is tried first and the newer, which allows any UTF-8 name
 * and is stricter with quotes, when it fails: a file that worked goes on meaning what it meant.
 */
import { compareText, type Labels, type Matcher, type MatchOperator } from "../../kernel/labels.js";
import { compileRegexp } from "../../promql/regexp.js";
import { RegexpError } from "../../promql/regexp-syntax.js";

export type LabelMatcher = Matcher;

/** Longest text of matchers that is read. */
const TEXT_MAX = 64 * 1024;
const OPERATORS: readonly MatchOperator[] = ["=~", "!~", "!=", "="];

export type ParsedMatchers =
  | { readonly kind: "matchers"; readonly matchers: readonly LabelMatcher[] }
  | { readonly kind: "invalid"; readonly because: string };

/** Reads `{a="b", c=~"d|e"}`, the braces optional. */
export function parseMatchers(text: string): ParsedMatchers {
  if (text.length > TEXT_MAX)
    return { kind: "invalid", because: `matchers of ${text.length} characters, at most ${TEXT_MAX}` };
  const classic = attempt(() => readClassic(text));
  if (classic.kind === "matchers") return classic;
  const modern = attempt(() => new ModernReader(text).read());
  return modern.kind === "matchers" ? modern : classic;
}

class MatcherError extends Error {}

function attempt(read: () => readonly LabelMatcher[]): ParsedMatchers {
  try {
    const matchers = read();
    for (const matcher of matchers) {
      const fault = matcherFault(matcher);
      if (fault !== undefined) return { kind: "invalid", because: fault };
    }
    return { kind: "matchers", matchers };
  } catch (error) {
    if (error instanceof MatcherError) return { kind: "invalid", because: error.message };
    throw error;
  }
}

/** What is wrong with a matcher: its name or its expression; undefined when nothing is. */
export function matcherFault({ name, op, value }: LabelMatcher): string | undefined {
  if (name === "" || name === "__proto__" || !name.isWellFormed())
    return `invalid label name ${JSON.stringify(name)}`;
  if (!value.isWellFormed()) return `the value of ${name} is not valid UTF-8`;
  if (op !== "=~" && op !== "!~") return undefined;
  try {
    compileRegexp(value);
    return undefined;
  } catch (error) {
    if (error instanceof RegexpError) return `${name}: ${error.message}`;
    throw error;
  }
}

const CLASSIC = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*([\s\S]*?)\s*$/;

function readClassic(text: string): readonly LabelMatcher[] {
  const open = text.startsWith("{") ? 1 : 0;
  const close = text.endsWith("}") && text.length > open ? text.length - 1 : text.length;
  const parts: string[] = [];
  let part = "";
  let quoted = false;
  let escaped = false;
  for (const char of text.slice(open, close)) {
    if (char === "," && !quoted) {
      parts.push(part);
      part = "";
      continue;
    }
    if (char === '"' && !escaped) quoted = !quoted;
    escaped = char === "\\" && !escaped;
    part += char;
  }
  // One comma may follow the last matcher.
  if (part.trim() !== "" || parts.length === 0) parts.push(part);
  if (parts.length === 1 && parts[0]?.trim() === "") {
    if (open === 1) return [];
    throw new MatcherError(`bad matcher format: ${text}`);
  }
  return parts.map(readClassicOne);
}

function readClassicOne(text: string): LabelMatcher {
  const match = CLASSIC.exec(text);
  if (match === null) throw new MatcherError(`bad matcher format: ${text}`);
  const [, name = "", sign, raw = ""] = match;
  const op = OPERATORS.find((operator) => operator === sign) ?? "=";
  const quoted = raw.startsWith('"');
  const inner = quoted ? raw.slice(1) : raw;
  let value = "";
  for (let at = 0; at < inner.length; at++) {
    const char = inner[at] as string;
    if (char === "\\" && at < inner.length - 1) {
      const next = inner[++at] as string;
      // An escape that means nothing keeps its backslash.
      value += next === "n" ? "\n" : next === '"' || next === "\\" ? next : `\\${next}`;
    } else if (char === '"') {
      if (!quoted || at < inner.length - 1)
        throw new MatcherError(`matcher value contains unescaped double quote: ${raw}`);
      return { name, op, value };
    } else value += char;
  }
  if (quoted) throw new MatcherError(`matcher value contains unescaped double quote: ${raw}`);
  return { name, op, value };
}

/** Characters that end a name or a value without quotes. */
const RESERVED = /[\s{}!=~,\\"'`]/;

class ModernReader {
  #at = 0;
  constructor(private readonly text: string) {}

  read(): readonly LabelMatcher[] {
    const matchers: LabelMatcher[] = [];
    this.#space();
    const braced = this.#take("{");
    for (;;) {
      this.#space();
      if (braced && this.#take("}")) break;
      if (!braced && this.#at >= this.text.length) break;
      matchers.push(this.#matcher());
      this.#space();
      if (this.#take(",")) continue;
      if (braced ? this.#take("}") : this.#at >= this.text.length) break;
      throw new MatcherError(`${this.#place()}: expected a comma${braced ? " or a close brace" : ""}`);
    }
    this.#space();
    if (this.#at < this.text.length)
      throw new MatcherError(`${this.#place()}: unexpected text after the matchers`);
    if (!braced && matchers.length === 0) throw new MatcherError("no matchers");
    return matchers;
  }

  #matcher(): LabelMatcher {
    const name = this.#word("label name");
    this.#space();
    const op = OPERATORS.find((operator) => this.#take(operator));
    if (op === undefined)
      throw new MatcherError(`${this.#place()}: expected an operator such as '=', '!=', '=~' or '!~'`);
    this.#space();
    return { name, op, value: this.#word("label value") };
  }

  #word(what: string): string {
    if (this.text[this.#at] === '"') return this.#quoted();
    const start = this.#at;
    while (this.#at < this.text.length && !RESERVED.test(this.text[this.#at] as string)) this.#at++;
    if (this.#at === start) throw new MatcherError(`${this.#place()}: expected a ${what}`);
    return this.text.slice(start, this.#at);
  }

  #quoted(): string {
    const start = this.#at++;
    for (; this.#at < this.text.length; this.#at++) {
      const char = this.text[this.#at];
      if (char === "\\") this.#at++;
      else if (char === '"') {
        this.#at++;
        return unquote(this.text.slice(start, this.#at));
      }
    }
    throw new MatcherError(`${start}: unterminated quote`);
  }

  #space(): void {
    while (/\s/.test(this.text[this.#at] ?? "")) this.#at++;
  }

  #take(token: string): boolean {
    if (!this.text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  #place(): string {
    return `${this.#at}: ${JSON.stringify(this.text.slice(this.#at, this.#at + 20))}`;
  }
}

function unquote(text: string): string {
  try {
    const value: unknown = JSON.parse(text.replaceAll("\n", "\\n"));
    return String(value);
  } catch {
    throw new MatcherError(`malformed string ${text}`);
  }
}

/** Whether all matchers hold of some labels; an absent label counts as empty. */
export type LabelTest = (labels: Labels) => boolean;

/** Throws RegexpError for an expression that `matcherFault` refuses. */
export function compileMatchers(matchers: readonly LabelMatcher[]): LabelTest {
  const tests = matchers.map(({ name, op, value }): LabelTest => {
    if (op === "=") return (labels) => labelValue(labels, name) === value;
    if (op === "!=") return (labels) => labelValue(labels, name) !== value;
    const pattern = compileRegexp(value);
    return op === "=~"
      ? (labels) => pattern.test(labelValue(labels, name))
      : (labels) => !pattern.test(labelValue(labels, name));
  });
  return (labels) => tests.every((test) => test(labels));
}

const labelValue = (labels: Labels, name: string): string =>
  (Object.hasOwn(labels, name) ? labels[name] : "") ?? "";

/** Alertmanager's order: by name, then value, then operator. */
export function sortMatchers(matchers: readonly LabelMatcher[]): readonly LabelMatcher[] {
  const rank: Readonly<Record<MatchOperator, number>> = { "=": 0, "!=": 1, "=~": 2, "!~": 3 };
  return [...matchers].sort(
    (a, b) => compareText(a.name, b.name) || compareText(a.value, b.value) || rank[a.op] - rank[b.op],
  );
}

/** As Alertmanager writes a matcher: `severity=~"a|b"`; a name beyond the classic form stands in quotes. */
export function formatMatcher({ name, op, value }: LabelMatcher): string {
  if (RESERVED.test(name)) return `${JSON.stringify(name)}${op}${JSON.stringify(value)}`;
  const escaped = value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
  return `${name}${op}"${escaped}"`;
}

export const formatMatchers = (matchers: readonly LabelMatcher[]): string =>
  `{${matchers.map(formatMatcher).join(",")}}`;
