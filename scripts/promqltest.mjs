#!/usr/bin/env node
// `npm run promqltest -- DIR [--tier essential]`: runs a directory of query scripts in Prometheus' own test language
// through our engine, and ends with one line `N passed, N failed`.
//
// An `eval` belongs to the tier `essential`, `native-histograms` or `experimental`; without --tier all are run. Where
// DIR holds an `essential.json` ({ "ids": ["file.test:line", …] }), its list says what is essential in the files it names.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { bootstrap } from "./bootstrap.mjs";
import { root } from "./setup/repository.mjs";

/**
 * @typedef {{ line: number, statement: string, tier: string, failure: string | undefined }} CaseResult
 * @typedef {(text: string, limits: object, name: string) => readonly CaseResult[]} RunScript
 */

const tiers = ["essential", "native-histograms", "experimental"];

/** @param {string} line */
const write = (line) => process.stdout.write(`${line}\n`);

/** @param {string} line @returns {never} */
function refuse(line) {
  process.stderr.write(`${line}\n`);
  process.exit(2);
}

function readArguments() {
  try {
    const options = /** @type {const} */ ({ tier: { type: "string" } });
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

const { values, positionals } = readArguments();
const [given] = positionals;
if (given === undefined || positionals.length > 1)
  refuse("usage: npm run promqltest -- DIR [--tier essential]");
if (values.tier !== undefined && !tiers.includes(values.tier))
  refuse(`--tier is "${values.tier}", expected one of ${tiers.join(", ")}`);
const directory = resolve(process.env["INIT_CWD"] ?? ".", given);
if (!existsSync(directory) || !statSync(directory).isDirectory()) refuse(`${directory} is no directory`);

/**
 * What the directory's own list calls essential, by file.
 * @returns {ReadonlyMap<string, ReadonlySet<number>>}
 */
function readList() {
  const path = join(directory, "essential.json");
  /** @type {Map<string, Set<number>>} */
  const lines = new Map();
  if (!existsSync(path)) return lines;
  /** @type {{ ids: readonly string[] }} */
  const { ids } = JSON.parse(readFileSync(path, "utf8"));
  for (const id of ids) {
    const at = id.lastIndexOf(":");
    const file = id.slice(0, at);
    lines.set(file, (lines.get(file) ?? new Set()).add(Number(id.slice(at + 1))));
  }
  return lines;
}

try {
  await bootstrap({ say: () => {}, step: (_, work) => work() }, { generate: false });
} catch (error) {
  refuse(error instanceof Error ? error.message : String(error));
}
const built = pathToFileURL(join(root, "control-plane", "dist", "promql", "promqltest.js")).href;
/** @type {{ runScript: RunScript }} */
const { runScript } = await import(built);

let passed = 0;
let failed = 0;
const list = readList();
const files = readdirSync(directory)
  .filter((name) => name.endsWith(".test"))
  .sort();
if (files.length === 0) refuse(`${directory} holds no file that ends in .test`);
for (const file of files) {
  /** @type {readonly CaseResult[]} */
  let results;
  try {
    results = runScript(readFileSync(join(directory, file), "utf8"), {}, file);
  } catch (error) {
    failed += 1;
    write(`FAILED ${file}: ${error instanceof Error ? error.message : String(error)}`);
    continue;
  }
  const essential = list.get(file);
  let here = 0;
  for (const result of results) {
    const listed = essential?.has(result.line);
    const tier =
      listed === true ? "essential" : listed === false && result.tier === "essential" ? "other" : result.tier;
    if (values.tier !== undefined && tier !== values.tier) continue;
    if (result.failure === undefined) here += 1;
    else {
      failed += 1;
      write(`FAILED ${file}:${result.line} (${tier}): ${result.statement}: ${result.failure}`);
    }
  }
  passed += here;
  if (here > 0) write(`ok     ${file}: ${here}`);
}
write(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
