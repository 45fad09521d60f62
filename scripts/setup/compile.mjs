import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { filesBelow, memory, root, workspaces } from "./repository.mjs";
import { runNode } from "./run.mjs";

/** The TypeScript compiler, from the clone's root. */
export const compiler = join("node_modules", "tsgo", "bin", "tsc");

const settingsStamp = join(memory, "compiler-settings.stamp");

/** A digest of all that decides how sources are compiled, besides the sources. */
function settingsNow() {
  const digest = createHash("sha256");
  const settings = workspaces.flatMap((workspace) =>
    filesBelow(workspace, (name) => /^tsconfig.*\.json$/.test(name)),
  );
  for (const file of ["tsconfig.json", "tsconfig.base.json", "package-lock.json", ...settings]) {
    digest.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  }
  return digest.digest("hex");
}

/**
 * Compiles every workspace that is stale. After a change of settings everything is: `tsc -b` keeps what it found
 * under the old ones (a changed `lib` in an extended file, for one, was not noticed).
 * @param {{ force?: boolean }} [options] force: compiles anew what is current too
 * @returns {Promise<import("./run.mjs").Outcome>}
 */
export async function compilePrograms(options = {}) {
  const settings = settingsNow();
  const same = existsSync(settingsStamp) && readFileSync(settingsStamp, "utf8") === settings;
  const anew = options.force === true || !same;
  const outcome = await runNode([compiler, "-b", "--pretty", "false", ...(anew ? ["--force"] : [])]);
  mkdirSync(memory, { recursive: true });
  writeFileSync(settingsStamp, settings);
  return outcome;
}
