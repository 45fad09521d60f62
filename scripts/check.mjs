#!/usr/bin/env node
// The walls of the house, each a check with a name. All are run, even when one fails.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bootstrap } from "./bootstrap.mjs";
import { checkContractStyle, checkGeneratedCode, checkNothingBreaks } from "./checks/contracts.mjs";
import { checkFloorPlan } from "./checks/floor-plan.mjs";
import { checkLockFile } from "./checks/lock-file.mjs";
import { compilePrograms, compiler } from "./setup/compile.mjs";
import { progressTo, secondsSince } from "./setup/progress.mjs";
import { run, runNode } from "./setup/run.mjs";

/**
 * @typedef {{ ok: boolean, output: string }} Finding
 * @typedef {{ name: string, ok: boolean }} CheckResult
 */

/**
 * @param {...string} args
 * @returns {() => Promise<Finding>}
 */
const compile =
  (...args) =>
  async () => {
    const outcome = await runNode([compiler, "--pretty", "false", ...args]);
    return { ok: outcome.code === 0, output: outcome.output };
  };

/** @type {readonly { name: string, check: () => Promise<Finding> }[]} */
const checks = [
  { name: "lock file holds every platform", check: checkLockFile },
  { name: "types", check: compileAll },
  { name: "types of the scripts", check: compile("-p", "scripts") },
  {
    name: "decisions compile with nothing ambient",
    check: compile("-p", join("control-plane", "tsconfig.domain.json")),
  },
  { name: "imports follow the floor plan", check: checkFloorPlan },
  { name: "lint and format", check: lint },
  { name: "contracts are well formed", check: checkContractStyle },
  { name: "contracts break nothing", check: checkNothingBreaks },
  { name: "generated code is what the contracts say", check: checkGeneratedCode },
];

/** @returns {Promise<Finding>} */
async function compileAll() {
  const outcome = await compilePrograms();
  return { ok: outcome.code === 0, output: outcome.output };
}

/** @returns {Promise<Finding>} */
async function lint() {
  const outcome = await run("biome", ["ci", "--colors=off", "--max-diagnostics=50", "."]);
  return { ok: outcome.code === 0, output: outcome.code === 0 ? "" : outcome.output };
}

/** @param {string} text */
const indented = (text) => text.trimEnd().replace(/^/gm, "    ");

/**
 * Runs every check and tells of each as it ends: its name, ok or FAILED, its time, and what it found.
 * @param {(line: string) => void} write
 * @returns {Promise<CheckResult[]>}
 */
export async function runChecks(write) {
  /** @type {CheckResult[]} */
  const results = [];
  for (const { name, check } of checks) {
    const startedAt = performance.now();
    const { ok, output } = await check().catch((error) => ({ ok: false, output: String(error) }));
    const note = ok && output.trim() !== "" ? `, ${output.trim().split("\n", 1)[0]}` : "";
    write(`${ok ? "ok    " : "FAILED"} ${name} (${secondsSince(startedAt)}${note})`);
    if (!ok) write(indented(output));
    results.push({ name, ok });
  }
  return results;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  /** @param {string} line */
  const write = (line) => process.stdout.write(`${line}\n`);
  try {
    await bootstrap(progressTo(write), { generate: false, compile: false });
    const results = await runChecks(write);
    const failed = results.filter((result) => !result.ok);
    write(`${results.length - failed.length} checks passed, ${failed.length} failed`);
    process.exitCode = failed.length === 0 ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
