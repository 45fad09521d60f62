/** Which process a number means now: process numbers are used again, so a number alone is not enough to act on. */
import { readFile } from "node:fs/promises";

/** A living process. `startTicks` is when it started, in clock ticks since boot; with the pid it names one process. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: number;
  readonly name: string;
}

/** The process with this number; undefined when there is none, or only its remains (a zombie). */
export async function findProcess(pid: number): Promise<ProcessIdentity | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  return parseStat(pid, stat);
}

/** Reads /proc/PID/stat. The name stands in brackets and may hold brackets and spaces itself. */
export function parseStat(pid: number, stat: string): ProcessIdentity | undefined {
  const from = stat.indexOf("(");
  const to = stat.lastIndexOf(")");
  const rest = stat.slice(to + 2).split(" ");
  const startTicks = Number(rest[19]);
  if (from < 0 || to < from || rest[0] === "Z" || rest[0] === "X" || !Number.isFinite(startTicks))
    return undefined;
  return { pid, startTicks, name: stat.slice(from + 1, to) };
}

/** The process that a pid file names; undefined when the file or the process is not there. */
export async function processOfPidFile(path: string): Promise<ProcessIdentity | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    return undefined;
  }
  const match = /^\s*(\d{1,10})\s/.exec(`${text.slice(0, 64)}\n`);
  const pid = Number(match?.[1]);
  // 0 and 1 are never meant: a signal to 0 reaches the agent's own group.
  return Number.isInteger(pid) && pid > 1 ? findProcess(pid) : undefined;
}

/** Whether two looks saw the same process. */
export function isSameProcess(a: ProcessIdentity | undefined, b: ProcessIdentity | undefined): boolean {
  return a !== undefined && b !== undefined && a.pid === b.pid && a.startTicks === b.startTicks;
}
