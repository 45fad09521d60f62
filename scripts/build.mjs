#!/usr/bin/env node
// Builds everything anew: generated code, compiled programs, the agent's bundle. `npm start` and `npm test` build
// what is stale by themselves; this is for the one who wants to be sure.
import { bootstrap } from "./bootstrap.mjs";
import { progressTo } from "./setup/progress.mjs";

try {
  await bootstrap(
    progressTo((line) => process.stdout.write(`${line}\n`)),
    { force: true },
  );
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
