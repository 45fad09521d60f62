/** What a template is once it is read. */
import type { TemplateValue } from "./value.js";

export type Operand =
  | { readonly kind: "literal"; readonly value: TemplateValue }
  | { readonly kind: "dot" }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "call"; readonly name: string }
  | { readonly kind: "group"; readonly pipeline: Pipeline }
  /** A chain of fields on something; the last may be a method. */
  | { readonly kind: "field"; readonly of: Operand; readonly name: string };

/** One step of a pipeline: what is called, or only said, and its arguments. */
export interface Command {
  readonly head: Operand;
  readonly args: readonly Operand[];
}

export interface Pipeline {
  readonly declare: readonly string[];
  /** `=` on a variable that is there, and not `:=`. */
  readonly assign: boolean;
  readonly commands: readonly Command[];
}

export interface Branch {
  /** Undefined: else. */
  readonly when: Pipeline | undefined;
  readonly body: readonly Node[];
}

export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "print"; readonly pipeline: Pipeline }
  | { readonly kind: "if" | "with"; readonly branches: readonly Branch[] }
  | {
      readonly kind: "range";
      readonly over: Pipeline;
      readonly body: readonly Node[];
      readonly empty: readonly Node[];
    }
  | { readonly kind: "template"; readonly name: string; readonly data: Pipeline | undefined }
  | { readonly kind: "break" | "continue" };

export interface ParsedTemplate {
  readonly body: readonly Node[];
  /** What it defines by name. */
  readonly defined: ReadonlyMap<string, readonly Node[]>;
}
