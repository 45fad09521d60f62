import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { identityOf, stillRuns } from "../setup/process-identity.mjs";

/**
 * Who runs for this state directory, on disk: when `npm start` itself is killed, its programs go on, and the next
 * start must find and stop them before it starts its own.
 * @typedef {import("../setup/process-identity.mjs").ProcessIdentity & { name: string }} Running
 */

/** @param {string} state */
const fileIn = (state) => join(state, "running.json");

/**
 * @param {string} state
 * @param {readonly { name: string, pid: number }[]} programs
 */
export function remember(state, programs) {
  /** @type {Running[]} */
  const running = programs.map(({ name, pid }) => ({ ...identityOf(pid), name }));
  writeFileSync(fileIn(state), `${JSON.stringify(running)}\n`, { mode: 0o600 });
}

/**
 * @param {string} state
 * @returns {Running[]}
 */
function remembered(state) {
  try {
    /** @type {unknown} */
    const parsed = JSON.parse(readFileSync(fileIn(state), "utf8"));
    if (!Array.isArray(parsed)) return [];
    return parsed.filter(
      (entry) => Number.isSafeInteger(entry?.pid) && entry.pid > 1 && typeof entry.startTicks === "string",
    );
  } catch {
    return [];
  }
}

/**
 * Stops what an earlier start left running, the last started first.
 * @param {string} state
 * @param {(line: string) => void} say
 * @param {number} patienceMs for each
 * @returns {Promise<void>}
 */
export async function stopLeftovers(state, say, patienceMs) {
  for (const running of remembered(state).reverse()) {
    // Without a start time it could be anybody's by now.
    if (running.startTicks === "" || !stillRuns(running)) continue;
    say(`stopping the ${running.name} that an earlier start left behind (process ${running.pid})`);
    process.kill(running.pid, "SIGTERM");
    const until = performance.now() + patienceMs;
    while (stillRuns(running) && performance.now() < until) await sleep(50);
    if (stillRuns(running)) process.kill(running.pid, "SIGKILL");
  }
}
