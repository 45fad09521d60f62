#!/usr/bin/env node
/**
 * How long nobody can write, and what is lost, when a PostgreSQL cluster loses something: the same client, the same faults
 * and the same machine for each system.
 *
 *   npm run bench:failover -- [--systems ours,patroni] [--profiles default] [--mode synchronous|asynchronous]
 *     [--faults node-loss,crash,switchover,control-down] [--trials 5] [--results FILE] [--down-seconds 35]
 *
 * --systems       ours, patroni (Debian's packages patroni and etcd-server)
 * --profiles      settings of a system; those that it does not have are left out. ours: default (a lease of 3 s).
 *                 patroni: default (ttl 30 s), fast (its shortest)
 * --mode          whether a commit waits for the replica (default synchronous)
 * --trials        of each fault; the clusters are started once, and the primaries take turns
 * --results       a file of JSON lines, one for each trial: what is there counts, so that a run can be gone on with
 * --down-seconds  how long control-down leaves the third site down
 * --keep          leaves the data and the logs of each cluster
 * --patience      seconds after which a cluster is given up (default 120)
 *
 * `no writes` is, for node-loss, from the fault to the first write that another member acknowledged; else the longest time
 * without one. `lost` are acknowledged markers that the primary does not have in the
 * end (in all, and the worst trial), `both` those that one member acknowledged after another had begun to. `redundant again`
 * counts from the node's return (node-loss, control-down) or from the first write (else) until a replica streams.
 */
import { appendFileSync, chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadAverage, Programs, table } from "../processes.mjs";
import { Markers } from "./markers.mjs";
import { HEAD, phases, summarize } from "./summary.mjs";
import { FAULTS, placesOf, prepare, runTrial } from "./trial.mjs";

const SYSTEMS = ["ours", "patroni"];
const MODES = ["synchronous", "asynchronous"];
/** So many trials of one fault in a row that failed, and it is left. */
const FAILED_IN_A_ROW_MAX = 3;

const note = (line) => process.stderr.write(`${line}\n`);
function refuse(line) {
  note(line);
  process.exit(2);
}

