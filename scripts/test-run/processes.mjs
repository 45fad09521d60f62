import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

/** The name under which every process of a test run carries the run's mark, however far it moved away from us. */
export const markName = "MAINSTAY_TEST_RUN";

/** Marks this process and every one it will start; returns the mark. */
export function markThisRun() {
  const mark = randomUUID();
  process.env[markName] = mark;
  return mark;
}

/**
 * The other processes that carry the mark: children, their children, and those that made themselves independent.
 * One that was started with a cleaned environment is not found. Empty where there is no /proc.
 * @param {string} mark
 * @returns {{ pid: number, command: string }[]}
 */
export function processesMarked(mark) {
  /** @type {{ pid: number, command: string }[]} */
  const found = [];
  for (const entry of entriesOfProc()) {
    const pid = Number(entry);
    if (pid === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${entry}/environ`, "latin1").split("\0").includes(`${markName}=${mark}`))
        continue;
      found.push({
        pid,
        command: readFileSync(`/proc/${entry}/cmdline`, "utf8").replaceAll("\0", " ").trim(),
      });
    } catch {
      // It ended while we looked, or it is someone else's.
    }
  }
  return found;
}

function entriesOfProc() {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/**
 * Ends what a test run started and left, so that it outlives nobody.
 * @param {string} mark
 * @returns {string[]} the commands that were still there
 */
export function endLeftovers(mark) {
  const left = processesMarked(mark);
  for (const { pid } of left) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself in between.
    }
  }
  return left.map(({ command }) => command);
}
