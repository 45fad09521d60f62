/** Named templates together, as the files of a configuration define them, each able to call the others. */
import { BUILTINS } from "./builtins.js";
import { parseTemplate } from "./parse-template.js";
import { type RunOptions, runTemplate, type TemplateFunctions } from "./run-template.js";
import type { Node, ParsedTemplate } from "./tree.js";
import type { TemplateValue } from "./value.js";

/** Most texts that are kept in their read form. */
const CACHE_MAX = 10_000;

export type FillOptions = Omit<RunOptions, "functions" | "lookup">;

export class TemplateSet {
  readonly #functions: TemplateFunctions;
  readonly #variables: readonly string[];
  readonly #named = new Map<string, readonly Node[]>();
  readonly #read = new Map<string, ParsedTemplate>();

  /** `variables`: names with their dollar sign that every text may use. */
  constructor(functions: TemplateFunctions, variables: readonly string[] = []) {
    this.#functions = { ...BUILTINS, ...functions };
    this.#variables = variables;
  }

  /** Takes in what `text` defines; a later definition of a name takes the place of an earlier. Throws TemplateError. */
  define(text: string): void {
    for (const [name, body] of this.#parse(text).defined) this.#named.set(name, body);
  }

  /** Throws TemplateError when `text` is none. */
  check(text: string): void {
    this.#compile(text);
  }

  /** `text` filled in. Throws TemplateError. */
  fill(text: string, data: TemplateValue, options: FillOptions): string {
    if (!text.includes("{{")) return text;
    const { body, defined } = this.#compile(text);
    return runTemplate(body, data, {
      ...options,
      functions: this.#functions,
      lookup: (name) => defined.get(name) ?? this.#named.get(name),
    });
  }

  #compile(text: string): ParsedTemplate {
    const known = this.#read.get(text);
    if (known !== undefined) return known;
    const parsed = this.#parse(text);
    if (this.#read.size >= CACHE_MAX) this.#read.clear();
    this.#read.set(text, parsed);
    return parsed;
  }

  #parse(text: string): ParsedTemplate {
    return parseTemplate(text, (name) => Object.hasOwn(this.#functions, name), this.#variables);
  }
}
