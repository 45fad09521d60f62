import type { CharSet } from "./charset.js";
import {
  type Assertion,
  isAnything,
  isDotRepeat,
  literalOf,
  parseRegexp,
  RegexpError,
  type RegexpNode,
} from "./regexp-syntax.js";

/** Most instructions of one program; a pattern that needs more is refused. */
const PROGRAM_MAX = 20_000;
/** Most answers kept for one pattern; label values repeat, so a few suffice. */
const REMEMBERED_MAX = 2048;

type Instruction =
  | { readonly kind: "chars"; readonly set: CharSet }
  | { readonly kind: "assert"; readonly what: Assertion }
  | { readonly kind: "save"; readonly slot: number }
  | { readonly kind: "split"; first: number; second: number }
  | { readonly kind: "jump"; to: number }
  | { readonly kind: "match" };

/**
 * A compiled expression that must match a whole text. It never takes more time than pattern length times text length, whatever the
 * pattern: it follows all ways at once instead of trying one after the other, so that nobody can halt the evaluation
 * with `(a+)+b`.
 */
export interface CompiledRegexp {
  /** Whether the whole of `text` matches. */
  test(text: string): boolean;
  /** The groups of a match of the whole text (`groups[0]` is all of it; `undefined` for one that took no part), or `undefined`. */
  groups(text: string): readonly (string | undefined)[] | undefined;
  /** The first match anywhere from `from` on, the leftmost and of those the preferred one, or `undefined`. */
  find(text: string, from: number): FoundMatch | undefined;
  /** `names[i]` is the name of group `i`, or empty. */
  readonly names: readonly string[];
}

/** A match within a text, and its groups as in `groups`. */
export interface FoundMatch {
  readonly start: number;
  readonly end: number;
  readonly groups: readonly (string | undefined)[];
}

/** Compiles a pattern of RE2's syntax, anchored at both ends. Throws {@link RegexpError}. */
export function compileRegexp(pattern: string): CompiledRegexp {
  const tree = parseRegexp(pattern);
  const program = new Program();
  program.emit(tree.root);
  program.push({ kind: "match" });
  const machine = new Machine(program.instructions, tree.names.length);
  const simple = simpleTest(tree.root);
  const remembered = new Map<string, boolean>();
  const test = (text: string): boolean => {
    const known = remembered.get(text);
    if (known !== undefined) return known;
    const answer = machine.run(text, false) !== undefined;
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    remembered.set(text, answer);
    return answer;
  };
  return {
    test: simple ?? test,
    groups: (text) => machine.groups(text),
    find: (text, from) => machine.find(text, from),
    names: tree.names,
  };
}

/** Every match of `pattern` in `text` replaced by `template` with its groups, as Go's ReplaceAllString does. */
export function replaceAllMatches(pattern: CompiledRegexp, text: string, template: string): string {
  let out = "";
  let copied = 0;
  let at = 0;
  while (at <= text.length) {
    const match = pattern.find(text, at);
    if (match === undefined) break;
    // An empty match right after a match is none.
    if (match.end > match.start || match.start > copied || match.start === 0) {
      out += text.slice(copied, match.start) + expandTemplate(template, match.groups, pattern.names);
      copied = match.end;
    }
    at = match.end > at ? match.end : at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
  }
  return out + text.slice(copied);
}

/** The usual patterns (`a|b`, `x.*`, `.*y.*`) as plain comparisons of texts. */
function simpleTest(root: RegexpNode): ((text: string) => boolean) | undefined {
  const node = root.kind === "capture" ? root.inner : root;
  const literal = literalOf(node);
  if (literal !== undefined) return (text) => text === literal;
  if (isAnything(node)) return () => true;
  if (isDotRepeat(node, 1)) return (text) => text !== "";
  if (node.kind === "either") {
    const literals = node.options.map(literalOf);
    if (!literals.every((text) => text !== undefined)) return undefined;
    const set: ReadonlySet<string> = new Set(literals);
    return (text) => set.has(text);
  }
  if (node.kind !== "concat") return undefined;
  const first = node.parts[0];
  const last = node.parts.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const openStart = isAnything(first);
  const openEnd = isAnything(last);
  const middle = literalOf({
    kind: "concat",
    parts: node.parts.slice(openStart ? 1 : 0, openEnd ? -1 : undefined),
  });
  if (middle === undefined || (openStart && openEnd && node.parts.length < 3)) return undefined;
  if (openStart && openEnd) return (text) => text.includes(middle);
  if (openEnd) return (text) => text.startsWith(middle);
  if (openStart) return (text) => text.endsWith(middle);
  return undefined;
}

