import { readFileSync } from "node:fs";

/**
 * Who a process is. A pid alone is reused by the kernel; pid, start time and boot together are not.
 * @typedef {{ pid: number, startTicks: string, bootId: string }} ProcessIdentity
 */

/** @param {string} path */
function textOf(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/**
 * The start of a process in clock ticks since boot (field 22 of /proc/PID/stat), "" where there is no /proc.
 * The command's name stands in brackets and may hold spaces and brackets: fields are counted from the last one.
 * @param {string} stat
 * @returns {string}
 */
export function startTicksOf(stat) {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

const bootIdFile = "/proc/sys/kernel/random/boot_id";

/**
 * @param {number} pid
 * @returns {ProcessIdentity}
 */
export function identityOf(pid) {
  return { pid, startTicks: startTicksOf(textOf(`/proc/${pid}/stat`)), bootId: textOf(bootIdFile).trim() };
}

/**
 * Whether exactly that process still runs. A zombie does not: it holds nothing any more.
 * @param {ProcessIdentity} identity
 * @returns {boolean}
 */
export function stillRuns(identity) {
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    // EPERM: it is there, and someone else's.
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
  }
  const stat = textOf(`/proc/${identity.pid}/stat`);
  if (stat === "") return true;
  if (/\) [ZX] /.test(stat)) return false;
  const now = identityOf(identity.pid);
  if (identity.startTicks !== "" && now.startTicks !== identity.startTicks) return false;
  return identity.bootId === "" || now.bootId === identity.bootId;
}
