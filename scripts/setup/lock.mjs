import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { identityOf, stillRuns } from "./process-identity.mjs";

/**
 * @typedef {import("./process-identity.mjs").ProcessIdentity} ProcessIdentity
 * @typedef {{ kind: "held", release: () => void, takenOverFrom: ProcessIdentity | undefined }} Held
 * @typedef {{ kind: "busy", owner: ProcessIdentity }} Busy
 */

/** @param {string} path */
function textOf(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/**
 * Who wrote a lock file; undefined when it cannot be read as one (then nobody owns it).
 * @param {string} text
 * @returns {ProcessIdentity | undefined}
 */
export function ownerIn(text) {
  try {
    /** @type {unknown} */
    const parsed = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null) return undefined;
    const { pid, startTicks, bootId } = /** @type {Record<string, unknown>} */ (parsed);
    if (!Number.isSafeInteger(pid) || Number(pid) <= 0) return undefined;
    return { pid: Number(pid), startTicks: String(startTicks ?? ""), bootId: String(bootId ?? "") };
  } catch {
    return undefined;
  }
}

/**
 * Takes the lock file at `path`, or says who has it. The file is linked into place complete, so no reader sees half
 * of one. A lock whose owner no longer runs is taken over: it is moved aside first, and moved back if what was moved
 * turns out to be another's new lock and not the dead one that was read.
 * @param {string} path
 * @param {ProcessIdentity} [self]
 * @returns {Held | Busy}
 */
export function takeLock(path, self = identityOf(process.pid)) {
  mkdirSync(dirname(path), { recursive: true });
  const nonce = randomUUID();
  const mine = `${path}.${nonce}`;
  const content = `${JSON.stringify({ ...self, nonce })}\n`;
  writeFileSync(mine, content, { mode: 0o600 });
  /** @type {ProcessIdentity | undefined} */
  let takenOverFrom;
  try {
    for (;;) {
      try {
        linkSync(mine, path);
        const release = () => {
          if (textOf(path) === content) rmSync(path, { force: true });
        };
        return { kind: "held", release, takenOverFrom };
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      }
      const found = textOf(path);
      if (found === undefined) continue;
      const owner = ownerIn(found);
      if (owner !== undefined && stillRuns(owner)) return { kind: "busy", owner };
      takenOverFrom = owner ?? takenOverFrom;
      setAside(path, found, `${mine}.dead`);
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/**
 * @param {string} path
 * @param {string} expected
 * @param {string} aside
 */
function setAside(path, expected, aside) {
  try {
    renameSync(path, aside);
  } catch {
    return; // Another was faster: the next round sees what it left.
  }
  if (textOf(aside) !== expected) {
    try {
      linkSync(aside, path);
    } catch {
      // A third one holds it by now; the one moved aside finds out when it looks for its own lock.
    }
  }
  rmSync(aside, { force: true });
}

/**
 * Takes the lock, waiting for its owner as long as that one runs.
 * @param {string} path
 * @param {(owner: ProcessIdentity) => void} onWait called once, when there is someone to wait for
 * @param {number} [pauseMs] between two looks
 * @returns {Promise<Held>}
 */
export async function waitForLock(path, onWait, pauseMs = 250) {
  let told = false;
  for (;;) {
    const taken = takeLock(path);
    if (taken.kind === "held") return taken;
    if (!told) onWait(taken.owner);
    told = true;
    await sleep(pauseMs);
  }
}
