/** A template filled in: bounded in steps, depth and output, whatever it says. */
import { TemplateError } from "./template-error.js";
import type { Branch, Command, Node, Operand, Pipeline } from "./tree.js";
import {
  entryOf,
  isMap,
  itemsOf,
  keysOf,
  mapOf,
  SafeText,
  showValue,
  TemplateObject,
  type TemplateValue,
  truth,
} from "./value.js";

/** What functions may know besides their arguments. */
export interface FunctionScope {
  readonly now: number;
  /** By name, with the dollar sign. */
  readonly variables?: Readonly<Record<string, TemplateValue>>;
  /** Answers what stands outside the text. Throws TemplateError. Absent: nothing can be asked. */
  readonly ask?: (question: string) => TemplateValue;
}

/** Undefined: the arguments do not fit. Throws TemplateError for what else is wrong. */
export type TemplateFunction = (
  args: readonly TemplateValue[],
  scope: FunctionScope,
) => TemplateValue | undefined;

export type TemplateFunctions = Readonly<Record<string, TemplateFunction>>;

export interface RunOptions extends FunctionScope {
  readonly functions: TemplateFunctions;
  /** The body of a template by name. */
  readonly lookup: (name: string) => readonly Node[] | undefined;
  /** Applied to what is printed and is not SafeText, as for HTML. */
  readonly escape?: (text: string) => string;
  /** @default 1,000,000 characters, of the output and of every text on the way */
  readonly outputMax?: number;
  /** @default 500,000 */
  readonly stepsMax?: number;
}

const OUTPUT_MAX = 1_000_000;
const STEPS_MAX = 500_000;
/** Deepest nesting of templates that call each other. */
const DEPTH_MAX = 100;

/** Throws TemplateError. */
export function runTemplate(body: readonly Node[], data: TemplateValue, options: RunOptions): string {
  const run = new Run(options);
  run.template(body, data);
  return run.output();
}

interface Variable {
  readonly name: string;
  value: TemplateValue;
}

type Flow = "on" | "break" | "continue";

class Run {
  readonly #options: RunOptions;
  readonly #outputMax: number;
  #out: string[] = [];
  #length = 0;
  #steps: number;
  #depth = 0;
  #variables: Variable[] = [];

  constructor(options: RunOptions) {
    this.#options = options;
    this.#outputMax = options.outputMax ?? OUTPUT_MAX;
    this.#steps = options.stepsMax ?? STEPS_MAX;
  }

  output(): string {
    return this.#out.join("");
  }

  template(body: readonly Node[], data: TemplateValue): void {
    if (++this.#depth > DEPTH_MAX) throw new TemplateError("exceeded maximum template depth");
    const outer = this.#variables;
    this.#variables = [{ name: "$", value: data }];
    for (const [name, value] of Object.entries(this.#options.variables ?? {}))
      this.#variables.push({ name, value });
    this.#walk(body, data);
    this.#variables = outer;
    this.#depth--;
  }

  #walk(nodes: readonly Node[], dot: TemplateValue): Flow {
    for (const node of nodes) {
      this.#step();
      const flow = this.#node(node, dot);
      if (flow !== "on") return flow;
    }
    return "on";
  }

  #node(node: Node, dot: TemplateValue): Flow {
    switch (node.kind) {
      case "text":
        this.#write(node.text);
        return "on";
      case "print": {
        const value = this.#pipeline(node.pipeline, dot);
        if (node.pipeline.declare.length === 0) this.#print(value);
        return "on";
      }
      case "if":
      case "with":
        return this.#conditional(node.branches, node.kind === "with", dot);
      case "range":
        return this.#range(node, dot);
      case "template": {
        const body = this.#options.lookup(node.name);
        if (body === undefined) throw new TemplateError(`template "${node.name}" not defined`);
        this.template(body, node.data === undefined ? null : this.#pipeline(node.data, dot));
        return "on";
      }
      case "break":
      case "continue":
        return node.kind;
    }
  }

  #conditional(branches: readonly Branch[], moves: boolean, dot: TemplateValue): Flow {
    const known = this.#variables.length;
    try {
      for (const { when, body } of branches) {
        if (when === undefined) return this.#scoped(body, dot);
        const value = this.#pipeline(when, dot);
        if (truth(value)) return this.#scoped(body, moves ? value : dot);
      }
      return "on";
    } finally {
      this.#variables.length = known;
    }
  }

  #range(node: Node & { kind: "range" }, dot: TemplateValue): Flow {
    const known = this.#variables.length;
    const [first, second] = node.over.declare;
    const over = this.#pipeline({ ...node.over, declare: [] }, dot);
    let ran = false;
    for (const [key, item] of entries(over)) {
      this.#step();
      ran = true;
      if (first !== undefined) this.#declare(first, second === undefined ? item : key, node.over.assign);
      if (second !== undefined) this.#declare(second, item, node.over.assign);
      const flow = this.#walk(node.body, item);
      this.#variables.length = known;
      if (flow === "break") break;
    }
    return ran ? "on" : this.#scoped(node.empty, dot);
  }

