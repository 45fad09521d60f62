#!/usr/bin/env node
/**
 * Ingest through remote write 1.0 beside Debian's Prometheus, one after the other on this machine: the same requests of
 * 2,000 series over four connections, one sample of each series a round. The first rounds, which bring the series, are
 * counted apart. Ours is the whole control plane with its embedded PostgreSQL, whose CPU is told apart.
 *
 *   node control-plane/bench/remote-write-ingest.mjs [--nodes 1000] [--series 100] [--rounds 24] [--json FILE]
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { note, ownDirectory, readFlags, saveResult } from "./bench.mjs";
import { startHouse } from "./house.mjs";
import { cpuSeconds, cpuSecondsOfTree, loadAverage, Programs, rssBytes, sleep, table } from "./processes.mjs";
import { remoteWrite } from "./remote-write.mjs";
import { METRICS, metricName } from "./workload.mjs";

const flags = readFlags(import.meta.url, {
  nodes: { type: "string", default: "1000" },
  series: { type: "string", default: "100" },
  rounds: { type: "string", default: "24" },
});

/** Rounds in which series are made and programs warm up. */
const FIRST_ROUNDS = 2;
const load = {
  nodes: Number(flags.nodes),
  series: Number(flags.series),
  rounds: Number(flags.rounds),
  intervalMs: 15_000,
  now: Date.now(),
};
const perRound = load.nodes * load.series;

/** Sends the load; `cpu` answers the seconds that each part has used so far. */
async function measure(port, authorization, cpu, rss) {
  const marks = [{ at: performance.now(), cpu: cpu() }];
  const afterRound = (round) => {
    if (round === FIRST_ROUNDS || round === load.rounds) marks.push({ at: performance.now(), cpu: cpu() });
  };
  await remoteWrite(port, load, { authorization, afterRound });
  const between = (from, to, rounds) => ({
    samplesPerSecond: (perRound * rounds * 1_000) / (to.at - from.at),
    cpuSecondsPerMillion: to.cpu.map(
      (seconds, part) => ((seconds - from.cpu[part]) * 1e6) / (perRound * rounds),
    ),
  });
  return {
    first: between(marks[0], marks[1], FIRST_ROUNDS),
    steady: between(marks[1], marks[2], load.rounds - FIRST_ROUNDS),
    rssBytes: rss(),
  };
}

async function ours(directory) {
  note("Mainstay ...");
  const programs = new Programs();
  try {
    const house = await startHouse(programs, directory);
    const { pid } = house.program;
    const authorization = `Bearer ${house.operatorToken}`;
    const result = await measure(
      house.restPort,
      authorization,
      () => [cpuSeconds(pid), cpuSecondsOfTree(house.postgresPid)],
      () => rssBytes(pid),
    );
    const ask = async (expr) => {
      const url = `http://127.0.0.1:${house.restPort}/api/v1/query?query=${encodeURIComponent(expr)}&timeout=60s`;
      const { data, error } = await (await fetch(url, { headers: { authorization } })).json();
      if (error !== undefined) throw new Error(`${expr}: ${error}`);
      return Number(data.result[0]?.value[1]);
    };
    const names = Array.from({ length: METRICS }, (_, metric) => metricName(metric));
    let kept = 0;
    for (const name of names) kept += (await ask(`sum(count_over_time(${name}{job="node"}[1h]))`)) || 0;
    if (kept !== perRound * load.rounds)
      throw new Error(`${kept} of ${perRound * load.rounds} samples are there`);
    return result;
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

async function theirs(directory) {
  note("Prometheus ...");
  const version = /version (\S+)/.exec(String(spawnSync("prometheus", ["--version"]).stdout))?.[1];
  if (version === undefined) throw new Error("prometheus is not on the PATH: apt-get install prometheus");
  const port = await freePort();
  const config = join(directory, "prometheus.yml");
  writeFileSync(config, "global: {}\n");
  const child = spawn(
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
  try {
    const isReady = () =>
      fetch(`http://127.0.0.1:${port}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    while (!(await isReady())) await sleep(50);
    return {
      version,
      ...(await measure(
        port,
        undefined,
        () => [cpuSeconds(child.pid)],
        () => rssBytes(child.pid),
      )),
    };
  } finally {
    child.kill();
    await once(child, "exit");
  }
}

const directory = ownDirectory();
try {
  const before = loadAverage();
  const result = { load, ours: await ours(directory), theirs: await theirs(directory) };
  const rows = [
    ["", "Mainstay", "its PostgreSQL", `Prometheus ${result.theirs.version}`, "ratio"],
    ...["steady", "first"].map((part) => {
      const [mine, database] = result.ours[part].cpuSecondsPerMillion;
      const [other] = result.theirs[part].cpuSecondsPerMillion;
      const title = part === "steady" ? "CPU s per million samples" : "the same, with new series";
      const cells = [mine, database, other, mine / other].map((number) => number.toFixed(2));
      return [title, ...cells];
    }),
    [
      "samples per second",
      result.ours.steady.samplesPerSecond.toFixed(0),
      "",
      result.theirs.steady.samplesPerSecond.toFixed(0),
      "",
    ],
    [
      "RSS, MiB",
      (result.ours.rssBytes / 2 ** 20).toFixed(0),
      "",
      (result.theirs.rssBytes / 2 ** 20).toFixed(0),
      (result.ours.rssBytes / result.theirs.rssBytes).toFixed(2),
    ],
  ];
  process.stdout.write(
    `${perRound} series, ${load.rounds} rounds; load of the machine ${before.join(" ")} before, ${loadAverage().join(" ")} after\n\n${table(rows)}\n`,
  );
  saveResult(flags, result);
} catch (error) {
  note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
