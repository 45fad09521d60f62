import { readdirSync, readFileSync } from "node:fs";

/**
 * The processes below `pid`, each with its command, nearest first. Those that made themselves independent (their
 * parent is gone) are not below anyone and not found. Empty where there is no /proc.
 * @param {number} pid
 * @returns {{ pid: number, command: string }[]}
 */
export function descendantsOf(pid) {
  /** @type {Map<number, { pid: number, command: string }[]>} */
  const children = new Map();
  for (const entry of entriesOfProc()) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const state = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state[0] === "Z") continue;
      const command = readFileSync(`/proc/${entry}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      const parent = Number(state[1]);
      children.set(parent, [...(children.get(parent) ?? []), { pid: Number(entry), command }]);
    } catch {
      // It ended while we looked.
    }
  }
  /** @type {{ pid: number, command: string }[]} */
  const found = [];
  const open = [pid];
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    for (const child of children.get(next) ?? []) {
      found.push(child);
      open.push(child.pid);
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
 * Ends what this process started and left, for a run that must not leave anything behind.
 * @returns {string[]} the commands that were still there
 */
export function endLeftovers() {
  const left = descendantsOf(process.pid);
  for (const { pid } of left) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself in between.
    }
  }
  return left.map(({ command }) => command);
}
