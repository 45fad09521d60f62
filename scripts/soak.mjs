#!/usr/bin/env node
import { spawn } from "node:child_process";
// `npm run soak:replicas` and `npm run soak:kills` (`-- --rounds N`): the stories in which a control plane is killed at
// random moments, a hundred times over. `npm test` runs the same stories with three rounds. `npm run soak:commands`
// (`-- --orders N`): a hundred thousand orders while everything that carries them is killed; `npm test` has two thousand.
import { parseArgs } from "node:util";
import { bootstrap } from "./bootstrap.mjs";
import { progressTo } from "./setup/progress.mjs";
import { root } from "./setup/repository.mjs";

const stories = {
  replicas: "e2e/scenarios/replicas.test.ts",
  kills: "e2e/scenarios/kill-rounds.test.ts",
  commands: "e2e/scenarios/command-storm.test.ts",
};

/** @param {string} line @returns {never} */
function refuse(line) {
  process.stderr.write(`${line}\n`);
  process.exit(2);
}

const { values, positionals } = parseArgs({
  options: { rounds: { type: "string", default: "100" }, orders: { type: "string", default: "100000" } },
  allowPositionals: true,
});
const story = Object.entries(stories).find(([name]) => name === positionals[0])?.[1];
if (story === undefined)
  refuse(`usage: soak.mjs ${Object.keys(stories).join("|")} [--rounds N] [--orders N]`);
if (!/^[1-9]\d{0,3}$/.test(values.rounds)) refuse(`--rounds ${values.rounds}: expected 1 to 9999`);
if (!/^[1-9]\d{2,6}$/.test(values.orders)) refuse(`--orders ${values.orders}: expected 100 to 9999999`);

await bootstrap(progressTo((line) => process.stdout.write(`${line}\n`)));
const vitest = spawn(process.execPath, ["node_modules/vitest/vitest.mjs", "run", "--project", "e2e", story], {
  cwd: root,
  env: { ...process.env, MAINSTAY_ROUNDS: values.rounds, MAINSTAY_ORDERS: values.orders },
  stdio: "inherit",
});
vitest.on("close", (code) => process.exit(code ?? 1));
