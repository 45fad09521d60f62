#!/usr/bin/env node
// What the agent costs a host, beside prometheus-node-exporter (Debian package) scraped at the same interval, in one run:
// CPU, memory, ratios. The agent is the real bundle with a real mTLS stream to a control plane (the one of the tests) in
// this process; the exporter is scraped from this process too. Two pairs are measured:
//   same metrics   the exporter with the collectors that the agent has too, nothing scraped by the agent
//   500 series     the exporter with its defaults; the agent also scrapes an application that makes up the difference
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { cpuSeconds, memoryMb } from "./process-cost.mjs";

const HELP = `node agent/bench/footprint.mjs [--seconds 180] [--warm 40] [--interval 15] [--bundle FILE] [--json]

  --seconds   how long is measured; at 15 s an idle agent does a dozen readings in 180 s
  --warm      how long both run before that
  --interval  seconds between readings and between scrapes
  --bundle    the agent; default agent/dist/agent.mjs, which is built when it is not there
`;
const EXPORTER = "prometheus-node-exporter";
/** As often as the control plane asks for it. */
const HEARTBEAT_MS = 5_000;
/** The exporter's collectors that the agent has too. */
const SHARED_COLLECTORS =
  "conntrack cpu diskstats entropy filefd filesystem loadavg meminfo netdev netstat os pressure sockstat softnet stat time uname vmstat".split(
    " ",
  );

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "180" },
    warm: { type: "string", default: "40" },
    interval: { type: "string", default: "15" },
    bundle: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const measuredMs = Number(options.seconds) * 1_000;
const warmMs = Number(options.warm) * 1_000;
const intervalMs = Number(options.interval) * 1_000;
const agentRoot = fileURLToPath(new URL("..", import.meta.url));
const bundle = options.bundle ?? join(agentRoot, "dist/agent.mjs");
const scratch = mkdtempSync(join(tmpdir(), "mainstay-footprint-"));
/** @type {import("node:child_process").ChildProcess[]} */
const children = [];

/** Installs the exporter when it is missing and may be installed. */
function haveExporter() {
  try {
    execFileSync(EXPORTER, ["--version"], { stdio: "ignore" });
    return;
  } catch {
    if (process.getuid?.() !== 0)
      throw new Error(`${EXPORTER} is not installed; apt-get install ${EXPORTER}`);
  }
  process.stderr.write(`installing ${EXPORTER} ...\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  execFileSync("apt-get", ["update", "-q"], { stdio: "ignore", env });
  execFileSync("apt-get", ["install", "-y", "-q", "--no-install-recommends", EXPORTER], {
    stdio: "ignore",
    env,
  });
}

/** The control plane of the tests, bundled: it is TypeScript. */
async function controlPlane() {
  const outfile = join(scratch, "control-plane.mjs");
  await build({
    // tsyringe, which the certificate maker of the tests is built on, asks for this first.
    stdin: {
      contents:
        'import "reflect-metadata"; export { FakeControlPlane } from "./src/testing/fake-control-plane.ts";',
      resolveDir: agentRoot,
    },
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["source"],
    banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
    absWorkingDir: agentRoot,
    logLevel: "error",
  });
  const { FakeControlPlane } = await import(pathToFileURL(outfile).href);
  return FakeControlPlane;
}

/**
 * A server on a free port of loopback.
 * @param {() => string} body
 */
async function serveText(body) {
  const server = createServer((_, response) => response.end(body()));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  server.unref();
  return { url: `http://127.0.0.1:${address.port}/metrics`, server };
}

/** @param {string} url */
function fetchText(url) {
  return new Promise((resolve, reject) => {
    get(url, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve(text));
    }).on("error", reject);
  });
}

/** @param {string} text */
const samplesIn = (text) => text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;

/**
 * Starts the exporter and scrapes it at the interval, as Prometheus does.
 * @param {readonly string[]} flags
 */
async function startExporter(flags) {
  const { server, url: probe } = await serveText(() => "");
  await new Promise((resolve) => server.close(resolve));
  const address = new URL(probe).host;
  const child = spawn(EXPORTER, [`--web.listen-address=${address}`, ...flags], { stdio: "ignore" });
  children.push(child);
  const url = `http://${address}/metrics`;
  let series = 0;
  for (let i = 0; i < 100 && series === 0; i++) {
    await sleep(100);
    series = samplesIn(await fetchText(url).catch(() => ""));
  }
  if (series === 0 || child.pid === undefined) throw new Error(`${EXPORTER} does not answer at ${url}`);
  const timer = setInterval(() => void fetchText(url).catch(() => {}), intervalMs);
  timer.unref();
  const stop = () => {
    clearInterval(timer);
    child.kill();
  };
  return { name: EXPORTER, pid: child.pid, series, stop };
}

/**
 * Starts the agent with a control plane of its own.
 * @param {Awaited<ReturnType<typeof controlPlane>>} FakeControlPlane
 * @param {string} name
 * @param {unknown} collect
 * @param {number} scraped
 */
