/** Whether this host lets the heap of a process be written to a file, and of which. Pure. */
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

/** Node processes whose heap may be looked at. */
export interface HeapSnapshotPolicy {
  readonly processes: readonly SnapshotProcess[];
}

/**
 * A Node process that was started with `--heapsnapshot-signal=SIGUSR2`. Its inspector is not used: whoever reaches an
 * open inspector port runs code in the process.
 */
export interface SnapshotProcess {
  readonly name: string;
  readonly pidFile: string;
  readonly signal: NodeJS.Signals;
  /** Where it writes them: its working directory, or its `--diagnostic-dir`. */
  readonly writesTo: string;
  /** Where they are kept, for this user only: a heap holds whatever secrets the process holds. */
  readonly keepIn: string;
  /** How many are kept; the oldest beyond go. Default 3. */
  readonly keep: number;
}

export function readHeapSnapshot(fields: Fields): HeapSnapshotPolicy {
  const processes = fields.each("processes").map((process): SnapshotProcess => {
    const read = {
      name: required(process, "name", "a name of letters, digits, '.', '_' and '-'", declaredName),
      pidFile: required(process, "pidFile", "an absolute path", absolutePath),
      signal: readSignal(process, "signal", "SIGUSR2", ["SIGUSR2", "SIGUSR1", "SIGHUP"]),
      writesTo: required(process, "writesTo", "an absolute path", absolutePath),
      keepIn: required(process, "keepIn", "an absolute path", absolutePath),
      keep: process.integer("keep", 3, 1, 100),
    };
    process.done();
    return read;
  });
  fields.done();
  return { processes };
}

export function allowHeapSnapshot(own: HeapSnapshotPolicy | undefined, fields: Fields): Verdict {
  const process = requiredName(fields, "process", "process");
  if (own === undefined) return deny("actions.heapSnapshot is not set on this host");
  if (declared(own.processes, process) === undefined)
    return deny(`${process} is not in actions.heapSnapshot.processes`);
  return { kind: "allow", arguments: { action: "heap-snapshot", process } };
}
