import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { root } from "./repository.mjs";

/** Kept of a tool's output: its end is where the reason stands. */
const outputBytesMax = 256 * 1024;

/**
 * @typedef {{ code: number, output: string }} Outcome
 *   code: the exit code, 128 when a signal ended it, 127 when it could not be started.
 *   output: what it wrote to both streams, the last 256 KiB of it.
 */

/**
 * Runs a program to its end, in the clone's root, with the workspace's tools on its PATH.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string | undefined>, show?: boolean, timeoutMs?: number }} [options]
 *   show: its output goes straight to ours. timeoutMs: it is killed then; default 15 minutes.
 * @returns {Promise<Outcome>}
 */
export function run(command, args, options = {}) {
  const path = `${join(root, "node_modules", ".bin")}${delimiter}${process.env["PATH"] ?? ""}`;
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, PATH: path, ...options.env },
    stdio: options.show === true ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
    timeout: options.timeoutMs ?? 15 * 60_000,
    killSignal: "SIGKILL",
  });
  /** @type {Buffer[]} */
  let kept = [];
  let bytes = 0;
  /** @param {Buffer} chunk */
  const keep = (chunk) => {
    kept.push(chunk);
    bytes += chunk.length;
    if (bytes > 2 * outputBytesMax) {
      const end = Buffer.concat(kept).subarray(-outputBytesMax);
      kept = [end];
      bytes = end.length;
    }
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ code: 127, output: `${command}: ${error.message}\n` }));
    child.on("close", (code) =>
      resolve({ code: code ?? 128, output: Buffer.concat(kept).subarray(-outputBytesMax).toString("utf8") }),
    );
  });
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
