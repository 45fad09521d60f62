import { CharSet } from "./charset.js";

/** What a place in the text must be, without taking a character. */
export type Assertion = "text-start" | "text-end" | "line-start" | "line-end" | "word-edge" | "no-word-edge";

/** A regular expression of RE2's syntax as a tree. */
export type RegexpNode =
  | {
      readonly kind: "chars";
      readonly set: CharSet /** The one code point the set holds, if it holds just one. */;
      readonly only?: number;
    }
  | { readonly kind: "assert"; readonly what: Assertion }
  | { readonly kind: "concat"; readonly parts: readonly RegexpNode[] }
  | { readonly kind: "either"; readonly options: readonly RegexpNode[] }
  | {
      readonly kind: "repeat";
      readonly inner: RegexpNode;
      readonly min: number;
      readonly max: number;
      readonly greedy: boolean;
    }
  | { readonly kind: "capture"; readonly inner: RegexpNode; readonly index: number };

/** A parsed expression with the names of its groups: `names[i]` is the name of group `i`, empty if it has none. */
export interface RegexpTree {
  readonly root: RegexpNode;
  readonly names: readonly string[];
}

/** Why a text is not a regular expression, in the words of Go's `regexp`. */
export class RegexpError extends Error {
  override readonly name = "RegexpError";
}

interface Flags {
  readonly ignoreCase: boolean;
  readonly multiLine: boolean;
  readonly dotAll: boolean;
  readonly swapGreed: boolean;
}

const REPEAT_MAX = 1000;
const DEPTH_MAX = 200;

const ESCAPED_CHARS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

function fail(message: string): RegexpError {
  return new RegexpError(`error parsing regexp: ${message}`);
}

/**
 * Parses RE2's syntax (https://github.com/google/re2/wiki/Syntax), where a dot takes a line break too, as in
 * Prometheus' matchers. Throws {@link RegexpError}; what RE2 lacks (lookaround, backreferences, possessive
 * repetition) is refused, because only without it every match takes time in proportion to the text.
 */
export function parseRegexp(pattern: string): RegexpTree {
  return new RegexpParser(pattern).parse();
}

class RegexpParser {
  private readonly chars: readonly string[];
  private readonly names: string[] = [""];
  private at = 0;
  private flags: Flags = { ignoreCase: false, multiLine: false, dotAll: true, swapGreed: false };

  constructor(private readonly pattern: string) {
    this.chars = Array.from(pattern);
  }

  parse(): RegexpTree {
    const root = this.either(0);
    if (this.at < this.chars.length) throw fail(`unexpected ): \`${this.pattern}\``);
    return { root, names: this.names };
  }

  private peek(ahead = 0): string {
    return this.chars[this.at + ahead] ?? "";
  }

  private either(depth: number): RegexpNode {
    if (depth > DEPTH_MAX) throw fail(`expression nests too deeply: \`${this.pattern}\``);
    const options = [this.concat(depth)];
    while (this.peek() === "|") {
      this.at++;
      options.push(this.concat(depth));
    }
    return options.length === 1 ? (options[0] as RegexpNode) : { kind: "either", options };
  }

  private concat(depth: number): RegexpNode {
    const parts: RegexpNode[] = [];
    while (this.at < this.chars.length && this.peek() !== "|" && this.peek() !== ")") {
      if (this.peek() === "\\" && this.peek(1) === "Q") {
        this.literalRun(parts);
        continue;
      }
      const atom = this.atom(depth);
      // A group of flags alone, `(?i)`, gives nothing to repeat.
      if (atom === undefined) {
        this.refuseRepetition();
        continue;
      }
      parts.push(this.repetition(atom));
    }
    return parts.length === 1 ? (parts[0] as RegexpNode) : { kind: "concat", parts };
  }

  /** The text of `\Q...\E`, of which a repetition sign after it repeats the last character. */
  private literalRun(parts: RegexpNode[]): void {
    this.at += 2;
    while (this.at < this.chars.length && !(this.peek() === "\\" && this.peek(1) === "E")) {
      parts.push(this.literal(this.takePoint()));
    }
    if (this.at < this.chars.length) this.at += 2;
    const last = parts.pop();
    if (last === undefined) this.refuseRepetition();
    else parts.push(this.repetition(last));
  }

  private refuseRepetition(): void {
    const sign = this.peek();
    if (sign === "*" || sign === "+" || sign === "?") {
      throw fail(`missing argument to repetition operator: \`${sign}\``);
    }
  }

  private takePoint(): number {
    const char = this.peek();
    this.at++;
    return char.codePointAt(0) as number;
  }

  private literal(point: number): RegexpNode {
    const set = CharSet.ofPoints([[point, point]], this.flags.ignoreCase);
    return set.isSingle ? { kind: "chars", set, only: point } : { kind: "chars", set };
  }

