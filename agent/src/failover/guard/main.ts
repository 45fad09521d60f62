/**
 * The guard as a program: `guard.mjs [--uid N --gid N] --deadline MS -- COMMAND...`. Its agent starts it (with
 * `setpriv --pdeathsig KILL`, so that it ends with the agent), writes `deadline MS` lines to its standard input and reads
 * what happens, a JSON object a line, from its standard output. MS is CLOCK_MONOTONIC, or `never` for a replica.
 */
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { hostMonotonic, realSystem } from "../../system.js";
import { watchDatabase } from "./watch-database.js";

const NUMBER = /^\d{1,15}(?:\.\d{1,9})?$/;

function instantOf(text: string): number | undefined {
  if (text === "never") return Number.POSITIVE_INFINITY;
  return NUMBER.test(text) ? Number(text) : undefined;
}

function refuse(sentence: string): never {
  process.stderr.write(`guard: ${sentence}\n`);
  process.exit(2);
}

const { values, positionals } = parseArgs({
  options: { deadline: { type: "string" }, uid: { type: "string" }, gid: { type: "string" } },
  allowPositionals: true,
});
const deadline = instantOf(values.deadline ?? "");
if (deadline === undefined) refuse(`--deadline ${values.deadline}: expected milliseconds or never`);
if (positionals.length === 0) refuse("no command: expected -- COMMAND...");
const ids = [values.uid, values.gid].filter((id) => id !== undefined);
if (ids.length === 1 || ids.some((id) => !/^\d{1,10}$/.test(id))) {
  refuse(`--uid ${values.uid} --gid ${values.gid}: expected two numbers, or neither`);
}

const guarded = watchDatabase(
  {
    argv: positionals,
    ...(ids.length === 2 ? { user: { uid: Number(values.uid), gid: Number(values.gid) } } : {}),
  },
  deadline,
  {
    monotonic: hostMonotonic,
    after: realSystem.timers.after,
    every: realSystem.timers.every,
    tell: (event) => process.stdout.write(`${JSON.stringify(event)}\n`),
  },
);
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const at = /^deadline (\S{1,30})$/.exec(line)?.[1];
  const until = at === undefined ? undefined : instantOf(at);
  // What is not understood renews nothing: the deadline that was given last stands.
  if (until !== undefined) guarded.deadline(until);
});
lines.on("close", () => guarded.agentGone());
// An agent that is gone reads no more; the database is ended all the same.
process.stdout.on("error", () => guarded.agentGone());
// Ended together with its agent by a terminal or a service manager: the database first.
for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(name, () => guarded.agentGone());
await guarded.ended;
process.exit(0);
