#!/usr/bin/env node
/**
 * The failover trials in full, for a machine that has nothing else to do (hours). What is in the results counts: a run that
 * was stopped goes on where it was.
 *
 *   npm run trials:failover -- [--results FILE] [--share 0.1] [--only NAME,NAME]
 *
 * --results  JSON lines, one for each trial (default failover-trials.jsonl)
 * --share    of the counts below, at least one of each (default 1)
 * --only     some of the names below
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bootstrap } from "./bootstrap.mjs";
import { progressTo } from "./setup/progress.mjs";
import { root } from "./setup/repository.mjs";

const bench = "control-plane/bench/failover/main.mjs";
/** @type {Record<string, { count: number, run: (count: number) => string[] }>} */
const trials = {
  "node-loss-asynchronous": {
    count: 30,
    run: (count) => [bench, "--mode", "asynchronous", "--faults", "node-loss", "--trials", `${count}`],
  },
  "node-loss-synchronous": {
    count: 100,
    run: (count) => [bench, "--faults", "node-loss", "--trials", `${count}`],
  },
  crash: { count: 30, run: (count) => [bench, "--faults", "crash", "--trials", `${count}`] },
  "third-crash": { count: 10, run: (count) => [bench, "--faults", "third-crash", "--trials", `${count}`] },
  switchover: { count: 30, run: (count) => [bench, "--faults", "switchover", "--trials", `${count}`] },
  "control-down": { count: 10, run: (count) => [bench, "--faults", "control-down", "--trials", `${count}`] },
  "crash-steps": { count: 5, run: (count) => ["e2e/dist/trials/crash-steps.js", "--each", `${count}`] },
};

/** @param {string} line */
const write = (line) => process.stdout.write(`${line}\n`);
/** @param {string} line @returns {never} */
function refuse(line) {
  process.stderr.write(`${line}\n`);
  process.exit(2);
}

const { values } = parseArgs({
  options: {
    results: { type: "string", default: "failover-trials.jsonl" },
    share: { type: "string", default: "1" },
    only: { type: "string", default: Object.keys(trials).join(",") },
    help: { type: "boolean", short: "h" },
  },
});
if (values.help) {
  const text = readFileSync(fileURLToPath(import.meta.url), "utf8").match(/\/\*\*([\s\S]*?)\*\//)?.[1] ?? "";
  write(text.replaceAll(/^ \* ?/gm, "").trim());
  for (const [name, { count }] of Object.entries(trials))
    write(`  ${name}: ${count}${name === "crash-steps" ? " of each record and moment" : ""}`);
  process.exit(0);
}
const share = Number(values.share);
if (!(share > 0 && share <= 1)) refuse(`--share ${values.share}: expected more than 0, at most 1`);
const names = values.only.split(",").filter(Boolean);
for (const name of names) {
  if (!(name in trials)) refuse(`--only ${name}: expected some of ${Object.keys(trials).join(", ")}`);
}
const results = resolve(values.results);

await bootstrap(progressTo(write));
let bad = 0;
for (const name of names) {
  const trial = trials[name];
  if (trial === undefined) continue;
  const count = Math.max(1, Math.round(trial.count * share));
  write(`\n== ${name}: ${count}`);
  const child = spawn(process.execPath, [...trial.run(count), "--results", results], {
    cwd: root,
    stdio: "inherit",
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) bad += 1;
}
write(
  `\n${names.length - bad} of ${names.length} kinds of trials went well; each trial stands in ${results}`,
);
process.exit(bad === 0 ? 0 : 1);
