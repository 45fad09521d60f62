import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { root } from "./repository.mjs";

/** Kept of a tool's output unless told otherwise: its end is where the reason stands. */
const outputBytesMaxDefault = 256 * 1024;

/**
 * @typedef {{ code: number, output: string }} Outcome
 *   code: the exit code, 128 when a signal ended it, 127 when it could not be started.
 *   output: the end of what it wrote, 256 KiB unless told otherwise; both streams unless told otherwise.
 */

/**
 * Runs a program to its end, with the workspace's tools on its PATH.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string | undefined>, timeoutMs?: number, outputBytesMax?: number, streams?: "both" | "stdout", cwd?: string }} [options]
 *   timeoutMs: it is killed then; default 15 minutes. cwd: default the clone's root. streams: "stdout" leaves
 *   out what it wrote to stderr, unless it wrote nothing else.
 * @returns {Promise<Outcome>}
 */
export function run(command, args, options = {}) {
  const path = `${join(root, "node_modules", ".bin")}${delimiter}${process.env["PATH"] ?? ""}`;
  const outputBytesMax = options.outputBytesMax ?? outputBytesMaxDefault;
  const child = spawn(command, args, {
    cwd: options.cwd ?? root,
    env: { ...process.env, PATH: path, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: options.timeoutMs ?? 15 * 60_000,
    killSignal: "SIGKILL",
  });
  const both = new Tail(outputBytesMax);
  // What nobody reads must still be drained, or the tool stops at a full pipe.
  const errors = options.streams === "stdout" ? new Tail(outputBytesMax) : both;
  child.stdout.on("data", (chunk) => both.take(chunk));
  child.stderr.on("data", (chunk) => errors.take(chunk));
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ code: 127, output: `${command}: ${error.message}\n` }));
    child.on("close", (code) => resolve({ code: code ?? 128, output: both.text || errors.text }));
  });
}

/** The end of a stream, bounded. */
class Tail {
  /** @param {number} bytesMax */
  constructor(bytesMax) {
    this.bytesMax = bytesMax;
  }

  /** @type {Buffer[]} */
  #kept = [];
  #bytes = 0;

  /** @param {Buffer} chunk */
  take(chunk) {
    this.#kept.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes <= 2 * this.bytesMax) return;
    const end = Buffer.concat(this.#kept).subarray(-this.bytesMax);
    this.#kept = [end];
    this.#bytes = end.length;
  }

  get text() {
    return Buffer.concat(this.#kept).subarray(-this.bytesMax).toString("utf8");
  }
}

/**
 * Runs a JavaScript file with this very Node.
 * @param {readonly string[]} args
 * @param {Parameters<typeof run>[2]} [options]
 * @returns {Promise<Outcome>}
 */
export function runNode(args, options) {
  return run(process.execPath, args, options);
}
