#!/usr/bin/env node
// `npm run trials:partitions -- [options]`: hosts parted, agents and guards frozen and killed, as often as is asked, with
// `--help` for the options. `npm test` runs a few of each. Builds what is stale first.
import { spawn } from "node:child_process";
import { bootstrap } from "./bootstrap.mjs";
import { progressTo } from "./setup/progress.mjs";
import { root } from "./setup/repository.mjs";

await bootstrap(progressTo((line) => process.stdout.write(`${line}\n`)));
const trials = spawn(process.execPath, ["e2e/dist/trials/partitions.js", ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
// What it started is ended by it.
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"]))
  process.on(signal, () => trials.kill(signal));
trials.on("close", (code) => process.exit(code ?? 1));
