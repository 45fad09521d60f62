/** What every command is made of, and what it is given. */
import type { ParseArgsConfig } from "node:util";
import type { ControlPlane } from "./connect.js";
import type { ExitCode } from "./exit-codes.js";
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