  private atom(depth: number): RegexpNode | undefined {
    const char = this.peek();
    switch (char) {
      case "(":
        return this.group(depth);
      case "[":
        return { kind: "chars", set: this.bracketClass() };
      case ".":
        this.at++;
        return { kind: "chars", set: this.flags.dotAll ? CharSet.any : CharSet.notNewline };
      case "^":
        this.at++;
        return { kind: "assert", what: this.flags.multiLine ? "line-start" : "text-start" };
      case "$":
        this.at++;
        return { kind: "assert", what: this.flags.multiLine ? "line-end" : "text-end" };
      case "*":
      case "+":
      case "?":
        throw fail(`missing argument to repetition operator: \`${char}\``);
      case "\\":
        return this.escape();
      default:
        return this.literal(this.takePoint());
    }
  }

  private repetition(atom: RegexpNode): RegexpNode {
    const from = this.at;
    const bounds = this.repeatBounds();
    if (bounds === undefined) return atom;
    let greedy = !this.flags.swapGreed;
    if (this.peek() === "?") {
      this.at++;
      greedy = !greedy;
    }
    const written = this.chars.slice(from, this.at).join("");
    const again = this.at;
    if (this.repeatBounds() !== undefined) {
      const second = this.chars.slice(again, this.at).join("");
      throw fail(`invalid nested repetition operator: \`${written}${second}\``);
    }
    const [min, max] = bounds;
    if (min > REPEAT_MAX || (max !== Number.POSITIVE_INFINITY && (max > REPEAT_MAX || max < min))) {
      throw fail(`invalid repeat count: \`${written}\``);
    }
    return { kind: "repeat", inner: atom, min, max, greedy };
  }

  /** The bounds of a repetition sign here, taken; `undefined`, with nothing taken, if there is none (a lone `{` is itself). */
  private repeatBounds(): readonly [number, number] | undefined {
    const char = this.peek();
    if (char === "*" || char === "+" || char === "?") {
      this.at++;
      return [char === "+" ? 1 : 0, char === "?" ? 1 : Number.POSITIVE_INFINITY];
    }
    if (char !== "{") return undefined;
    const close = this.chars.indexOf("}", this.at);
    if (close < 0) return undefined;
    const match = /^(\d{1,6})(,(\d{0,6}))?$/.exec(this.chars.slice(this.at + 1, close).join(""));
    if (match === null) return undefined;
    this.at = close + 1;
    const min = Number(match[1]);
    if (match[2] === undefined) return [min, min];
    return [min, match[3] === "" ? Number.POSITIVE_INFINITY : Number(match[3])];
  }