async function startAgent(FakeControlPlane, name, collect, scraped) {
  const plane = await FakeControlPlane.start({ heartbeatMs: HEARTBEAT_MS, certificateMs: 86_400_000 });
  const config = {
    controlPlane: { agents: `127.0.0.1:${plane.agentsPort}`, enroll: `127.0.0.1:${plane.enrollPort}` },
    joinToken: plane.authority.joinToken(),
    nodeName: name,
    stateDir: join(scratch, name),
    intervalMs,
    health: { port: 0 },
    collect,
  };
  const file = join(scratch, `${name}.yaml`);
  writeFileSync(file, JSON.stringify(config));
  const child = spawn(process.execPath, [bundle, "--config", file], {
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "ignore", "inherit"],
  });
  children.push(child);
  for (let i = 0; i < 100 && plane.frames.length < 2 + (scraped > 0 ? 2 : 0); i++) await sleep(100);
  if (plane.frames.length === 0 || child.pid === undefined) throw new Error("the agent sends nothing");
  const largest = new Map();
  for (const frame of plane.frames) for (const key of frame.values.keys()) largest.set(key, true);
  const stop = async () => {
    child.kill();
    await plane.stop();
  };
  return { name: "agent", pid: child.pid, series: largest.size, stop, plane };
}

/**
 * Lets all of them warm up, then measures them over the same time.
 * @param {readonly { name: string, pid: number, series: number }[]} subjects
 */
async function measure(subjects) {
  await sleep(warmMs);
  const before = subjects.map(({ pid }) => cpuSeconds(pid));
  const from = performance.now();
  /** @type {number[]} */
  const peaks = subjects.map(() => 0);
  while (performance.now() - from < measuredMs) {
    await sleep(Math.min(5_000, measuredMs));
    for (const [i, { pid }] of subjects.entries()) peaks[i] = Math.max(peaks[i] ?? 0, memoryMb(pid).rssMb);
  }
  const seconds = (performance.now() - from) / 1_000;
  return subjects.map(({ name, pid, series }, i) => ({
    name,
    series,
    cpuPercent: ((cpuSeconds(pid) - (before[i] ?? 0)) / seconds) * 100,
    rssPeakMb: peaks[i] ?? 0,
    ...memoryMb(pid),
  }));
}

/** An application's exposition of so many series, the values of which change. */
function application(/** @type {number} */ series) {
  let scrapes = 0;
  return () => {
    scrapes++;
    let text = "# TYPE app_requests_total counter\n";
    for (let i = 0; i < series; i++) {
      text += `app_requests_total{path="/api/v1/things/${i}",method="GET",status="200"} ${scrapes * (i + 1)}\n`;
    }
    return text;
  };
}

async function run() {
  haveExporter();
  if (!existsSync(bundle))
    execFileSync(process.execPath, [join(agentRoot, "esbuild.mjs")], { stdio: "ignore" });
  const FakeControlPlane = await controlPlane();
  const plain = await startAgent(FakeControlPlane, "same", {}, 0);
  const shared = await startExporter([
    "--collector.disable-defaults",
    "--web.disable-exporter-metrics",
    ...SHARED_COLLECTORS.map((name) => `--collector.${name}`),
  ]);
  const full = await startExporter([]);
  const difference = Math.max(1, full.series - plain.series - 3);
  const { url } = await serveText(application(difference));
  const wide = await startAgent(FakeControlPlane, "wide", { scrape: [{ job: "app", url }] }, difference);
  process.stderr.write(`measuring ${options.warm} s + ${options.seconds} s ...\n`);
  const [a, b, c, d] = await measure([plain, shared, wide, full]);
  for (const one of [plain, shared, wide, full]) await one.stop();
  return [
    { pair: "same metrics", agent: a, exporter: b },
    { pair: "500 series", agent: c, exporter: d },
  ];
}

try {
  const pairs = await run();
  if (options.json) process.stdout.write(`${JSON.stringify({ intervalMs, measuredMs, pairs }, null, 2)}\n`);
  else {
    const rows = [["", "series", "CPU % of a core", "RSS MB", "peak", "USS MB", "PSS MB"]];
    for (const { pair, agent, exporter } of pairs) {
      if (agent === undefined || exporter === undefined) continue;
      for (const one of [agent, exporter]) {
        const memory = [one.rssMb, one.rssPeakMb, one.ussMb, one.pssMb].map((mb) => mb.toFixed(1));
        rows.push([`${pair}: ${one.name}`, String(one.series), one.cpuPercent.toFixed(3), ...memory]);
      }
      const ratio = (/** @type {number} */ x, /** @type {number} */ y) => `${(x / y).toFixed(2)} x`;
      rows.push([
        `${pair}: ratio`,
        ratio(agent.series, exporter.series),
        ratio(agent.cpuPercent, exporter.cpuPercent),
        ratio(agent.rssMb, exporter.rssMb),
        ratio(agent.rssPeakMb, exporter.rssPeakMb),
        ratio(agent.ussMb, exporter.ussMb),
        ratio(agent.pssMb, exporter.pssMb),
      ]);
    }
    const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length))) ?? [];
    for (const row of rows) {
      process.stdout.write(
        `${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ")}\n`,
      );
    }
  }
} finally {
  for (const child of children) child.kill();
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(0);
