/** Processes and units that the policy declares, for the actions that start, stop and signal them. */
import type { Fields } from "../../fields.js";
import { absolutePath, declaredName, required } from "../verdict.js";

/** A process that this host knows how to start, for hosts without systemd. */
export interface DeclaredProcess {
  readonly name: string;
  readonly pidFile: string;
  /** Program and arguments; no shell reads them. */
  readonly start: readonly string[];
  /** The signal that asks it to stop. Default SIGTERM. */
  readonly stop: NodeJS.Signals;
}

/** A systemd unit's whole name. */
export const unitName = /^[A-Za-z0-9][A-Za-z0-9:_.@\\-]{0,200}\.(service|socket|timer|target)$/;
/** Signals that ask; the one that kills is not among them. */
export const askingSignals: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"];

/** Reads a list of declared processes. */
export function readProcesses(fields: Fields, key = "processes"): DeclaredProcess[] {
  return fields.each(key).map((process): DeclaredProcess => {
    const read = {
      name: required(process, "name", "a name of letters, digits, '.', '_' and '-'", declaredName),
      pidFile: required(process, "pidFile", "an absolute path", absolutePath),
      start: readProgram(process, "start"),
      stop: readSignal(process, "stop", "SIGTERM", askingSignals),
    };
    process.done();
    return read;
  });
}

/** Reads a program and its arguments: what is run is a list, never a line. */
export function readProgram(fields: Fields, key: string): string[] {
  const argv = fields.texts(key, "a program and its arguments, each a text");
  if (argv.length === 0 || argv[0]?.startsWith("/") !== true) {
    fields.fault(key, fields.raw(key), "a list that begins with the program's absolute path");
  }
  return argv;
}

/** Reads a program that need not be there. */
export function readOptionalProgram(fields: Fields, key: string): string[] | undefined {
  return fields.has(key) ? readProgram(fields, key) : undefined;
}

/** Reads a signal's name. */
export function readSignal(
  fields: Fields,
  key: string,
  fallback: NodeJS.Signals,
  choices: readonly NodeJS.Signals[],
): NodeJS.Signals {
  const value = fields.raw(key) ?? fallback;
  const found = choices.find((signal) => signal === value);
  if (found === undefined) fields.fault(key, value, `one of ${choices.join(", ")}`);
  return found ?? fallback;
}
