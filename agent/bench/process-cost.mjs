// What a process costs, from /proc: CPU time of it and of the children it has waited for, and its memory.
import { readdirSync, readFileSync } from "node:fs";

const TICKS_PER_SECOND = 100;

/**
 * @typedef {{ cpuSeconds: number, rssMb: number, ussMb: number, pssMb: number }} Cost
 */

/**
 * CPU seconds of a process since it began. Of its living threads in nanoseconds where the kernel gives them (a tick of
 * 10 ms would be a tenth of what is measured here), of ended threads and of children in ticks.
 * @param {number} pid
 */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system, childUser, childSystem] = fields.slice(11, 15).map(Number);
  const own = ((user ?? 0) + (system ?? 0)) / TICKS_PER_SECOND;
  const children = ((childUser ?? 0) + (childSystem ?? 0)) / TICKS_PER_SECOND;
  return (threadSeconds(pid) ?? own) + children;
}

/** @param {number} pid */
function threadSeconds(pid) {
  let nanoseconds = 0;
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[0]);
    }
  } catch {
    return undefined;
  }
  return nanoseconds / 1e9;
}

/**
 * Memory of a process in MB (of 10^6 bytes): resident, its own alone, and its fair share of what is shared.
 * @param {number} pid
 */
export function memoryMb(pid) {
  /** @type {Map<string, number>} */
  const kib = new Map();
  for (const line of readFileSync(`/proc/${pid}/smaps_rollup`, "latin1").split("\n")) {
    const match = /^(\w+):\s+(\d+) kB/u.exec(line);
    if (match?.[1] !== undefined) kib.set(match[1], Number(match[2]));
  }
  const mb = (/** @type {readonly string[]} */ keys) =>
    (keys.reduce((sum, key) => sum + (kib.get(key) ?? 0), 0) * 1_024) / 1e6;
  return { rssMb: mb(["Rss"]), pssMb: mb(["Pss"]), ussMb: mb(["Private_Clean", "Private_Dirty"]) };
}
