#!/usr/bin/env node
/**
 * The runbook's eight rules beside Debian's Prometheus, one after the other on this machine, over the same series (25 a
 * node, written by the same remote-write requests): the time of the whole group as each tells it, CPU for each interval
 * of 10 s with and without rules (an upper bound: packing what was loaded is in it), and an instant rate over one series
 * a node through HTTP. Ours is the whole control plane with its embedded PostgreSQL: alerts are stored and journalled
 * within the time that is told.
 *
 *   node control-plane/bench/rules.mjs [--nodes 1000,10000] [--samples 32] [--evaluations 6] [--json FILE]
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { note, ownDirectory, readFlags, saveResult } from "./bench.mjs";
import { startHouse } from "./house.mjs";
import {
  cpuSeconds,
  cpuSecondsOfTree,
  loadAverage,
  Programs,
  quantile,
  rssBytes,
  sleep,
  table,
} from "./processes.mjs";
import { loadSeries, SERIES_PER_NODE } from "./rules-load.mjs";

const flags = readFlags(import.meta.url, {
  nodes: { type: "string", default: "1000,10000" },
  samples: { type: "string", default: "32" },
  evaluations: { type: "string", default: "6" },
});

const INTERVAL_MS = 15_000;
const QUERY = "rate(mcp_server_errors_total[5m])";
const QUERIES = 25;
const EVALUATIONS = Number(flags.evaluations);
const LIMIT_MS = 240_000;
/** The interval of the group. */
const EVERY_SECONDS = 10;
/** What was loaded is still being packed and stored. */
const SETTLE_MS = 10_000;
const IDLE_SECONDS = 10;
/** The eight rules, judged often enough that a run does not take all day. */
const rulesText = readFileSync(
  fileURLToPath(new URL("../config/alert-rules.yaml", import.meta.url)),
  "utf8",
).replace("interval: 30s", "interval: 10s");

/** What is measured of either, once it is loaded: `url` answers the Prometheus API, `putInForce` has the rules judged. */
async function measure({ nodes, url, headers, putInForce, isWhole, cpu, rss }) {
  const ask = async (path) => {
    const response = await fetch(`${url}${path}`, { headers });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text.slice(0, 200)}`);
    return text;
  };
  const latencies = [];
  let bytes = 0;
  for (let i = 0; i < QUERIES; i++) {
    const started = performance.now();
    const text = await ask(`/api/v1/query?query=${encodeURIComponent(QUERY)}`);
    latencies.push(performance.now() - started);
    bytes = text.length;
    if (i === 0) {
      const { length } = JSON.parse(text).data.result;
      if (length !== nodes) throw new Error(`${QUERY} gave ${length} series, expected ${nodes}`);
    }
  }
  // What the program does anyway, and to answer us, is told beside: packing what was loaded goes on for a while.
  await sleep(SETTLE_MS);
  const idleFrom = cpu();
  for (let second = 0; second < IDLE_SECONDS; second++) {
    await ask("/api/v1/rules");
    await sleep(1_000);
  }
  const idle = cpu().map((seconds, part) => ((seconds - idleFrom[part]) * EVERY_SECONDS) / IDLE_SECONDS);
  await putInForce();
  const groupMs = [];
  let last;
  let before;
  const deadline = performance.now() + LIMIT_MS;
  // The first evaluation makes plans and all alerts; it is told apart.
  while (groupMs.length <= EVALUATIONS) {
    if (performance.now() > deadline)
      throw new Error(`only ${groupMs.length} evaluations within ${LIMIT_MS} ms`);
    const [group] = JSON.parse(await ask("/api/v1/rules")).data.groups;
    const at = group?.lastEvaluation;
    const judged = group?.rules.every(({ health }) => health === "ok") && isWhole(group);
    if (at !== undefined && !at.startsWith("0001") && at !== last && judged) {
      last = at;
      groupMs.push(group.evaluationTime * 1_000);
      if (groupMs.length === 1) before = cpu();
    }
    await sleep(1_000);
  }
  const after = cpu();
  const alerts = JSON.parse(await ask("/api/v1/alerts")).data.alerts.length;
  return {
    firstMs: groupMs[0],
    groupMs: quantile(groupMs.slice(1), 0.5),
    cpuPerEvaluation: after.map((seconds, part) => (seconds - before[part]) / EVALUATIONS),
    idleCpu: idle,
    queryP50: quantile(latencies.slice(3), 0.5),
    queryP95: quantile(latencies.slice(3), 0.95),
    queryBytes: bytes,
    rssBytes: rss(),
    alerts,
  };
}

async function ours(directory, load) {
  note(`Mainstay, ${load.nodes} nodes ...`);
  const programs = new Programs();
  try {
    const house = await startHouse(programs, directory);
    const { pid } = house.program;
    const authorization = `Bearer ${house.operatorToken}`;
    const loaded = performance.now();
    await loadSeries(house.restPort, { ...load, now: Date.now() }, authorization);
    return {
      loadSeconds: (performance.now() - loaded) / 1_000,
      ...(await measure({
        nodes: load.nodes,
        url: `http://127.0.0.1:${house.restPort}`,
        headers: { authorization },
        // Rule files are watched.
        putInForce: async () => writeFileSync(join(directory, "rules.yaml"), rulesText),
        // Rules tell of themselves as soon as they are judged; a group that is under way is not counted.
        isWhole: ({ rules, lastEvaluation }) => rules.every((rule) => rule.lastEvaluation === lastEvaluation),
        cpu: () => [cpuSeconds(pid), cpuSecondsOfTree(house.postgresPid)],
        rss: () => rssBytes(pid),
      })),
    };
  } finally {
    await programs.stop();
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function theirs(directory, load) {
  note(`Prometheus, ${load.nodes} nodes ...`);
  const version = /version (\S+)/.exec(String(spawnSync("prometheus", ["--version"]).stdout))?.[1];
  if (version === undefined) throw new Error("prometheus is not on the PATH: apt-get install prometheus");
  const port = await freePort();
  const config = join(directory, "prometheus.yml");
  const rules = join(directory, "prometheus-rules.yml");
  writeFileSync(rules, "groups: []\n");
  writeFileSync(config, `global: {}\nrule_files: [${rules}]\n`);
  const args = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(directory, "tsdb")}`,
    `--web.listen-address=127.0.0.1:${port}`,
    "--web.enable-remote-write-receiver",
    "--log.level=error",
  ];
  const child = spawn("prometheus", args, { stdio: ["ignore", "ignore", "inherit"] });
  try {
    const url = `http://127.0.0.1:${port}`;
    const isReady = () =>
      fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    while (!(await isReady())) await sleep(50);
    const loaded = performance.now();
    await loadSeries(port, { ...load, now: Date.now() });
    return {
      version,
      loadSeconds: (performance.now() - loaded) / 1_000,
      ...(await measure({
        nodes: load.nodes,
        url,
        headers: {},
        putInForce: async () => {
          writeFileSync(rules, rulesText);
          child.kill("SIGHUP");
        },
        isWhole: ({ evaluationTime }) => evaluationTime > 0,
        cpu: () => [cpuSeconds(child.pid)],
        rss: () => rssBytes(child.pid),
      })),
    };
  } finally {
    child.kill();
    await once(child, "exit");
  }
}

