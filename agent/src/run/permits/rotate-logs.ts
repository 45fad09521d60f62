/** Whether this host lets log files be rotated, and which. Pure. */
import type { Fields } from "../../fields.js";
import {
  absolutePath,
  declared,
  declaredName,
  deny,
  required,
  requiredName,
  type Verdict,
} from "../verdict.js";
import { readSignal } from "./processes.js";
import { reloadSignals } from "./reload-service.js";

/** Logs that may be rotated. */
export interface RotateLogsPolicy {
  readonly logs: readonly DeclaredLog[];
}

/** A log file and the process that writes it. */
export interface DeclaredLog {
  readonly name: string;
  /** Absolute. What was rotated lies beside it, with the time in its name. */
  readonly path: string;
  /** How many rotated files stay; the oldest beyond go. Default 7. */
  readonly keep: number;
  /** Whether the rotated file is compressed (gzip). Default true. */
  readonly compress: boolean;
  readonly pidFile: string;
  /** What makes the process open its log anew. Default SIGUSR1. */
  readonly signal: NodeJS.Signals;
}

export function readRotateLogs(fields: Fields): RotateLogsPolicy {
  const logs = fields.each("logs").map((log): DeclaredLog => {
    const read = {
      name: required(log, "name", "a name of letters, digits, '.', '_' and '-'", declaredName),
      path: required(log, "path", "an absolute path", absolutePath),
      keep: log.integer("keep", 7, 1, 1000),
      compress: log.flag("compress", true),
      pidFile: required(log, "pidFile", "an absolute path", absolutePath),
      signal: readSignal(log, "signal", "SIGUSR1", reloadSignals),
    };
    log.done();
    return read;
  });
  fields.done();
  return { logs };
}

export function allowRotateLogs(own: RotateLogsPolicy | undefined, fields: Fields): Verdict {
  const log = requiredName(fields, "log", "log");
  if (own === undefined) return deny("actions.rotateLogs is not set on this host");
  if (declared(own.logs, log) === undefined) return deny(`${log} is not in actions.rotateLogs.logs`);
  return { kind: "allow", arguments: { action: "rotate-logs", log } };
}
