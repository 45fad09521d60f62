#!/usr/bin/env node
// `npm run drill -- NAME`: a drill on this machine, in a house of its own. Builds what is stale and brings the Debian
// packages that it needs where it may; without a name it lists the drills.
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { bootstrap } from "./bootstrap.mjs";
import { progressTo } from "./setup/progress.mjs";
import { root } from "./setup/repository.mjs";
import { findPrograms } from "./test-run/servers.mjs";

const program = join(root, "e2e/dist/drills/main.js");
const [name = ""] = process.argv.slice(2);
const progress = progressTo((line) => process.stderr.write(`${line}\n`));

try {
  await bootstrap(progress);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
const asked = spawnSync(process.execPath, [program, "--programs", name], { encoding: "utf8" });
if (asked.status !== 0) {
  process.stderr.write(asked.stderr);
  process.exit(asked.status ?? 2);
}
const lacking = (await findPrograms(progress, JSON.parse(asked.stdout))).filter(({ ok }) => !ok);
for (const { because } of lacking) process.stderr.write(`drill "${name}": ${because}\n`);
if (lacking.length > 0) process.exit(2);
const drill = spawn(process.execPath, [program, name], { stdio: "inherit" });
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"]))
  process.on(signal, () => drill.kill(signal));
drill.once("exit", (code) => process.exit(code ?? 1));
