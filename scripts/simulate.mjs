#!/usr/bin/env node
// `npm run simulate -- --steps N --seed S`: the failover protocol in N steps of trouble, from seed S or one that is drawn.
// `-- --replay S`: everything that happens in the run of seed S. Ends with 1 when something happened that must not.
import { parseArgs } from "node:util";
import { bootstrap } from "./bootstrap.mjs";
import { progressTo } from "./setup/progress.mjs";

/** @param {string} line */
const write = (line) => process.stdout.write(`${line}\n`);
/** @param {string} line @returns {never} */
function refuse(line) {
  process.stderr.write(`${line}\n`);
  process.exit(2);
}

const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "10000000" },
    seed: { type: "string" },
    replay: { type: "string" },
  },
});
/** @param {string} name @param {string} text */
function whole(name, text) {
  if (!/^\d{1,12}$/.test(text)) refuse(`--${name} ${text}: expected a whole number`);
  return Number(text);
}

const replay = values.replay === undefined ? undefined : whole("replay", values.replay);
const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : whole("seed", values.seed);
const steps = whole("steps", values.steps);

await bootstrap(progressTo(write));
const { simulate, simulateRun } = await import("@mainstay/proto/failover/simulator/simulate");

if (replay !== undefined) {
  const report = simulateRun(replay, { tell: write });
  write(JSON.stringify(report));
  process.exit(report.violation === null ? 0 : 1);
}
write(`seed ${seed}, ${steps} steps`);
const startedAt = performance.now();
const report = simulate({ seed, steps });
write(
  `${report.steps} steps in ${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${report.runs} runs, ` +
    `${(report.simulatedMs / 3_600_000).toFixed(1)} h simulated, ${report.decisions} decisions, ` +
    `${report.promotions} promotions, ${report.acknowledged} writes acknowledged, ${report.lost} lost within the RPO or as a person accepted`,
);
if (report.failed !== null) {
  write(`FAILED: ${report.failed.violation}`);
  write(`replay: npm run simulate -- --replay ${report.failed.seed}`);
  process.exit(1);
}
