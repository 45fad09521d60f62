#!/usr/bin/env node
// Makes a clone ready to run: packages, generated code, compiled programs. Does only what is stale; built-ins only,
// because on a fresh clone there is nothing else yet.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { compilePrograms } from "./setup/compile.mjs";
import { regenerate } from "./setup/contracts.mjs";
import { install } from "./setup/install.mjs";
import { waitForLock } from "./setup/lock.mjs";
import { nodeTooOld } from "./setup/node-version.mjs";
import { progressTo } from "./setup/progress.mjs";
import { filesBelow, memory, root, workspaces } from "./setup/repository.mjs";
import { runNode } from "./setup/run.mjs";

/** @typedef {import("./setup/progress.mjs").Progress} Progress */

const bundler = join("agent", "esbuild.mjs");

/**
 * A digest of what was written by hand, by path, size and time: far cheaper than the text, and a file touched in
 * vain costs one build that finds nothing to do.
 * @param {readonly string[]} files
 */
function fingerprintOf(files) {
  const digest = createHash("sha256").update(process.version);
  for (const file of files) {
    const { size, mtimeMs } = statSync(join(root, file));
    digest.update(`\0${file}\0${size}\0${mtimeMs}`);
  }
  return digest.digest("hex");
}

/** @param {string} name */
function stampOf(name) {
  const path = join(memory, `${name}.stamp`);
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/**
 * Does the work unless the stamp of that name says that these inputs had it done already.
 * @param {string} name
 * @param {string} inputs
 * @param {boolean} force
 * @param {() => Promise<void>} work
 */
async function unlessDone(name, inputs, force, work) {
  if (!force && stampOf(name) === inputs) return;
  await work();
  writeFileSync(join(memory, `${name}.stamp`), inputs);
}

/**
 * @param {Progress} progress
 * @param {boolean} force
 */
async function generate(progress, force) {
  const inputs = [
    ...filesBelow("proto", (name) => /\.(?:proto|mjs)$/.test(name)),
    "buf.yaml",
    "buf.gen.yaml",
  ];
  await unlessDone("contracts", fingerprintOf(inputs), force, async () => {
    await progress.step("generating code from the contracts", regenerate);
  });
}

/**
 * @param {Progress} progress
 * @param {boolean} force
 */
async function compile(progress, force) {
  const sources = workspaces.flatMap((workspace) =>
    filesBelow(
      workspace,
      (name) => /\.(?:ts|tsx)$/.test(name) || /^tsconfig.*\.json$|^package\.json$/.test(name),
    ),
  );
  const outputs = workspaces.map((workspace) => join(workspace, "dist", ".tsbuildinfo"));
  const complete = outputs.every((file) => existsSync(join(root, file)));
  const inputs = fingerprintOf([...sources, "tsconfig.json", "tsconfig.base.json", "package-lock.json"]);
  await unlessDone("programs", inputs, force || !complete, () =>
    progress.step("compiling the programs", async () => {
      const outcome = await compilePrograms({ force });
      if (outcome.code !== 0) throw new Error(`the sources do not compile:\n${outcome.output.trimEnd()}`);
    }),
  );
  if (!existsSync(join(root, bundler))) return;
  const bundled = existsSync(join(root, "agent", "dist", "agent.mjs"));
  const bundle = fingerprintOf([...filesBelow("agent", () => true), ...filesBelow("proto", () => true)]);
  await unlessDone("agent", bundle, force || !bundled, () =>
    progress.step("bundling the agent", async () => {
      const outcome = await runNode([bundler]);
      if (outcome.code !== 0) throw new Error(`the agent cannot be bundled:\n${outcome.output.trimEnd()}`);
    }),
  );
}

/**
 * Brings the clone up to date. One at a time: a second one waits for the first and then finds nothing to do.
 * @param {Progress} progress
 * @param {{ force?: boolean, generate?: boolean, compile?: boolean }} [options]
 *   force: builds anew what is current too (packages excepted). generate, compile: false leaves that part as it is.
 * @returns {Promise<void>} throws an Error whose message is for the person
 */
export async function bootstrap(progress, options = {}) {
  const tooOld = nodeTooOld(process.versions.node);
  if (tooOld !== undefined) throw new Error(tooOld);
  mkdirSync(memory, { recursive: true });
  const lock = await waitForLock(join(memory, "bootstrap.lock"), (owner) =>
    progress.say(`waiting for the set-up that process ${owner.pid} is doing`),
  );
  try {
    const force = options.force ?? false;
    await install(progress);
    if (options.generate ?? true) await generate(progress, force);
    if (options.compile ?? true) await compile(progress, force);
  } finally {
    lock.release();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  try {
    await bootstrap(progressTo((line) => process.stdout.write(`${line}\n`)));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
