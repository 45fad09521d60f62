/**
 * Templates of labels and annotations: Go's text/template as rules use it, with Prometheus' functions.
 *
 * Built: `{{ $value }}`, `{{ $labels.x }}`, `.Value`, `.Labels.x`, strings, numbers, pipelines, parentheses, comments,
 * trim markers, if / else if / else / end, and the functions named in FUNCTIONS. Not built yet: range, with, define,
 * variables of one's own, and functions that query.
 */
import type { Labels } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import { FUNCTIONS, type TemplateValue, truth } from "./template-functions.js";

export interface RenderContext {
  readonly labels: Labels;
  readonly value: number;
  readonly now: Instant;
}

type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "print"; readonly pipeline: Pipeline }
  | {
      readonly kind: "if";
      readonly branches: readonly { readonly when: Pipeline | undefined; readonly parts: readonly Part[] }[];
    };

type Operand =
  | { readonly kind: "literal"; readonly value: TemplateValue }
  | { readonly kind: "value" }
  | { readonly kind: "label"; readonly name: string }
  | { readonly kind: "labels" }
  | { readonly kind: "group"; readonly pipeline: Pipeline };

interface Call {
  readonly name: string | undefined;
  readonly operands: readonly Operand[];
}
type Pipeline = readonly Call[];

class TemplateError extends Error {}

const cache = new Map<string, readonly Part[]>();
const CACHE_MAX = 10_000;

function compile(text: string): readonly Part[] {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const parts = new Parser(text).parse();
  if (cache.size >= CACHE_MAX) cache.clear();
  cache.set(text, parts);
  return parts;
}

/** What is wrong with a template; undefined when nothing is. */
export function checkTemplate(text: string): string | undefined {
  try {
    compile(text);
    return undefined;
  } catch (error) {
    if (error instanceof TemplateError) return `template: ${error.message}`;
    throw error;
  }
}

/** The text for one alert. As in Prometheus, a template that fails gives a text that says so. */
export function renderText(text: string, context: RenderContext): string {
  if (!text.includes("{{")) return text;
  try {
    return print(compile(text), context);
  } catch (error) {
    if (error instanceof TemplateError) return `<error expanding template: ${error.message}>`;
    throw error;
  }
}

function print(parts: readonly Part[], context: RenderContext): string {
  let out = "";
  for (const part of parts) {
    if (part.kind === "text") out += part.text;
    else if (part.kind === "print") out += show(run(part.pipeline, context));
    else {
      const branch = part.branches.find(({ when }) => when === undefined || truth(run(when, context)));
      if (branch !== undefined) out += print(branch.parts, context);
    }
  }
  return out;
}

/** A value as Go's fmt prints it; numbers as %v does: the shortest form, an exponent from 1e21 on. */
function show(value: TemplateValue): string {
  if (typeof value === "number") return formatGoNumber(value);
  if (typeof value === "object") {
    return `map[${Object.entries(value)
      .map(([name, text]) => `${name}:${text}`)
      .sort()
      .join(" ")}]`;
  }
  return String(value);
}

function formatGoNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e21))
    return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  return String(value);
}

function run(pipeline: Pipeline, context: RenderContext): TemplateValue {
  let piped: TemplateValue | undefined;
  for (const { name, operands } of pipeline) {
    const values = operands.map((operand) => resolve(operand, context));
    if (piped !== undefined) values.push(piped);
    if (name === undefined) {
      const [only] = values;
      if (only === undefined || values.length > 1)
        throw new TemplateError("can't give argument to non-function");
      piped = only;
      continue;
    }
    const apply = FUNCTIONS[name];
    if (apply === undefined) throw new TemplateError(`function "${name}" not defined`);
    const result = apply(values, context.now);
    if (result === undefined) throw new TemplateError(`error calling ${name}: wrong arguments`);
    piped = result;
  }
  return piped ?? "";
}

function resolve(operand: Operand, context: RenderContext): TemplateValue {
  switch (operand.kind) {
    case "literal":
      return operand.value;
    case "value":
      return context.value;
    case "labels":
      return context.labels;
    case "label":
      return context.labels[operand.name] ?? "";
    case "group":
      return run(operand.pipeline, context);
  }
}

const TOKEN =
  /\s*(?:(\|)|(\()|(\))|(\$labels|\$externalLabels|\.Labels|\.ExternalLabels)(?:\.([A-Za-z_]\w*))?|(\$value|\.Value)|("(?:[^"\\]|\\.)*"|`[^`]*`)|([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(true|false)\b|([A-Za-z_]\w*))/y;

class Parser {
  #position = 0;
  constructor(private readonly text: string) {}

  parse(): readonly Part[] {
    const { parts, end } = this.#block();
    if (end !== undefined) throw new TemplateError(`unexpected {{${end}}}`);
    return parts;
  }

