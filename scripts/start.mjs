#!/usr/bin/env node
// `npm start`: sets up what is stale, then runs the control plane, an agent for this machine and the MCP server, and
// tells where they are. It is for a newcomer and a developer: when one of the three ends, all end. Built-ins only.
import { rmSync } from "node:fs";
import { homedir } from "node:os";
import { bootstrap } from "./bootstrap.mjs";
import { nodeTooOld } from "./setup/node-version.mjs";
import { progressTo } from "./setup/progress.mjs";
import { hasIdentity, joinTokenFile } from "./start/agent-file.mjs";
import { ControlPlaneClient } from "./start/control-plane-client.mjs";
import { House } from "./start/house.mjs";
import { stopLeftovers } from "./start/leftovers.mjs";
import { helpText, readCommandLine } from "./start/options.mjs";
import { CannotStart, checkPorts, takeState } from "./start/preflight.mjs";
import { firstFact, welcome } from "./start/words.mjs";

/** @typedef {import("./start/options.mjs").Options} Options */

const factsPatienceMs = 30_000;
const leftoverPatienceMs = 20_000;
const orphanLookMs = 500;
/** npm passes on the Ctrl-C that the terminal has sent us already: within this time it is the same one. */
const sameSignalMs = 1_500;

/** @param {string} line */
const say = (line) => {
  process.stdout.write(`${line}\n`);
};
// A closed terminal must not keep the programs from being stopped in order.
process.stdout.on("error", () => {});
process.stderr.on("error", () => {});

/** The person's wish to end: Ctrl-C, a terminal that closes, or a supervisor. */
const stopping = new AbortController();
/** @type {House | undefined} */
let house;
let askedAt = Number.NEGATIVE_INFINITY;
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.on(signal, () => {
    if (!stopping.signal.aborted) {
      askedAt = performance.now();
      stopping.abort();
    } else if (performance.now() - askedAt > sameSignalMs) {
      house?.kill();
    }
  });
}

// `kill` of npm ends npm and the shell between us, and tells us nothing: an orphan of npm stops too.
const parent = process.ppid;
if (process.env["npm_lifecycle_event"] === "start") {
  setInterval(() => process.ppid !== parent && stopping.abort(), orphanLookMs).unref();
}

/** @returns {Promise<void>} */
function asked() {
  return new Promise((resolve) => {
    if (stopping.signal.aborted) resolve();
    stopping.signal.addEventListener("abort", () => resolve());
  });
}

/**
 * @param {Options} options
 * @param {House} programs
 */
async function open(options, programs) {
  const files = await programs.startControlPlane(stopping.signal);
  const client = new ControlPlaneClient(options.ports.rest, files.operatorTokenFile);
  // Before the agent, whose first look at a server that is not there yet would be an alert.
  await programs.startMcpServer(stopping.signal);
  await programs.startAgent(files, client);
  for (const line of welcome(options, files)) say(line);
  const facts = await Promise.race([client.firstFacts(factsPatienceMs, stopping.signal), programs.anyEnds]);
  if (stopping.signal.aborted) return;
  // Used once; nothing that was a key stays lying about.
  if (hasIdentity(options.state, Date.now())) rmSync(joinTokenFile(options.state), { force: true });
  say(`  ${firstFact(facts)}`);
  say("Ctrl-C stops everything; npm start goes on from here.");
}

/**
 * @param {Options} options
 * @returns {Promise<number>} the exit code
 */
async function run(options) {
  const lock = takeState(options.state);
  try {
    await stopLeftovers(options.state, say, leftoverPatienceMs);
    await checkPorts(options.ports);
    await bootstrap(progressTo(say));
    if (stopping.signal.aborted) return 0;
    const programs = new House(options, process.env, say);
    house = programs;
    try {
      await open(options, programs);
      await Promise.race([asked(), programs.anyEnds]);
      return 0;
    } finally {
      if (stopping.signal.aborted) say("stopping …");
      await programs.stop();
      if (stopping.signal.aborted) say("stopped.");
    }
  } finally {
    lock.release();
  }
}

async function main() {
  const tooOld = nodeTooOld(process.versions.node);
  if (tooOld !== undefined) throw new CannotStart(tooOld);
  const asks = readCommandLine(process.argv.slice(2), {
    env: process.env,
    home: homedir(),
    isRoot: process.getuid?.() === 0,
    cwd: process.cwd(),
  });
  if (asks.kind === "help") {
    process.stdout.write(helpText);
    return 0;
  }
  if (asks.kind === "faults") {
    process.stderr.write(`${asks.faults.join("\n")}\n`);
    return 2;
  }
  return run(asks.options);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (stopping.signal.aborted) {
    process.exitCode = 0;
  } else {
    const isForPeople =
      error instanceof CannotStart || (error instanceof Error && error.constructor === Error);
    process.stderr.write(
      `${isForPeople || !(error instanceof Error) ? String(error instanceof Error ? error.message : error) : error.stack}\n`,
    );
    process.exitCode = 1;
  }
}
process.exit();