  private group(depth: number): RegexpNode | undefined {
    const start = this.at;
    this.at++;
    if (this.peek() !== "?") return this.captureGroup("", depth);
    const rest = this.chars.slice(start).join("");
    const named = /^\(\?P?<([^>]*)>/.exec(rest);
    if (named !== null && !/^\(\?<[=!]/.test(rest)) {
      const name = named[1] as string;
      if (!/^\w+$/.test(name)) throw fail(`invalid named capture: \`${named[0]}\``);
      if (this.names.includes(name)) throw fail(`duplicate capture group name: \`${name}\``);
      this.at += named[0].length - 1;
      return this.captureGroup(name, depth);
    }
    const flags = /^\(\?([imsU]*)(-[imsU]+)?([:)])/.exec(rest);
    if (flags === null) {
      throw fail(`invalid or unsupported Perl syntax: \`${rest.slice(0, rest.startsWith("(?<") ? 4 : 3)}\``);
    }
    this.at += flags[0].length - 1;
    const outer = this.flags;
    this.flags = withFlags(withFlags(outer, flags[1] as string, true), flags[2] ?? "", false);
    // `(?i)` holds until the end of the group around it, which puts the flags back.
    if (flags[3] === ")") return undefined;
    const inner = this.either(depth + 1);
    this.closeGroup();
    this.flags = outer;
    return inner;
  }

  private captureGroup(name: string, depth: number): RegexpNode {
    const index = this.names.push(name) - 1;
    const outer = this.flags;
    const inner = this.either(depth + 1);
    this.closeGroup();
    this.flags = outer;
    return { kind: "capture", inner, index };
  }

  private closeGroup(): void {
    if (this.peek() !== ")") throw fail(`missing closing ): \`${this.pattern}\``);
    this.at++;
  }

  private escape(): RegexpNode {
    const kind = this.peek(1);
    const assertion = ASSERTION_ESCAPES[kind];
    if (assertion !== undefined) {
      this.at += 2;
      return { kind: "assert", what: assertion };
    }
    const set = this.escapedClass();
    if (set !== undefined) return { kind: "chars", set };
    return this.literal(this.escapedPoint());
  }

  /** `\d`, `\pL` and their like, taken; `undefined`, with nothing taken, if none stands here. */
  private escapedClass(): CharSet | undefined {
    const kind = this.peek(1);
    const perl = CharSet.perl(kind);
    if (perl !== undefined) {
      this.at += 2;
      return perl;
    }
    if (kind !== "p" && kind !== "P") return undefined;
    const start = this.at;
    this.at += 2;
    let name = this.peek();
    this.at++;
    if (name === "{") {
      const close = this.chars.indexOf("}", this.at);
      name = close < 0 ? "" : this.chars.slice(this.at, close).join("");
      if (close >= 0) this.at = close + 1;
    }
    const set = CharSet.unicode(name.replace(/^\^/, ""), (kind === "P") !== name.startsWith("^"));
    if (set === undefined)
      throw fail(`invalid character class range: \`${this.chars.slice(start, this.at).join("")}\``);
    return set;
  }

  private escapedPoint(): number {
    const start = this.at;
    this.at++;
    const kind = this.peek();
    if (kind === "") throw fail("trailing backslash at end of expression: ``");
    this.at++;
    const named = ESCAPED_CHARS[kind];
    if (named !== undefined) return named;
    if (kind === "x") return this.hexPoint(start);
    if (kind >= "0" && kind <= "7" && (kind === "0" || /[0-7]/.test(this.peek()))) {
      let digits = kind;
      while (digits.length < 3 && /[0-7]/.test(this.peek())) {
        digits += this.peek();
        this.at++;
      }
      return Number.parseInt(digits, 8);
    }
    if (/[A-Za-z0-9]/.test(kind) || (kind.codePointAt(0) as number) >= 0x80) {
      throw fail(`invalid escape sequence: \`\\${kind}\``);
    }
    return kind.codePointAt(0) as number;
  }

  private hexPoint(start: number): number {
    let digits = "";
    if (this.peek() === "{") {
      const close = this.chars.indexOf("}", this.at);
      digits = close < 0 ? "" : this.chars.slice(this.at + 1, close).join("");
      this.at = close < 0 ? this.chars.length : close + 1;
    } else {
      digits = this.peek() + this.peek(1);
      this.at += 2;
    }
    const point = /^[0-9A-Fa-f]{1,8}$/.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
    if (!(point <= 0x10ffff))
      throw fail(`invalid escape sequence: \`${this.chars.slice(start, this.at).join("")}\``);
    return point;
  }

  private bracketClass(): CharSet {
    const start = this.at;
    this.at++;
    let negated = false;
    if (this.peek() === "^") {
      negated = true;
      this.at++;
    }
    const ranges: [number, number][] = [];
    const sets: CharSet[] = [];
    let first = true;
    while (first || this.peek() !== "]") {
      first = false;
      if (this.at >= this.chars.length) {
        throw fail(`missing closing ]: \`${this.chars.slice(start).join("")}\``);
      }
      const set = this.classInBrackets();
      if (set !== undefined) {
        sets.push(set);
        continue;
      }
      const from = this.at;
      const low = this.classPoint();
      let high = low;
      if (this.peek() === "-" && this.peek(1) !== "]" && this.peek(1) !== "") {
        this.at++;
        high = this.classPoint();
        if (high < low)
          throw fail(`invalid character class range: \`${this.chars.slice(from, this.at).join("")}\``);
      }
      ranges.push([low, high]);
    }
    this.at++;
    const set = CharSet.union(CharSet.ofPoints(ranges, this.flags.ignoreCase), sets);
    return negated ? set.negate() : set;
  }

  private classInBrackets(): CharSet | undefined {
    if (this.peek() === "\\") return this.escapedClass();
    if (this.peek() !== "[" || this.peek(1) !== ":") return undefined;
    const match = /^\[:(\^?)([a-z0-9]*):\]/.exec(this.chars.slice(this.at, this.at + 16).join(""));
    if (match === null) return undefined;
    const set = CharSet.posix(match[2] as string);
    if (set === undefined) throw fail(`invalid character class range: \`${match[0]}\``);
    this.at += match[0].length;
    return match[1] === "^" ? set.negate() : set;
  }

  private classPoint(): number {
    return this.peek() === "\\" ? this.escapedPoint() : this.takePoint();
  }
}

const ASSERTION_ESCAPES: Readonly<Record<string, Assertion>> = {
  A: "text-start",
  z: "text-end",
  b: "word-edge",
  B: "no-word-edge",
};

function withFlags(flags: Flags, letters: string, on: boolean): Flags {
  return {
    ignoreCase: letters.includes("i") ? on : flags.ignoreCase,
    multiLine: letters.includes("m") ? on : flags.multiLine,
    dotAll: letters.includes("s") ? on : flags.dotAll,
    swapGreed: letters.includes("U") ? on : flags.swapGreed,
  };
}

/** The text a tree stands for, if it stands for exactly one. */
export function literalOf(node: RegexpNode): string | undefined {
  if (node.kind === "chars") return node.only === undefined ? undefined : String.fromCodePoint(node.only);
  if (node.kind === "capture") return literalOf(node.inner);
  if (node.kind !== "concat") return undefined;
  let text = "";
  for (const part of node.parts) {
    const piece = literalOf(part);
    if (piece === undefined) return undefined;
    text += piece;
  }
  return text;
}

/** Whether the tree is `.*`. */
export function isAnything(node: RegexpNode): boolean {
  return isDotRepeat(node, 0);
}

/** Whether the tree is `.` repeated at least `min` times, without an upper bound. */
export function isDotRepeat(node: RegexpNode, min: number): boolean {
  return (
    node.kind === "repeat" &&
    node.min === min &&
    node.max === Number.POSITIVE_INFINITY &&
    node.inner.kind === "chars" &&
    node.inner.set === CharSet.any
  );
}
