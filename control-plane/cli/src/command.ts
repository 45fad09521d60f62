/** What every command is made of, and what it is given. */
import type { ParseArgsConfig } from "node:util";
import type { ControlPlane } from "./connect.js";
import type { ExitCode } from "./exit-codes.js";
import type { Guard } from "./guard.js";
import type { OutputForm } from "./output.js";

export interface Invocation {
  readonly positionals: readonly string[];
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  readonly form: OutputForm;
  /** Connects on first use. Throws Failure. */
  readonly controlPlane: () => Promise<ControlPlane>;
  /** One or more lines for the person or the program that reads on. */
  readonly write: (text: string) => void;
  /** What went wrong, beside the output. */
  readonly warn: (text: string) => void;
  readonly now: () => number;
  /** The context it runs in, and where contexts and what arms them are kept. */
  readonly guard: Guard;
  /** Asks the person and answers their line; undefined where nobody sits there. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
  /** Aborted when the person has had enough. */
  readonly signal: AbortSignal;
}

export type CommandOptions = NonNullable<ParseArgsConfig["options"]>;

export interface Command {
  /** As typed: `commands approve`. */
  readonly name: string;
  /** What may follow the name: `ID [--reason TEXT]`. */
  readonly usage: string;
  /** One line. */
  readonly summary: string;
  /** Other names: `approve` for `commands approve`. */
  readonly aliases?: readonly string[];
  /** It reads and writes contexts itself. @default true */
  readonly needsContext?: boolean;
  /**
   * It changes something: refused in a context that is read-only and not armed. `with --plan`: without that option it
   * only plans. @default false
   */
  readonly changes?: boolean | "with --plan";
  /** Lines on its options, indented by two; empty when there are none besides the general ones. */
  readonly help: string;
  readonly options: CommandOptions;
  /** How many positionals it takes. */
  readonly positionals: { readonly least: number; readonly most: number };
  run(invocation: Invocation): Promise<ExitCode>;
}

export function textFlag({ flags }: Invocation, name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
}