class Program {
  readonly instructions: Instruction[] = [];

  push(instruction: Instruction): number {
    if (this.instructions.length >= PROGRAM_MAX) {
      throw new RegexpError("error parsing regexp: expression too large");
    }
    return this.instructions.push(instruction) - 1;
  }

  emit(node: RegexpNode): void {
    switch (node.kind) {
      case "chars":
        this.push({ kind: "chars", set: node.set });
        return;
      case "assert":
        this.push({ kind: "assert", what: node.what });
        return;
      case "concat":
        for (const part of node.parts) this.emit(part);
        return;
      case "capture":
        this.push({ kind: "save", slot: node.index * 2 });
        this.emit(node.inner);
        this.push({ kind: "save", slot: node.index * 2 + 1 });
        return;
      case "either":
        this.emitEither(node.options);
        return;
      case "repeat":
        this.emitRepeat(node.inner, node.min, node.max, node.greedy);
        return;
    }
  }

  private emitEither(options: readonly RegexpNode[]): void {
    const jumps: { to: number }[] = [];
    options.forEach((option, index) => {
      const isLast = index === options.length - 1;
      const split = { kind: "split" as const, first: 0, second: 0 };
      if (!isLast) split.first = this.push(split) + 1;
      this.emit(option);
      if (isLast) return;
      const jump = { kind: "jump" as const, to: 0 };
      split.second = this.push(jump) + 1;
      jumps.push(jump);
    });
    for (const jump of jumps) jump.to = this.instructions.length;
  }

  private emitRepeat(inner: RegexpNode, min: number, max: number, greedy: boolean): void {
    for (let i = 0; i < min; i++) this.emit(inner);
    const aim = (split: { first: number; second: number }, on: number, out: number): void => {
      split.first = greedy ? on : out;
      split.second = greedy ? out : on;
    };
    if (max === Number.POSITIVE_INFINITY) {
      const split = { kind: "split" as const, first: 0, second: 0 };
      const at = this.push(split);
      this.emit(inner);
      this.push({ kind: "jump", to: at });
      aim(split, at + 1, this.instructions.length);
      return;
    }
    const splits: { at: number; split: { first: number; second: number } }[] = [];
    for (let i = min; i < max; i++) {
      const split = { kind: "split" as const, first: 0, second: 0 };
      splits.push({ at: this.push(split), split });
      this.emit(inner);
    }
    for (const { at, split } of splits) aim(split, at + 1, this.instructions.length);
  }
}

interface Thread {
  readonly at: number;
  readonly saved: readonly number[];
}

/** Follows all threads of a program through a text in step, the preferred ones first. */
class Machine {
  constructor(
    private readonly program: readonly Instruction[],
    private readonly groupCount: number,
  ) {}

  groups(text: string): readonly (string | undefined)[] | undefined {
    const saved = this.run(text, true);
    return saved === undefined ? undefined : this.groupsOf(text, saved, text);
  }

  find(text: string, from: number): FoundMatch | undefined {
    let threads: Thread[] = [];
    let found: { start: number; end: number; saved: readonly number[] } | undefined;
    for (let at = from; ; ) {
      const seen = new Uint8Array(this.program.length);
      const here: Thread[] = [];
      for (const thread of threads) this.follow(here, seen, thread, text, at, true);
      // Whoever begins later is preferred less; and once something matched, nobody begins.
      if (found === undefined) this.follow(here, seen, { at: 0, saved: [at] }, text, at, true);
      if (here.length === 0 && found !== undefined) break;
      const point = text.codePointAt(at) ?? -1;
      threads = [];
      for (const thread of here) {
        const instruction = this.program[thread.at] as Instruction;
        if (instruction.kind === "match") {
          found = { start: thread.saved[0] ?? at, end: at, saved: thread.saved };
          break;
        }
        if (point >= 0 && instruction.kind === "chars" && instruction.set.has(point))
          threads.push({ at: thread.at + 1, saved: thread.saved });
      }
      if (point < 0 || (found !== undefined && threads.length === 0)) break;
      at += point > 0xffff ? 2 : 1;
    }
    if (found === undefined) return undefined;
    const { start, end, saved } = found;
    return { start, end, groups: this.groupsOf(text, saved, text.slice(start, end)) };
  }

