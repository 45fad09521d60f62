/** Go's text/template, read into a tree (https://pkg.go.dev/text/template). */
import { TemplateError } from "./template-error.js";
import { cutTemplate, type Piece, type Token } from "./tokens.js";
import type { Branch, Command, Node, Operand, ParsedTemplate, Pipeline } from "./tree.js";

/** Deepest nesting of blocks, and of parentheses. */
const DEPTH_MAX = 50;

/**
 * Throws TemplateError. `isFunction` tells which names may be called; `variables` are there from the start, besides `$`.
 */
export function parseTemplate(
  text: string,
  isFunction: (name: string) => boolean,
  variables: readonly string[] = [],
): ParsedTemplate {
  return new Parser(cutTemplate(text), isFunction, variables).parse();
}

type Action = Piece & { kind: "action" };

class Parser {
  #at = 0;
  #depth = 0;
  #loops = 0;
  #variables: string[];
  readonly #defined = new Map<string, readonly Node[]>();

  constructor(
    private readonly pieces: readonly Piece[],
    private readonly isFunction: (name: string) => boolean,
    private readonly initial: readonly string[],
  ) {
    this.#variables = ["$", ...initial];
  }

  parse(): ParsedTemplate {
    const { nodes, end } = this.#block();
    if (end !== undefined) throw new TemplateError(`unexpected {{${end.keyword}}}`);
    return { body: nodes, defined: this.#defined };
  }

  /** Nodes up to the end of the text, or to the action that closes or parts a block, which is given back. */
  #block(): { nodes: Node[]; end: Action | undefined } {
    if (++this.#depth > DEPTH_MAX) throw new TemplateError("the blocks are nested too deep");
    const known = this.#variables.length;
    const nodes: Node[] = [];
    let end: Action | undefined;
    for (let piece = this.pieces[this.#at++]; piece !== undefined; piece = this.pieces[this.#at++]) {
      if (piece.kind === "text") nodes.push(piece);
      else if (piece.keyword === "end" || piece.keyword === "else") {
        end = piece;
        break;
      } else {
        const node = this.#node(piece);
        if (node !== undefined) nodes.push(node);
      }
    }
    this.#variables.length = known;
    this.#depth--;
    return { nodes, end };
  }

  #node(action: Action): Node | undefined {
    const { keyword, tokens } = action;
    switch (keyword) {
      case "if":
      case "with":
        return this.#conditional(keyword, tokens);
      case "range":
        return this.#range(tokens);
      case "define":
        this.#define(tokens, "define");
        return undefined;
      case "block": {
        const name = this.#define(tokens, "block");
        return { kind: "template", name, data: this.#pipeline(tokens.slice(1)) };
      }
      case "template": {
        const data = tokens.length > 1 ? this.#pipeline(tokens.slice(1)) : undefined;
        return { kind: "template", name: nameOf(tokens, "template"), data };
      }
      case "break":
      case "continue":
        if (this.#loops === 0) throw new TemplateError(`{{${keyword}}} outside {{range}}`);
        if (tokens.length > 0) throw new TemplateError(`unexpected text in {{${keyword}}}`);
        return { kind: keyword };
      default:
        return { kind: "print", pipeline: this.#pipeline(tokens) };
    }
  }

  #conditional(keyword: "if" | "with", condition: readonly Token[]): Node {
    const known = this.#variables.length;
    const branches: Branch[] = [];
    let when: Pipeline | undefined = this.#pipeline(condition);
    for (;;) {
      const { nodes, end } = this.#block();
      branches.push({ when, body: nodes });
      if (end === undefined) throw new TemplateError("unexpected EOF");
      if (end.keyword === "end") break;
      if (when === undefined) throw new TemplateError("unexpected {{else}}");
      const [first] = end.tokens;
      if (first === undefined) when = undefined;
      else if (first.kind === "word" && first.word === keyword) when = this.#pipeline(end.tokens.slice(1));
      else throw new TemplateError("unexpected text in {{else}}");
    }
    this.#variables.length = known;
    return { kind: keyword, branches };
  }

  #range(tokens: readonly Token[]): Node {
    const known = this.#variables.length;
    const over = this.#pipeline(tokens, 2);
    this.#loops++;
    const { nodes: body, end } = this.#block();
    this.#loops--;
    let empty: readonly Node[] = [];
    let last = end;
    if (end?.keyword === "else") {
      if (end.tokens.length > 0) throw new TemplateError("unexpected text in {{else}}");
      const otherwise = this.#block();
      empty = otherwise.nodes;
      last = otherwise.end;
    }
    if (last === undefined) throw new TemplateError("unexpected EOF");
    if (last.keyword !== "end") throw new TemplateError("unexpected {{else}}");
    this.#variables.length = known;
    return { kind: "range", over, body, empty };
  }

  #define(tokens: readonly Token[], keyword: string): string {
    const name = nameOf(tokens, keyword);
    if (keyword === "define" && tokens.length > 1) throw new TemplateError("unexpected text in {{define}}");
    // What is defined sees no variables of where it stands.
    const outer = this.#variables;
    const loops = this.#loops;
    this.#variables = ["$", ...this.initial];
    this.#loops = 0;
    const { nodes, end } = this.#block();
    this.#variables = outer;
    this.#loops = loops;
    if (end === undefined) throw new TemplateError("unexpected EOF");
    if (end.keyword !== "end") throw new TemplateError(`unexpected {{else}} in {{${keyword}}}`);
    this.#defined.set(name, nodes);
    return name;
  }

  /** The whole of an action as a pipeline, which may declare up to `declaresMax` variables. */
  #pipeline(tokens: readonly Token[], declaresMax = 1): Pipeline {
    const reader = { tokens, at: 0 };
    const { declare, assign } = this.#declaration(reader, declaresMax);
    const commands = this.#commands(reader, 0);
    if (reader.at < tokens.length) throw new TemplateError("unexpected right paren in action");
    if (!assign) this.#variables.push(...declare);
    return { declare, assign, commands };
  }

