#!/usr/bin/env node
import { spawn } from "node:child_process";
// `npm run soak:replicas` and `npm run soak:kills` (`-- --rounds N`): the stories in which a control plane is killed at
// random moments, a hundred times over. `npm test` runs the same stories with three rounds. `npm run soak:commands`
// (`-- --orders N`): a hundred thousand orders while everything that carries them is killed; `npm test` has two thousand.
// They go in turns of five thousand, each in a house of its own. What is done stands in a file beside the packages: ended
// by whatever, the same words go on behind the last whole turn; `--anew` begins again.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
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
  options: {
    rounds: { type: "string", default: "100" },
    orders: { type: "string", default: "100000" },
    anew: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const story = Object.entries(stories).find(([name]) => name === positionals[0])?.[1];
if (story === undefined)
  refuse(`usage: soak.mjs ${Object.keys(stories).join("|")} [--rounds N] [--orders N] [--anew]`);
if (!/^[1-9]\d{0,3}$/.test(values.rounds)) refuse(`--rounds ${values.rounds}: expected 1 to 9999`);
if (!/^[1-9]\d{3,6}$/.test(values.orders)) refuse(`--orders ${values.orders}: expected 1000 to 9999999`);

const ORDERS_IN_A_TURN = 5_000;
const orders = Number(values.orders);
const doneFile = join(root, "node_modules/.cache/mainstay/soak-commands.json");

/** Orders that earlier turns of a soak of as many have done. */
function ordersDone() {
  try {
    const kept = JSON.parse(readFileSync(doneFile, "utf8"));
    return kept.orders === orders && Number.isSafeInteger(kept.done) ? kept.done : 0;
  } catch {
    return 0;
  }
}

/** @param {string} file @param {number} count @returns {Promise<number>} the exit code */
function run(file, count) {
  const vitest = spawn(
    process.execPath,
    ["node_modules/vitest/vitest.mjs", "run", "--project", "e2e", file],
    {
      cwd: root,
      env: { ...process.env, MAINSTAY_ROUNDS: values.rounds, MAINSTAY_ORDERS: `${count}` },
      stdio: "inherit",
    },
  );
  return new Promise((resolve) => vitest.on("close", (code) => resolve(code ?? 1)));
}

await bootstrap(progressTo((line) => process.stdout.write(`${line}\n`)));
if (story !== stories.commands) process.exit(await run(story, orders));
if (values.anew) rmSync(doneFile, { force: true });
for (let done = ordersDone(); done < orders; ) {
  const left = orders - done;
  // A turn has to be long enough for every fault to happen in it.
  const count = left < 1.5 * ORDERS_IN_A_TURN ? left : ORDERS_IN_A_TURN;
  process.stdout.write(`soak: ${done} of ${orders} orders are done, ${count} follow\n`);
  const code = await run(story, count);
  if (code !== 0) {
    process.stdout.write(
      `soak: a turn failed behind ${done} of ${orders} orders; the same words try it again\n`,
    );
    process.exit(code);
  }
  done += count;
  mkdirSync(dirname(doneFile), { recursive: true });
  writeFileSync(doneFile, JSON.stringify({ orders, done }));
}
process.stdout.write(`soak: all ${orders} orders are done\n`);
rmSync(doneFile, { force: true });
