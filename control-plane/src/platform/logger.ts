/**
 * One line of JSON for each event: a fixed sentence plus facts. `error` means that someone must act now;
 * `warn` heals itself. Facts never hold a secret; texts from hosts are cleaned before they come here.
 */
import { type Facts, OpsError } from "../kernel/errors.js";
import type { Clock } from "./system.js";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Logger {
  debug(sentence: string, facts?: Facts): void;
  info(sentence: string, facts?: Facts): void;
  /** `error` goes along whole: its message, code, facts and causes. */
  warn(sentence: string, facts?: Facts, error?: unknown): void;
  error(sentence: string, facts?: Facts, error?: unknown): void;
  /** A logger whose lines all carry these facts too. */
  with(facts: Facts): Logger;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const CAUSES_MAX = 4;

function describe(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error);
  return {
    message: error.message,
    ...(error instanceof OpsError ? { code: error.code, ...error.facts } : { stack: error.stack }),
    ...("code" in error && typeof error.code === "string" ? { code: error.code } : {}),
    ...(error.cause !== undefined && depth < CAUSES_MAX ? { cause: describe(error.cause, depth + 1) } : {}),
  };
}

/** A logger that gives each line, without its line break, to `write`. */
export function createLogger(
  clock: Clock,
  write: (line: string) => void,
  least: LogLevel = "info",
  bound: Facts = {},
): Logger {
  const log = (level: LogLevel, sentence: string, facts: Facts = {}, error?: unknown): void => {
    if (RANK[level] < RANK[least]) return;
    write(
      JSON.stringify({
        time: new Date(clock.now()).toISOString(),
        level,
        sentence,
        ...bound,
        ...facts,
        ...(error === undefined ? {} : { error: describe(error) }),
      }),
    );
  };
  return {
    debug: (sentence, facts) => log("debug", sentence, facts),
    info: (sentence, facts) => log("info", sentence, facts),
    warn: (sentence, facts, error) => log("warn", sentence, facts, error),
    error: (sentence, facts, error) => log("error", sentence, facts, error),
    with: (facts) => createLogger(clock, write, least, { ...bound, ...facts }),
  };
}

/** A logger that says nothing, for tests. */
export const silentLogger: Logger = createLogger(
  { now: () => 0, monotonic: () => 0, sleep: async () => {} },
  () => {},
  "error",
);
