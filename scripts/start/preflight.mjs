import { existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { takeLock } from "../setup/lock.mjs";
import { portPlan } from "./options.mjs";

/** What keeps the start from going on, as a sentence for the person; the exit is 1. */
export class CannotStart extends Error {}

/** What a day of a small fleet takes, and PostgreSQL's write-ahead log before that. */
const freeBytesMin = 200 * 1024 * 1024;
const megabyte = 1024 * 1024;

/** @param {unknown} error */
const codeOf = (error) => (error instanceof Error && "code" in error ? String(error.code) : String(error));

/**
 * Makes the state directory and takes it for this process alone. Throws CannotStart.
 * @param {string} state
 * @returns {import("../setup/lock.mjs").Held}
 */
export function takeState(state) {
  try {
    makeDirectory(state);
    const probe = join(state, `.writable-${process.pid}`);
    writeFileSync(probe, "");
    rmSync(probe);
  } catch (error) {
    if (codeOf(error) === "ENOSPC") throw new CannotStart(diskSentence(state, 0));
    throw new CannotStart(
      `the state directory ${state} cannot be written (${codeOf(error)}): make it writable for this user, or give another with --state DIR`,
    );
  }
  const { bavail, bsize } = statfsSync(state);
  if (bavail * bsize < freeBytesMin) throw new CannotStart(diskSentence(state, bavail * bsize));
  const lock = takeLock(join(state, "start.lock"));
  if (lock.kind === "held") return lock;
  throw new CannotStart(
    `Mainstay already runs on ${state} as process ${lock.owner.pid}: stop that one first, or start another beside it with --state DIR --port-base N`,
  );
}

/**
 * Makes a directory for this user only, and those above it as usual. Not `recursive: true`: where the system answers ENOENT below a directory
 * that exists (as /proc does), Node 20 tries for ever.
 * @param {string} path
 */
function makeDirectory(path, mode = 0o700) {
  if (existsSync(path)) return;
  makeDirectory(dirname(path), 0o755);
  mkdirSync(path, { mode });
}

/**
 * @param {string} state
 * @param {number} freeBytes
 */
function diskSentence(state, freeBytes) {
  return `the disk that holds ${state} is full: ${Math.floor(freeBytes / megabyte)} MB are free and ${freeBytesMin / megabyte} MB are needed; free some, or give another place with --state DIR`;
}

/**
 * Whether the port can be opened on this machine's loopback address.
 * @param {number} port
 * @returns {Promise<"free" | string>} "free", or the system's reason
 */
function probe(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve(codeOf(error)));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve("free")));
  });
}

/**
 * Looks at every port before anything is started. Throws CannotStart with all that cannot be opened.
 * @param {Record<import("./options.mjs").PortName, number>} ports
 * @returns {Promise<void>}
 */
export async function checkPorts(ports) {
  /** @type {string[]} */
  const faults = [];
  for (const { name, flag, purpose } of portPlan) {
    const found = await probe(ports[name]);
    if (found === "free") continue;
    const why = found === "EADDRINUSE" ? "is taken by another program" : `cannot be opened (${found})`;
    faults.push(`port ${ports[name]}, for ${purpose}, ${why} (change it with ${flag} N)`);
  }
  if (faults.length > 0) throw new CannotStart(`${faults.join("; ")}; --port-base N moves all five`);
}
