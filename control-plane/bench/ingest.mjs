#!/usr/bin/env node
/**
 * Ingest beside Prometheus on this machine: CPU per million samples through the real stream, and memory per active series
 * over the same hour of samples.
 *
 *   node control-plane/bench/ingest.mjs [--nodes 100] [--series 500] [--rounds 240] [--only store|stream|prometheus] [--json FILE]
 *
 * Needs Debian's `prometheus` (installed when missing and root). Prints a table; --json writes the figures.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { note, ownDirectory, readFlags, saveResult } from "./bench.mjs";
import { remoteWrite } from "./remote-write.mjs";

const flags = readFlags(import.meta.url, {
  nodes: { type: "string", default: "100" },
  series: { type: "string", default: "500" },
  rounds: { type: "string", default: "240" },
  only: { type: "string" },
});
const load = {
  nodes: Number(flags.nodes),
  series: Number(flags.series),
  rounds: Number(flags.rounds),
  intervalMs: 15_000,
  now: Date.now(),
};
const samples = load.nodes * load.series * load.rounds;
const activeSeries = load.nodes * load.series;
const here = fileURLToPath(new URL(".", import.meta.url));
const directory = ownDirectory();
// Beside node_modules, so that packages that are not bundled are found.
const bundles = join(here, "..", "node_modules", ".cache", "bench");
mkdirSync(bundles, { recursive: true });
const children = new Set();

/** Everything but the workspaces' own code stays where it is. */
const packagesStay = {
  name: "packages-stay",
  setup(bundle) {
    bundle.onResolve({ filter: /^[^./]/ }, ({ path }) =>
      path.startsWith("@mainstay/") ? undefined : { external: true },
    );
  },
};

async function bundle(entry, name) {
  const outfile = join(bundles, `${name}.mjs`);
  await build({
    entryPoints: [join(here, entry)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    conditions: ["source"],
    plugins: [packagesStay],
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
    logLevel: "error",
  });
  return outfile;
}

function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], ...options });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** CPU seconds of a process so far, its threads and waited-for children included. */
function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const rssBytes = (pid) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;

/** A process's descendants. */
function descendants(pid) {
  const parents = new Map();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // It ended meanwhile.
    }
  }
  const found = [];
  const queue = [pid];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const [child, parent] of parents) {
      if (parent !== next) continue;
      found.push(child);
      queue.push(child);
    }
  }
  return found;
}

/** Processes that run from our directory: a program that ended in the middle leaves its database behind. */
function strays() {
  return readdirSync("/proc").filter((entry) => {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) return false;
    try {
      return readFileSync(`/proc/${entry}/cmdline`, "utf8").includes(`${directory}/`);
    } catch {
      return false;
    }
  });
}

