#!/usr/bin/env node
// `npm run agent-tasks`: puts the operations tasks to a model and grades it; builds what is stale first.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { bootstrap } from "./bootstrap.mjs";
import { progressTo } from "./setup/progress.mjs";
import { root } from "./setup/repository.mjs";

try {
  await bootstrap(progressTo((line) => process.stderr.write(`${line}\n`)));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
const program = join(root, "e2e/dist/agent-tasks/main.js");
const tasks = spawn(process.execPath, [program, ...process.argv.slice(2)], { stdio: "inherit" });
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"]))
  process.on(signal, () => tasks.kill(signal));
tasks.once("exit", (code) => process.exit(code ?? 1));