  /** Parts up to the end of the text or an action that closes a block, which is given back. */
  #block(): { parts: Part[]; end: string | undefined } {
    const parts: Part[] = [];
    for (;;) {
      const open = this.text.indexOf("{{", this.#position);
      const literal = this.text.slice(this.#position, open === -1 ? undefined : open);
      if (open === -1) {
        if (literal !== "") parts.push({ kind: "text", text: literal });
        this.#position = this.text.length;
        return { parts, end: undefined };
      }
      const close = this.#closing(open + 2);
      let inner = this.text.slice(open + 2, close);
      this.#position = close + 2;
      const trimLeft = /^-\s/.test(inner);
      if (trimLeft) inner = inner.slice(1);
      if (/\s-$/.test(inner)) {
        inner = inner.slice(0, -1);
        while (/\s/.test(this.text[this.#position] ?? "")) this.#position++;
      }
      const shown = trimLeft ? literal.trimEnd() : literal;
      if (shown !== "") parts.push({ kind: "text", text: shown });
      const action = inner.trim();
      if (/^\/\*[\s\S]*\*\/$/.test(action)) continue;
      if (/^(end|else)\b/.test(action)) return { parts, end: action };
      if (/^if\s/.test(action)) parts.push(this.#conditional(action.slice(2)));
      else if (/^(range|with|define|template|block|break|continue)\b/.test(action)) {
        throw new TemplateError(`{{${action.split(/\s/)[0]}}} is not built yet`);
      } else parts.push({ kind: "print", pipeline: this.#pipeline(action) });
    }
  }

  /** The closing braces after `from`, passing over strings. */
  #closing(from: number): number {
    let quote = "";
    for (let i = from; i < this.text.length; i++) {
      const char = this.text[i] as string;
      if (quote !== "") {
        if (char === "\\" && quote === '"') i++;
        else if (char === quote) quote = "";
      } else if (char === '"' || char === "`") quote = char;
      else if (char === "}" && this.text[i + 1] === "}") return i;
    }
    throw new TemplateError("unclosed action");
  }

  #conditional(condition: string): Part {
    const branches: { when: Pipeline | undefined; parts: readonly Part[] }[] = [];
    let when: Pipeline | undefined = this.#pipeline(condition);
    for (;;) {
      const { parts, end } = this.#block();
      branches.push({ when, parts });
      if (end === undefined) throw new TemplateError("unexpected EOF");
      if (end === "end") return { kind: "if", branches };
      const next = /^else(?:\s+if\s+([\s\S]+))?$/.exec(end);
      if (next === null || when === undefined) throw new TemplateError(`unexpected {{${end}}}`);
      when = next[1] === undefined ? undefined : this.#pipeline(next[1]);
    }
  }

  #pipeline(source: string): Pipeline {
    const state = { at: 0 };
    const pipeline = readPipeline(source, state, 0);
    if (state.at < source.trimEnd().length)
      throw new TemplateError(`unexpected ${JSON.stringify(source.slice(state.at).trim())} in action`);
    return pipeline;
  }
}

function readPipeline(source: string, state: { at: number }, depth: number): Pipeline {
  if (depth > 50) throw new TemplateError("the parentheses are nested too deep");
  const calls: Call[] = [];
  let name: string | undefined;
  let operands: Operand[] = [];
  const finish = (): void => {
    if (name === undefined && operands.length === 0) throw new TemplateError("missing value for command");
    if (name === undefined && operands.length > 1)
      throw new TemplateError("can't give argument to non-function");
    calls.push({ name, operands });
    name = undefined;
    operands = [];
  };
  for (;;) {
    TOKEN.lastIndex = state.at;
    const match = TOKEN.exec(source);
    if (match === null) break;
    const [, pipe, open, close, labels, label, value, text, number, bool, word] = match;
    if (close !== undefined) break;
    state.at = TOKEN.lastIndex;
    if (pipe !== undefined) finish();
    else if (open !== undefined) {
      operands.push({ kind: "group", pipeline: readPipeline(source, state, depth + 1) });
      TOKEN.lastIndex = state.at;
      if (TOKEN.exec(source)?.[3] === undefined) throw new TemplateError("unclosed left paren");
      state.at = TOKEN.lastIndex;
    } else if (labels !== undefined) {
      const external = labels.includes("xternal");
      if (external) operands.push({ kind: "literal", value: label === undefined ? {} : "" });
      else operands.push(label === undefined ? { kind: "labels" } : { kind: "label", name: label });
    } else if (value !== undefined) operands.push({ kind: "value" });
    else if (text !== undefined) operands.push({ kind: "literal", value: unquote(text) });
    else if (number !== undefined) operands.push({ kind: "literal", value: Number(number) });
    else if (bool !== undefined) operands.push({ kind: "literal", value: bool === "true" });
    else if (word !== undefined) {
      if (FUNCTIONS[word] === undefined) throw new TemplateError(`function "${word}" not defined`);
      if (operands.length > 0 || name !== undefined)
        operands.push({ kind: "group", pipeline: [{ name: word, operands: [] }] });
      else name = word;
    }
  }
  finish();
  return calls;
}

function unquote(text: string): string {
  if (text.startsWith("`")) return text.slice(1, -1);
  try {
    return JSON.parse(text) as string;
  } catch {
    throw new TemplateError(`malformed string ${text}`);
  }
}