/** CPU seconds of the database: all that descends from the server, those that ended counted in their parent. */
function postgresCpuSeconds(server) {
  return sum(
    descendants(server).map((pid) => {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return sum(fields.slice(11, 15).map(Number)) / 100;
    }),
  );
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function storeAlone() {
  note("the hot window alone ...");
  const file = await bundle("store-alone.mjs", "store-alone");
  const child = start(process.execPath, [
    "--expose-gc",
    file,
    String(load.nodes),
    String(load.series),
    String(load.rounds),
  ]);
  let text = "";
  child.stdout.on("data", (data) => {
    text += data;
  });
  await once(child, "close");
  return JSON.parse(text);
}

async function stream() {
  note(`the stream: ${load.nodes} mutual-TLS streams of ${load.series} series ...`);
  const worker = await bundle("../src/timeseries/worker.ts", "worker");
  const options = { directory, migrations: join(here, "..", "migrations"), worker, nodes: load.nodes };
  const server = start(process.execPath, [
    await bundle("ingest-server.mjs", "ingest-server"),
    JSON.stringify(options),
  ]);
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const hear = async () => JSON.parse((await lines.next()).value);
  const ask = async (question) => {
    server.stdin.write(`${question}\n`);
    return hear();
  };
  const { port, identityFile } = await hear();
  const client = start(process.execPath, [
    await bundle("ingest-client.mjs", "ingest-client"),
    JSON.stringify({ ...load, port, identityFile }),
  ]);
  const idle = rssBytes(server.pid);
  await once(client.stdout, "data");
  const before = cpuSeconds(server.pid);
  const postgresBefore = postgresCpuSeconds(server.pid);
  const started = performance.now();
  client.stdin.write("go\n");
  await once(client.stdout, "data");
  let figures = await ask("figures");
  while (figures.framesTaken < load.nodes * load.rounds) {
    await sleep(50);
    figures = await ask("figures");
  }
  const wallSeconds = (performance.now() - started) / 1_000;
  const cpu = cpuSeconds(server.pid) - before;
  if (figures.samples.kept < samples)
    throw new Error(
      `only ${figures.samples.kept} of ${samples} samples were kept: ${JSON.stringify(figures.samples)}`,
    );
  note("waiting until it is durable ...");
  const deadline = performance.now() + 240_000;
  while (figures.samplesNotDurable > 0 && performance.now() < deadline) {
    await sleep(2_000);
    figures = await ask("figures");
  }
  const durableCpu = cpuSeconds(server.pid) - before;
  const postgresCpu = postgresCpuSeconds(server.pid) - postgresBefore;
  const { count } = await ask("count");
  if (count !== activeSeries) note(`count() sees ${count} of ${activeSeries} series`);
  const rss = rssBytes(server.pid);
  server.stdin.write("stop\n");
  client.kill();
  await once(server, "exit");
  return {
    samplesPerSecond: samples / wallSeconds,
    cpuSecondsPerMillion: (cpu / samples) * 1e6,
    durableCpuSecondsPerMillion: (durableCpu / samples) * 1e6,
    postgresCpuSecondsPerMillion: (postgresCpu / samples) * 1e6,
    samplesNotDurable: figures.samplesNotDurable,
    storedBytesPerSample: figures.chunkBytesWritten / samples,
    sampleBytesPerSeries: figures.sampleBytes / activeSeries,
    rssBytes: rss,
    rssBytesPerSeries: rss / activeSeries,
    rssAboveIdleBytesPerSeries: (rss - idle) / activeSeries,
  };
}

function findPrometheus() {
  const found = () => spawnSync("prometheus", ["--version"]).status === 0;
  if (found()) return;
  if (process.getuid?.() === 0) {
    note("installing Debian's prometheus ...");
    spawnSync("apt-get", ["install", "-y", "--no-install-recommends", "prometheus"], { stdio: "ignore" });
  }
  if (!found())
    throw new Error("prometheus is not on the PATH: apt-get install prometheus, or --only stream");
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function prometheus() {
  findPrometheus();
  note("Prometheus, by remote write ...");
  const port = await freePort();
  const config = join(directory, "prometheus.yml");
  writeFileSync(config, "global: {}\n");
  const child = start(
    "prometheus",
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, "tsdb")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--web.enable-remote-write-receiver",
      "--log.level=error",
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  for (;;) {
    const ready = await fetch(`http://127.0.0.1:${port}/-/ready`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ready) break;
    await sleep(50);
  }
  const idle = rssBytes(child.pid);
  const before = cpuSeconds(child.pid);
  const started = performance.now();
  await remoteWrite(port, load);
  const wallSeconds = (performance.now() - started) / 1_000;
  const cpu = cpuSeconds(child.pid) - before;
  await sleep(5_000);
  const rss = rssBytes(child.pid);
  const status = await (await fetch(`http://127.0.0.1:${port}/api/v1/status/tsdb`)).json();
  child.kill();
  await once(child, "exit");
  return {
    version: /version (\S+)/.exec(spawnSync("prometheus", ["--version"]).stdout.toString())?.[1],
    headSeries: status.data.headStats.numSeries,
    samplesPerSecond: samples / wallSeconds,
    cpuSecondsPerMillion: (cpu / samples) * 1e6,
    rssBytes: rss,
    rssBytesPerSeries: rss / activeSeries,
    rssAboveIdleBytesPerSeries: (rss - idle) / activeSeries,
  };
}

const format = (number, digits = 2) => (number === undefined ? "" : number.toFixed(digits));

try {
  const wanted = (part) => flags.only === undefined || flags.only === part;
  const result = {
    load: { ...load, samples, activeSeries },
    store: wanted("store") ? await storeAlone() : undefined,
    stream: wanted("stream") ? await stream() : undefined,
    prometheus: wanted("prometheus") ? await prometheus() : undefined,
  };
  const { store, stream: ours, prometheus: theirs } = result;
  const rows = [
    ["", "Mainstay, stream", theirs === undefined ? "Prometheus" : `Prometheus ${theirs.version}`, "ratio"],
    ...[
      ["CPU s per million samples", "cpuSecondsPerMillion", 3],
      ["samples per CPU second", undefined, 0],
      ["samples per second, client on the same machine", "samplesPerSecond", 0],
      ["RSS bytes per active series", "rssBytesPerSeries", 0],
      ["RSS above idle per active series", "rssAboveIdleBytesPerSeries", 0],
    ].map(([title, key, digits]) => {
      const of = (side) => side && (key === undefined ? 1e6 / side.cpuSecondsPerMillion : side[key]);
      const [a, b] = [of(ours), of(theirs)];
      return [title, format(a, digits), format(b, digits), a && b ? format(a / b, 3) : ""];
    }),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  process.stdout.write(
    `${activeSeries} series (${load.nodes} nodes), ${load.rounds} samples each, ${samples / 1e6} million in all\n\n${rows
      .map((row) =>
        row
          .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
          .join("  "),
      )
      .join("\n")}\n`,
  );
  if (ours) {
    process.stdout.write(
      `\nuntil durable: ${format(ours.durableCpuSecondsPerMillion, 3)} CPU s per million here, ${format(ours.postgresCpuSecondsPerMillion, 3)} in PostgreSQL, ${format(ours.storedBytesPerSample)} bytes stored per sample\n`,
    );
  }
  if (store) {
    process.stdout.write(
      `the hot window alone: ${format(store.cpuSecondsPerMillion, 3)} CPU s per million, ${format(store.rssBytesPerSeries, 0)} bytes of RSS per series\n`,
    );
  }
  saveResult(flags, result);
} catch (error) {
  note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  for (const child of children) child.kill("SIGKILL");
  for (const pid of strays()) process.kill(Number(pid), "SIGTERM");
  while (strays().length > 0) await sleep(50);
  rmSync(directory, { recursive: true, force: true });
}
