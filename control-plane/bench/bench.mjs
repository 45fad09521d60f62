/** What every bench has: flags with --json and --help, words on how far it is, and a directory of its own. */
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** The flags as typed. `--help` prints the comment at the head of the file at `url`, and ends. */
export function readFlags(url, options) {
  const { values } = parseArgs({
    options: { ...options, json: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    const text = readFileSync(fileURLToPath(url), "utf8").match(/\/\*\*([\s\S]*?)\*\//)[1];
    process.stdout.write(text.replaceAll(/^ \* ?/gm, ""));
    process.exit(0);
  }
  return values;
}

const began = performance.now();

/** Says how far it is, with the seconds since the start. */
export function note(line) {
  const seconds = ((performance.now() - began) / 1_000).toFixed(0).padStart(4);
  process.stderr.write(`${seconds} s  ${line}\n`);
}

/** A temporary directory, to be removed by whoever asked. PostgreSQL does not run as root, and its user must get there. */
export function ownDirectory() {
  const directory = mkdtempSync(join(tmpdir(), "mainstay-bench-"));
  chmodSync(directory, 0o711);
  return directory;
}

/** Writes the result where `--json` says, if it says so. */
export function saveResult(flags, result) {
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(result, undefined, 2)}\n`);
}