const { values: flags } = parseArgs({
  options: {
    systems: { type: "string", default: "ours" },
    profiles: { type: "string", default: "default" },
    faults: { type: "string", default: "node-loss,crash,switchover,control-down" },
    mode: { type: "string", default: "synchronous" },
    trials: { type: "string", default: "5" },
    results: { type: "string" },
    "down-seconds": { type: "string", default: "35" },
    patience: { type: "string", default: "120" },
    keep: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  },
});
if (flags.help) {
  const text = readFileSync(fileURLToPath(import.meta.url), "utf8").match(/\/\*\*([\s\S]*?)\*\//)[1];
  process.stdout.write(text.replaceAll(/^ \* ?/gm, ""));
  process.stdout.write(
    `faults:\n${Object.entries(FAULTS)
      .map(([name, { tells }]) => `  ${name.padEnd(13)} ${tells}\n`)
      .join("")}`,
  );
  process.exit(0);
}
const listed = (name, text, known) => {
  const items = text.split(",").filter(Boolean);
  for (const item of items) {
    if (known !== undefined && !known.includes(item))
      refuse(`--${name} ${item}: expected some of ${known.join(", ")}`);
  }
  return items;
};
const whole = (name, most) => {
  if (!/^[1-9]\d{0,4}$/.test(flags[name]) || Number(flags[name]) > most) {
    refuse(`--${name} ${flags[name]}: expected 1 to ${most}`);
  }
  return Number(flags[name]);
};
const systems = listed("systems", flags.systems, SYSTEMS);
const profiles = listed("profiles", flags.profiles);
const faults = listed("faults", flags.faults, Object.keys(FAULTS));
if (!MODES.includes(flags.mode)) refuse(`--mode ${flags.mode}: expected ${MODES.join(" or ")}`);
const { mode } = flags;
const trials = whole("trials", 10_000);
const downMs = whole("down-seconds", 3_600) * 1_000;
const patienceMs = whole("patience", 3_600) * 1_000;

const results =
  flags.results !== undefined && existsSync(flags.results)
    ? readFileSync(flags.results, "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    : [];
/** Only those that this run is about are shown. */
const shown = [];
const same = (one, key) => ["system", "profile", "mode", "fault"].every((name) => one[name] === key[name]);
function keep(result) {
  results.push(result);
  shown.push(result);
  if (flags.results !== undefined) appendFileSync(flags.results, `${JSON.stringify(result)}\n`);
  else process.stdout.write(`${JSON.stringify(result)}\n`);
}

process.setMaxListeners(50);
let current;
async function open(adapter, profile) {
  const directory = mkdtempSync(join(tmpdir(), "mainstay-failover-bench-"));
  // PostgreSQL does not run as root, and its user must get there.
  chmodSync(directory, 0o711);
  const programs = new Programs();
  current = { directory, programs };
  current.cluster = await adapter.start({ dir: directory, profile, mode });
  await prepare(current.cluster, patienceMs);
  current.markers = new Markers(programs, placesOf(current.cluster));
  return current;
}
async function close() {
  const closing = current;
  current = undefined;
  if (closing === undefined) return;
  await closing.programs.stop();
  await closing.cluster?.stop();
  leave(closing.directory);
}
function leave(directory) {
  if (flags.keep) note(`kept: ${directory}`);
  else rmSync(directory, { recursive: true, force: true });
}
process.once("exit", () => {
  if (current !== undefined) leave(current.directory);
});

async function oneOf(adapter, key) {
  const startedAt = new Date().toISOString();
  try {
    if (current === undefined) {
      note(`${key.system} ${key.profile} ${mode}: starting a cluster`);
      await open(adapter, key.profile);
    }
    const { cluster, markers } = current;
    const result = await runTrial(key.fault, { cluster, markers, patienceMs, downMs });
    keep({ ...key, startedAt, ...result });
    if (result.neverRedundant) await close();
    return result;
  } catch (error) {
    const failed = { ...key, startedAt, failed: error instanceof Error ? error.message : String(error) };
    keep(failed);
    await close();
    return failed;
  }
}

async function runSystem(system) {
  const adapter = await import(`./${system}-adapter.mjs`);
  const lacks = adapter.missing?.();
  if (lacks !== undefined) {
    note(`${system}: left out: ${lacks}`);
    return;
  }
  for (const profile of profiles.filter((one) => adapter.profiles?.includes(one) ?? true)) {
    try {
      for (const fault of faults) {
        const key = { system, profile, mode, fault };
        const done = results.filter((one) => same(one, key));
        shown.push(...done);
        let failedInARow = 0;
        for (let trial = done.length + 1; trial <= trials && failedInARow < FAILED_IN_A_ROW_MAX; trial += 1) {
          const one = await oneOf(adapter, key);
          failedInARow = one.failed === undefined ? 0 : failedInARow + 1;
          const tells =
            one.failed ??
            `no writes for ${one.noWritesMs} ms, ${one.lost} of ${one.acknowledged} lost, redundant after ${one.redundantMs ?? "-"} ms`;
          note(`${system} ${profile} ${mode} ${fault} ${trial}/${trials}: ${tells}`);
        }
      }
    } finally {
      await close();
    }
  }
}

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    note("stopping");
    void close().finally(() => process.exit(1));
  });
}
for (const system of systems) await runSystem(system);
if (shown.length > 0) {
  note(`\n${table([HEAD, ...summarize(shown)])}\n`);
  for (const fault of faults) {
    const of = shown.filter((one) => one.system === "ours" && one.fault === fault);
    const steps = phases(of);
    if (steps !== "") note(`ours, ${fault}, ms after the fault (medians): ${steps}`);
  }
  note(`load average at the end: ${loadAverage().join(" ")}`);
}
const bad = shown.some((one) => one.failed !== undefined);
process.exit(bad ? 1 : 0);
