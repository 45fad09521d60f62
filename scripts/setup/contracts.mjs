import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { root } from "./repository.mjs";
import { run } from "./run.mjs";

/** Where the committed code of the contracts lies, from the clone's root. */
export const generatedFolder = "proto/gen";

/**
 * Generates the code of the contracts into a folder of its own and hands over its place; removes it afterwards.
 * @template T
 * @param {(folder: string) => T} use
 * @returns {Promise<T>} throws an Error with buf's own words
 */
export async function withGenerated(use) {
  const at = mkdtempSync(join(tmpdir(), "mainstay-generate-"));
  try {
    const outcome = await run("buf", ["generate", "--output", at]);
    if (outcome.code !== 0) throw new Error(`buf generate failed:\n${outcome.output.trimEnd()}`);
    return use(join(at, generatedFolder));
  } finally {
    rmSync(at, { recursive: true, force: true });
  }
}

/** @param {string} folder */
function filesIn(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return entries.filter((e) => e.isFile()).map((e) => relative(folder, join(e.parentPath, e.name)));
}

/**
 * How the committed code differs from what was generated just now.
 * @param {string} generated
 * @returns {{ path: string, is: "missing" | "different" | "left over" }[]} paths from proto/gen, in order
 */
export function differencesFrom(generated) {
  const committed = join(root, generatedFolder);
  const wanted = filesIn(generated);
  const there = new Set(filesIn(committed));
  /** @type {ReturnType<typeof differencesFrom>} */
  const found = [];
  for (const path of wanted) {
    if (!there.has(path)) found.push({ path, is: "missing" });
    else if (!readFileSync(join(generated, path)).equals(readFileSync(join(committed, path)))) {
      found.push({ path, is: "different" });
    }
    there.delete(path);
  }
  for (const path of there) found.push({ path, is: "left over" });
  return found.sort((a, b) => a.path.localeCompare(b.path));
}

/**
 * Brings the committed code up to what the contracts say, touching only the files that differ: a build that goes by
 * time stamps then has nothing to do when nothing changed.
 * @returns {Promise<number>} how many files changed
 */
export function regenerate() {
  return withGenerated((generated) => {
    const differences = differencesFrom(generated);
    for (const { path, is } of differences) {
      const target = join(root, generatedFolder, path);
      if (is === "left over") {
        rmSync(target, { force: true });
      } else {
        mkdirSync(dirname(target), { recursive: true });
        cpSync(join(generated, path), target);
      }
    }
    return differences.length;
  });
}