function report({ load, before, after, mine, other }) {
  const mib = (bytes) => (bytes / 2 ** 20).toFixed(0);
  const row = (title, a, b, digits = 1) => [title, a.toFixed(digits), b.toFixed(digits), (a / b).toFixed(3)];
  const sum = (parts) => parts.reduce((all, part) => all + part, 0);
  return `${load.nodes} nodes, ${load.nodes * SERIES_PER_NODE} series, ${load.samples} samples each; load of the machine ${before.join(" ")} before, ${after.join(" ")} after

${table([
  ["", "Mainstay", `Prometheus ${other.version}`, "ratio"],
  row("whole group, ms (median)", mine.groupMs, other.groupMs),
  row("first evaluation, ms", mine.firstMs, other.firstMs),
  row("CPU s per interval, all in all", mine.cpuPerEvaluation[0], other.cpuPerEvaluation[0], 3),
  row("the same, without rules", mine.idleCpu[0], other.idleCpu[0], 3),
  row("CPU s per interval, with PostgreSQL", sum(mine.cpuPerEvaluation), sum(other.cpuPerEvaluation), 3),
  row(`instant ${QUERY}, ms p50`, mine.queryP50, other.queryP50),
  row("the same, p95", mine.queryP95, other.queryP95),
  ["RSS, MiB", mib(mine.rssBytes), mib(other.rssBytes), (mine.rssBytes / other.rssBytes).toFixed(2)],
  ["alerts", String(mine.alerts), String(other.alerts), ""],
])}
`;
}

const results = [];
for (const nodes of flags.nodes.split(",").map(Number)) {
  const directory = ownDirectory();
  try {
    const load = { nodes, samples: Number(flags.samples), intervalMs: INTERVAL_MS };
    const before = loadAverage();
    const mine = await ours(directory, load);
    const other = await theirs(directory, load);
    const result = { load, before, after: loadAverage(), mine, other };
    results.push(result);
    process.stdout.write(`${report(result)}\n`);
  } catch (error) {
    note(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
saveResult(flags, results);
