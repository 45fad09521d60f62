import { join } from "node:path";
import { filesBelow } from "../setup/repository.mjs";
import { runNode } from "../setup/run.mjs";

const folders = [
  "proto/src",
  "control-plane/src",
  "control-plane/cli",
  "control-plane/console",
  "agent/src",
  "agent/bench",
  "mcp-server/src",
  "e2e",
  "bench",
  "scripts",
];
/** @param {string} name */
const isSource = (name) => /\.(?:ts|tsx|mjs)$/.test(name) && !name.endsWith(".d.ts");

/**
 * What dependency-cruiser reports as JSON, as far as it is read here.
 * @typedef {{
 *   modules: { source: string }[],
 *   summary: { violations: { from: string, to: string, rule: { name: string }, cycle?: { name: string }[], comment?: string }[] },
 * }} Cruise
 */

/**
 * Imports against the floor plan in .dependency-cruiser.mjs. Also fails when a source file was not looked at: given a
 * compiler it does not know, dependency-cruiser looks at nothing and finds no fault.
 * @returns {Promise<{ ok: boolean, output: string }>}
 */
export async function checkFloorPlan() {
  const sources = folders.flatMap((folder) => filesBelow(folder, isSource));
  const given = folders.filter((folder) => sources.some((source) => source.startsWith(`${folder}/`)));
  const cli = join("node_modules", "dependency-cruiser", "bin", "dependency-cruise.mjs");
  const args = ["--config", ".dependency-cruiser.mjs", "--output-type", "json", ...given];
  const outcome = await runNode([cli, ...args], { outputBytesMax: 64 * 1024 * 1024, streams: "stdout" });
  /** @type {Cruise} */
  let cruise;
  try {
    cruise = JSON.parse(outcome.output);
  } catch {
    return {
      ok: false,
      output: `dependency-cruiser ended with ${outcome.code}:\n${outcome.output.slice(-4000)}`,
    };
  }
  const cruised = new Set(cruise.modules.map((module) => module.source));
  const unseen = sources.filter((source) => !cruised.has(source));
  const lines = cruise.summary.violations.map(describe);
  if (sources.length === 0) lines.push("there are no source files at all");
  if (unseen.length > 0) {
    lines.push(
      `${unseen.length} of ${sources.length} source files were not looked at: ${unseen.slice(0, 5).join(", ")}`,
    );
  }
  return lines.length > 0
    ? { ok: false, output: lines.join("\n") }
    : { ok: true, output: `${sources.length} source files, ${cruised.size} modules` };
}

/** @param {Cruise["summary"]["violations"][number]} violation */
function describe({ from, to, rule, cycle }) {
  const way = cycle === undefined || cycle.length === 0 ? to : cycle.map((step) => step.name).join(" -> ");
  return `${rule.name}: ${from}${way === from ? "" : ` -> ${way}`}`;
}