  private groupsOf(text: string, saved: readonly number[], all: string): readonly (string | undefined)[] {
    const groups: (string | undefined)[] = [all];
    for (let group = 1; group < this.groupCount; group++) {
      const from = saved[group * 2];
      const to = saved[group * 2 + 1];
      groups.push(from === undefined || to === undefined ? undefined : text.slice(from, to));
    }
    return groups;
  }

  run(text: string, capture: boolean): readonly number[] | undefined {
    let threads: Thread[] = [];
    this.follow(threads, new Uint8Array(this.program.length), { at: 0, saved: [] }, text, 0, capture);
    let at = 0;
    while (at < text.length && threads.length > 0) {
      const point = text.codePointAt(at) as number;
      const next = at + (point > 0xffff ? 2 : 1);
      const following: Thread[] = [];
      const seen = new Uint8Array(this.program.length);
      for (const thread of threads) {
        const instruction = this.program[thread.at] as Instruction;
        if (instruction.kind === "chars" && instruction.set.has(point)) {
          this.follow(following, seen, { at: thread.at + 1, saved: thread.saved }, text, next, capture);
        }
      }
      threads = following;
      at = next;
    }
    return threads.find((thread) => this.program[thread.at]?.kind === "match")?.saved;
  }

  /** Adds the threads that `start` leads to without taking a character, each place once. */
  private follow(
    into: Thread[],
    seen: Uint8Array,
    start: Thread,
    text: string,
    position: number,
    capture: boolean,
  ): void {
    const stack: Thread[] = [start];
    for (let thread = stack.pop(); thread !== undefined; thread = stack.pop()) {
      const { at, saved } = thread;
      if (seen[at] === 1) continue;
      seen[at] = 1;
      const instruction = this.program[at] as Instruction;
      switch (instruction.kind) {
        case "jump":
          stack.push({ at: instruction.to, saved });
          break;
        case "split":
          stack.push({ at: instruction.second, saved }, { at: instruction.first, saved });
          break;
        case "save": {
          let after = saved;
          if (capture) {
            const copy = saved.slice();
            copy[instruction.slot] = position;
            after = copy;
          }
          stack.push({ at: at + 1, saved: after });
          break;
        }
        case "assert":
          if (holds(instruction.what, text, position)) stack.push({ at: at + 1, saved });
          break;
        default:
          into.push(thread);
      }
    }
  }
}

function isWordAt(text: string, at: number): boolean {
  return /^[0-9A-Za-z_]$/.test(text.charAt(at));
}

function holds(what: Assertion, text: string, at: number): boolean {
  switch (what) {
    case "text-start":
      return at === 0;
    case "text-end":
      return at === text.length;
    case "line-start":
      return at === 0 || text[at - 1] === "\n";
    case "line-end":
      return at === text.length || text[at] === "\n";
    case "word-edge":
      return isWordAt(text, at - 1) !== isWordAt(text, at);
    case "no-word-edge":
      return isWordAt(text, at - 1) === isWordAt(text, at);
  }
}

/**
 * `template` with `$1`, `${1}`, `$name`, `${name}` replaced by groups and `$$` by a dollar sign, as Go's `Expand` does: a name is
 * as long as it can be, and an unknown one stands for nothing.
 */
export function expandTemplate(
  template: string,
  groups: readonly (string | undefined)[],
  names: readonly string[],
): string {
  return template.replace(/\$(?:(\$)|(\w+)|\{(\w+)\})/g, (_all, dollar, bare, braced) => {
    if (dollar !== undefined) return "$";
    const name = String(bare ?? braced);
    if (/^[0-9]+$/.test(name)) return groups[Number(name)] ?? "";
    const index = names.indexOf(name);
    return index < 0 ? "" : (groups[index] ?? "");
  });
}
