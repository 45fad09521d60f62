/**
 * One line of JSON for each event: a fixed sentence plus facts. `error` means that someone must act now; `warn` heals
 * itself. Facts never hold a token; texts from elsewhere are cleaned before they come here.
 */
import { type Facts, OpsError } from "./errors.js";
import type { Clock } from "./system.js";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Logger {
  debug(sentence: string, facts?: Facts): void;
  info(sentence: string, facts?: Facts): void;
  /** `error` goes along with its message, code and causes. */
  warn(sentence: string, facts?: Facts, error?: unknown): void;
  error(sentence: string, facts?: Facts, error?: unknown): void;
}

const CAUSES_MAX = 4;

function describe(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error);
  return {
    message: error.message,
    ...(error instanceof OpsError ? { code: error.code } : { stack: error.stack }),
    ...(error.cause !== undefined && depth < CAUSES_MAX ? { cause: describe(error.cause, depth + 1) } : {}),
  };
}

/** Lines written together: a system call for each costs as much as the call that it tells of. */
const GATHER_MS = 20;
const GATHERED_MAX = 64 * 1_024;

/** What takes lines and writes them soon, and what writes them now. */
export function gatherLines(
  to: { write(text: string): unknown },
  clock: Pick<Clock, "sleep">,
): { readonly write: (line: string) => void; readonly flush: () => void } {
  let gathered = "";
  const flush = (): void => {
    if (gathered !== "") to.write(gathered);
    gathered = "";
  };
  return {
    write(line) {
      const first = gathered === "";
      gathered += `${line}\n`;
      if (gathered.length > GATHERED_MAX) flush();
      else if (first) clock.sleep(GATHER_MS).then(flush, flush);
    },
    flush,
  };
}

/** A logger that gives each line, without its line break, to `write`. */
export function createLogger(clock: Clock, write: (line: string) => void, least: LogLevel): Logger {
  const log = (level: LogLevel, sentence: string, facts: Facts = {}, error?: unknown): void => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least)) return;
    write(
      JSON.stringify({
        time: new Date(clock.now()).toISOString(),
        level,
        sentence,
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
  };
}