  /** What a block declares is gone after it. */
  #scoped(body: readonly Node[], dot: TemplateValue): Flow {
    const known = this.#variables.length;
    const flow = this.#walk(body, dot);
    this.#variables.length = known;
    return flow;
  }

  #pipeline(pipeline: Pipeline, dot: TemplateValue): TemplateValue {
    let value: TemplateValue = null;
    pipeline.commands.forEach((command, index) => {
      value = this.#bounded(this.#command(command, dot, index === 0 ? [] : [value]));
    });
    for (const name of pipeline.declare) this.#declare(name, value, pipeline.assign);
    return value;
  }

  #command({ head, args }: Command, dot: TemplateValue, piped: readonly TemplateValue[]): TemplateValue {
    this.#step();
    if (head.kind === "call") return this.#call(head.name, args, dot, piped);
    if (head.kind === "field") {
      const values = args.map((arg) => this.#operand(arg, dot));
      return this.#member(this.#operand(head.of, dot), head.name, [...values, ...piped]);
    }
    return this.#operand(head, dot);
  }

  #call(
    name: string,
    args: readonly Operand[],
    dot: TemplateValue,
    piped: readonly TemplateValue[],
  ): TemplateValue {
    // These two look at no more arguments than they need.
    if (name === "and" || name === "or") return this.#choose(name, args, dot, piped);
    const apply = Object.hasOwn(this.#options.functions, name) ? this.#options.functions[name] : undefined;
    if (apply === undefined) throw new TemplateError(`function "${name}" not defined`);
    const values = [...args.map((arg) => this.#operand(arg, dot)), ...piped];
    const result = apply(values, this.#options);
    if (result === undefined) throw new TemplateError(`error calling ${name}: wrong arguments`);
    return result;
  }

  #choose(
    name: "and" | "or",
    args: readonly Operand[],
    dot: TemplateValue,
    piped: readonly TemplateValue[],
  ): TemplateValue {
    let last: TemplateValue | undefined;
    for (const arg of args) {
      last = this.#operand(arg, dot);
      if (truth(last) === (name === "or")) return last;
    }
    last = piped[0] ?? last;
    if (last === undefined) throw new TemplateError(`error calling ${name}: wrong arguments`);
    return last;
  }

  #operand(operand: Operand, dot: TemplateValue): TemplateValue {
    switch (operand.kind) {
      case "literal":
        return operand.value;
      case "dot":
        return dot;
      case "variable":
        return this.#variable(operand.name).value;
      case "group":
        return this.#pipeline(operand.pipeline, dot);
      case "call":
        return this.#call(operand.name, [], dot, []);
      case "field":
        return this.#member(this.#operand(operand.of, dot), operand.name, []);
    }
  }

  #member(of: TemplateValue, name: string, args: readonly TemplateValue[]): TemplateValue {
    this.#step();
    if (of instanceof TemplateObject) {
      const member = of.member(name);
      if (typeof member === "function") {
        const result = member(args);
        if (result === undefined) throw new TemplateError(`error calling ${name}: wrong arguments`);
        return result;
      }
      if (member !== undefined) return withoutArguments(member, name, args);
    }
    if (isMap(of)) return withoutArguments(entryOf(of, name), name, args);
    if (of === null) throw new TemplateError(`nil data; no entry for field ${name}`);
    throw new TemplateError(`can't evaluate field ${name} in ${kindOf(of)}`);
  }

  #declare(name: string, value: TemplateValue, assign: boolean): void {
    if (assign) this.#variable(name).value = value;
    else this.#variables.push({ name, value });
  }

  #variable(name: string): Variable {
    const found = this.#variables.findLast((variable) => variable.name === name);
    if (found === undefined) throw new TemplateError(`undefined variable "${name}"`);
    return found;
  }

  #print(value: TemplateValue): void {
    const text = showValue(value);
    const toOutput = this.#options.escape;
    this.#write(toOutput === undefined || value instanceof SafeText ? text : toOutput(text));
  }

  #write(text: string): void {
    this.#length += text.length;
    if (this.#length > this.#outputMax)
      throw new TemplateError(`the output is longer than ${this.#outputMax} characters`);
    this.#out.push(text);
  }

  #bounded(value: TemplateValue): TemplateValue {
    if (typeof value === "string" && value.length > this.#outputMax)
      throw new TemplateError(`a text is longer than ${this.#outputMax} characters`);
    return value;
  }

  #step(): void {
    if (--this.#steps < 0) throw new TemplateError("it takes too many steps");
  }
}

function withoutArguments(value: TemplateValue, name: string, args: readonly TemplateValue[]): TemplateValue {
  if (args.length > 0) throw new TemplateError(`${name} has arguments but cannot be invoked as function`);
  return value;
}

/** Largest number that may be ranged over. */
const COUNT_MAX = 1_000_000;

function* entries(over: TemplateValue): Iterable<readonly [TemplateValue, TemplateValue]> {
  const items = itemsOf(over);
  const map = mapOf(over);
  if (items !== undefined) {
    for (const [index, item] of items.entries()) yield [index, item];
  } else if (map !== undefined) {
    for (const name of keysOf(map)) yield [name, entryOf(map, name)];
  } else if (typeof over === "number") {
    for (let count = 0; count < Math.min(over, COUNT_MAX); count++) yield [count, count];
  } else if (over !== null) {
    throw new TemplateError(`range can't iterate over ${kindOf(over)}`);
  }
}

function kindOf(value: TemplateValue): string {
  if (typeof value === "object") return "this value";
  return `a ${typeof value}`;
}
