import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the clone: everything below is named from here, whatever the working directory. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** What the scripts remember of this clone (locks, fingerprints). Ignored by git, safe to delete. */
export const memory = join(root, ".mainstay");

/** The workspaces that are compiled, in the order they need each other. */
export const workspaces = ["proto", "control-plane", "agent", "mcp-server", "e2e"];

const skipped = new Set(["node_modules", "dist", "coverage", ".git", ".mainstay"]);

/**
 * Every file below `folder` whose name `accepts`, as paths from the clone's root, in a stable order.
 * Folders that hold nothing written by hand (node_modules, dist, coverage) are left out; a missing folder is empty.
 * @param {string} folder
 * @param {(name: string) => boolean} accepts
 * @returns {string[]}
 */
export function filesBelow(folder, accepts) {
  const at = join(root, folder);
  if (!existsSync(at)) return [];
  /** @type {string[]} */
  const found = [];
  for (const entry of readdirSync(at, { withFileTypes: true })) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!skipped.has(entry.name)) found.push(...filesBelow(path, accepts));
    } else if (entry.isFile() && accepts(entry.name)) {
      found.push(path);
    }
  }
  return found.sort();
}

/**
 * A JSON file as what it holds, or undefined when it is missing or broken: every caller then does the work anew.
 * @param {string} path
 * @returns {unknown}
 */
export function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}
