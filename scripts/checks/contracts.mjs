import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { differencesFrom, generatedFolder, withGenerated } from "../setup/contracts.mjs";
import { run } from "../setup/run.mjs";

/** @typedef {{ ok: boolean, output: string }} Finding */

/** @returns {Promise<Finding>} */
export async function checkContractStyle() {
  const outcome = await run("buf", ["lint"]);
  return { ok: outcome.code === 0, output: outcome.output };
}

/**
 * Generated code is what the contracts say. It looks and does not mend: what is committed must be right by itself.
 * @returns {Promise<Finding>}
 */
export async function checkGeneratedCode() {
  const differences = await withGenerated(differencesFrom);
  if (differences.length === 0) return { ok: true, output: "" };
  const lines = differences.slice(0, 10).map(({ path, is }) => `${generatedFolder}/${path}: ${is}`);
  return { ok: false, output: `${lines.join("\n")}\nnpm run generate, and commit what it changed` };
}

/** Where released contracts are looked for, the first that holds any. */
const bases = ["origin/main", "main", "HEAD"];

/**
 * The commit to compare the contracts with, or why there is none.
 * @returns {Promise<{ commit: string, name: string } | { because: string }>}
 */
async function findBase() {
  for (const name of bases) {
    const commit = await run("git", ["rev-parse", "--verify", "--quiet", `${name}^{commit}`]);
    if (commit.code !== 0) continue;
    const sha = commit.output.trim();
    const files = await run("git", ["ls-tree", "-r", "--name-only", sha, "--", "proto"], {
      streams: "stdout",
    });
    if (files.code === 0 && /\.proto$/m.test(files.output)) return { commit: sha, name };
  }
  return { because: `none of ${bases.join(", ")} holds a contract here` };
}

/**
 * No message on the wire changes its meaning, against the contracts of the main branch.
 * @returns {Promise<Finding>}
 */
export async function checkNothingBreaks() {
  const base = await findBase();
  if ("because" in base) return { ok: true, output: `nothing to compare with: ${base.because}` };
  const at = mkdtempSync(join(tmpdir(), "mainstay-contracts-"));
  try {
    const archive = join(at, "base.tar");
    const packed = await run("git", ["archive", "--output", archive, base.commit, "buf.yaml", "proto"]);
    if (packed.code !== 0)
      return { ok: false, output: `cannot read the contracts of ${base.name}: ${packed.output}` };
    const outcome = await run("buf", ["breaking", "--against", archive]);
    const against = `against ${base.name} (${base.commit.slice(0, 10)})`;
    return {
      ok: outcome.code === 0,
      output: outcome.code === 0 ? against : `${outcome.output.trimEnd()}\n${against}`,
    };
  } finally {
    rmSync(at, { recursive: true, force: true });
  }
}
