#!/usr/bin/env node
// `npm test`: sets up, checks the walls, finds the servers, runs unit, PostgreSQL and end-to-end tests, and ends with
// one line `N passed, N failed`. `npm test -- <part of a path>` runs only the test files whose path holds it.
import { setTimeout as sleep } from "node:timers/promises";
import { bootstrap } from "./bootstrap.mjs";
import { runChecks } from "./check.mjs";
import { progressTo } from "./setup/progress.mjs";
import { root } from "./setup/repository.mjs";
import { endLeftovers, markThisRun } from "./test-run/processes.mjs";
import { findServers } from "./test-run/servers.mjs";
import { closingLine, totalsOf } from "./test-run/totals.mjs";

/** No run takes longer; one that does hangs. */
const timeLimitMs = 40 * 60_000;

/** @param {string} line */
const write = (line) => process.stdout.write(`${line}\n`);
const progress = progressTo(write);

const mark = markThisRun();
let passed = 0;
let failed = 0;

/** @param {string} line */
function fail(line) {
  failed += 1;
  write(`FAILED ${line}`);
}

/**
 * The one way out: what tests left running would keep this process alive for ever, or outlive it.
 * @returns {never}
 */
function end() {
  for (const command of endLeftovers(mark)) {
    // The runner's own workers hang because of a test, which was told of; anything else is a test's leak.
    if (command.includes("node_modules/vitest/") || command.startsWith("node (vitest")) continue;
    fail(`a test left running, and it was ended: ${command.slice(0, 160)}`);
  }
  write(closingLine(passed, failed));
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}

const filters = process.argv.slice(2);
if (filters.some((filter) => filter.startsWith("-"))) {
  write("npm test takes parts of paths and no options: npm test -- control-plane/src/promql");
  process.exit(2);
}

const hangGuard = setTimeout(() => {
  fail(`the tests did not end within ${timeLimitMs / 60_000} minutes`);
  end();
}, timeLimitMs);
hangGuard.unref();

for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
  process.once(signal, () => {
    fail(`stopped by ${signal}`);
    end();
  });
}

/** @returns {Promise<void>} */
async function prepare() {
  await bootstrap(progress, { generate: false, compile: false });
  const results = filters.length === 0 ? await runChecks(write) : [];
  for (const { ok } of results) {
    if (ok) passed += 1;
    else failed += 1;
  }
  // Sources that do not compile were counted and told of above.
  if (results.some(({ name, ok }) => name === "types" && !ok)) return;
  try {
    await bootstrap(progress, { generate: false });
  } catch (error) {
    // The tests run on sources and may still say something; only the stories need the programs.
    fail(error instanceof Error ? error.message : String(error));
  }
}

async function runTests() {
  const { createVitest } = await import("vitest/node");
  const vitest = await createVitest("test", { root, run: true, watch: false, reporters: ["default"] });
  const files = await vitest.globTestSpecifications(filters);
  if (files.length === 0) return fail(`no test file's path holds ${filters.join(" or ")}`);
  if (files.some(({ project }) => project.name === "pg" || project.name === "e2e")) {
    for (const { name, ok, because } of await findServers(progress)) {
      if (ok) passed += 1;
      else fail(`${name}: ${because}`);
    }
  }
  await vitest.start(filters);
  const totals = totalsOf(vitest.state.getTestModules(), vitest.state.getUnhandledErrors());
  passed += totals.passed;
  failed += totals.failed;
  for (const name of totals.skipped) write(`not run: ${name}`);
  for (const line of totals.broken) fail(line);
  // A worker that a test keeps alive does not let go: what it leaves is ended on the way out.
  await Promise.race([vitest.close(), sleep(10_000)]);
}

try {
  await prepare();
  await runTests();
} catch (error) {
  fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
}
end();