  #declaration(reader: Reader, most: number): { declare: string[]; assign: boolean } {
    const declare: string[] = [];
    let at = 0;
    for (;;) {
      const token = reader.tokens[at];
      const next = reader.tokens[at + 1];
      if (token?.kind !== "variable" || next?.kind !== "mark") return { declare: [], assign: false };
      declare.push(token.name);
      at += 2;
      if (next.mark === ",") {
        if (declare.length >= most) throw new TemplateError("too many declarations");
        continue;
      }
      if (next.mark !== ":=" && next.mark !== "=") return { declare: [], assign: false };
      reader.at = at;
      const assign = next.mark === "=";
      if (assign) for (const name of declare) this.#known(name);
      return { declare, assign };
    }
  }

  #commands(reader: Reader, depth: number): Command[] {
    if (depth > DEPTH_MAX) throw new TemplateError("the parentheses are nested too deep");
    const commands: Command[] = [];
    for (;;) {
      commands.push(this.#command(reader, depth, commands.length > 0));
      const token = reader.tokens[reader.at];
      if (token?.kind !== "mark" || token.mark !== "|") return commands;
      reader.at++;
    }
  }

  #command(reader: Reader, depth: number, piped: boolean): Command {
    const operands: Operand[] = [];
    for (;;) {
      const operand = this.#operand(reader, depth);
      if (operand === undefined) break;
      operands.push(operand);
    }
    const [head, ...args] = operands;
    if (head === undefined) throw new TemplateError("missing value for command");
    const callable = head.kind === "call" || head.kind === "field";
    if (!callable && (args.length > 0 || piped))
      throw new TemplateError("can't give argument to non-function");
    return { head, args };
  }

  #operand(reader: Reader, depth: number): Operand | undefined {
    let operand = this.#term(reader, depth);
    if (operand === undefined) return undefined;
    // `.a.b`, `$x.a` and `(…).a` are chains; a space before the dot begins another operand.
    for (let token = reader.tokens[reader.at]; token?.kind === "field"; token = reader.tokens[reader.at]) {
      if (token.spaced) break;
      operand = { kind: "field", of: operand, name: token.name };
      reader.at++;
    }
    return operand;
  }

  #term(reader: Reader, depth: number): Operand | undefined {
    const token = reader.tokens[reader.at];
    if (token === undefined) return undefined;
    if (token.kind === "mark") {
      if (token.mark === "|" || token.mark === ")") return undefined;
      if (token.mark !== "(") throw new TemplateError(`unexpected ${JSON.stringify(token.mark)} in action`);
      reader.at++;
      const commands = this.#commands(reader, depth + 1);
      const close = reader.tokens[reader.at++];
      if (close?.kind !== "mark" || close.mark !== ")") throw new TemplateError("unclosed left paren");
      return { kind: "group", pipeline: { declare: [], assign: false, commands } };
    }
    reader.at++;
    switch (token.kind) {
      case "literal":
        return { kind: "literal", value: token.value };
      case "dot":
        return { kind: "dot" };
      case "field":
        return { kind: "field", of: { kind: "dot" }, name: token.name };
      case "variable":
        return { kind: "variable", name: this.#known(token.name) };
      case "word":
        if (!this.isFunction(token.word)) throw new TemplateError(`function "${token.word}" not defined`);
        return { kind: "call", name: token.word };
    }
  }

  #known(name: string): string {
    if (!this.#variables.includes(name)) throw new TemplateError(`undefined variable "${name}"`);
    return name;
  }
}

interface Reader {
  readonly tokens: readonly Token[];
  at: number;
}

function nameOf([first]: readonly Token[], keyword: string): string {
  if (first?.kind === "literal" && typeof first.value === "string") return first.value;
  throw new TemplateError(`{{${keyword}}} needs a name in quotes`);
}
