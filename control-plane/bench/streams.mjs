#!/usr/bin/env node
/**
 * Thousands of agents on one control plane: each with its own certificate, mutual-TLS connection and stream, 100 series
 * every 15 s and heartbeats between. How long they take to connect, what they cost in CPU and memory, how long a sample
 * takes until a query has it (alone, and while one agent floods), when a silent node is noticed, what becomes of a
 * reader that stands still. Beside it in the same run, with the same clients: bare grpc-js streams over mutual TLS.
 *
 *   node control-plane/bench/streams.mjs [--agents 5000] [--series 100] [--window 15] [--json FILE]
 *
 * The control plane is the real process with its embedded PostgreSQL; the agents live in two processes, the one that
 * floods in a third. Their identities are signed with the house's own key and stored as enrolling would, beforehand.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AgentService } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { CommandsService } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { FleetService, Liveness } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { askAll, startAgentClients } from "./agent-clients.mjs";
import { note, ownDirectory, readFlags, saveResult } from "./bench.mjs";
import { operatorClient, startHouse } from "./house.mjs";
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
import { nodeName } from "./workload.mjs";

const flags = readFlags(import.meta.url, {
  agents: { type: "string", default: "5000" },
  series: { type: "string", default: "100" },
  window: { type: "string", default: "15" },
});
const load = { agents: Number(flags.agents), series: Number(flags.series), intervalMs: 15_000 };
const windowMs = Number(flags.window) * 1_000;

const CLIENTS = 2;
/** Probes of each client process: enough for a p99, few enough to cost the control plane little. */
const PROBE_EVERY_MS = 100;
const FLOOD_MS = 10_000;
/** The control plane tells the worst lag of the last 10 s: those of the announcing are gone then. */
const SETTLE_MS = 10_000;
/** More and larger orders than may wait for one reader. */
const STALLED_ORDERS = 40;
const STALLED_ORDER_BYTES = 15_000;
const NOTICED_WITHIN_MS = 30_000;

const directory = ownDirectory();
const programs = new Programs();
const operators = [];

async function startClients(house) {
  const each = Math.ceil(load.agents / CLIENTS);
  const counts = [];
  for (let first = 0; first < load.agents; first += each) counts.push(Math.min(each, load.agents - first));
  const clients = await startAgentClients(programs, house, [...counts, 1], load);
  const flooder = clients.pop();
  return { clients, flooder };
}

async function connectAll(clients, port) {
  const cpuBefore = clients.map(({ program }) => cpuSeconds(program.pid));
  const connected = await askAll(clients, "connect", { port });
  const clientCpuSeconds = clients.reduce(
    (sum, { program }, index) => sum + cpuSeconds(program.pid) - cpuBefore[index],
    0,
  );
  return {
    seconds: Math.max(...connected.map(({ seconds }) => seconds)),
    p50Ms: Math.max(...connected.map(({ p50Ms }) => p50Ms)),
    p99Ms: Math.max(...connected.map(({ p99Ms }) => p99Ms)),
    welcomeBytes: connected[0].welcomeBytes,
    clientCpuSeconds,
  };
}

/** What a process uses over a while, as a share of one core. */
async function coresOver(ms, readings, work = () => sleep(ms)) {
  const from = performance.now();
  const before = Object.entries(readings).map(([name, read]) => [name, read(), read]);
  const value = await work();
  const seconds = (performance.now() - from) / 1_000;
  return {
    cores: Object.fromEntries(before.map(([name, was, read]) => [name, (read() - was) / seconds])),
    value,
  };
}

async function metric(house, name) {
  const answer = await fetch(`http://127.0.0.1:${house.restPort}/metrics`, {
    headers: { authorization: `Bearer ${house.operatorToken}` },
  });
  const text = await answer.text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
}

/** The worst lag of the event loop until it is stopped; the control plane tells the worst of the last 10 s. */
function watchLag(house) {
  const seen = [];
  let stopped = false;
  const watching = (async () => {
    for (;;) {
      seen.push(await metric(house, "mainstay_event_loop_lag_seconds"));
      if (stopped) return;
      await sleep(2_000);
    }
  })();
  return async () => {
    stopped = true;
    await watching;
    return 1_000 * Math.max(...seen);
  };
}

async function probeAll(clients, house, ms) {
  const answers = await askAll(clients, "probe", {
    ms,
    everyMs: PROBE_EVERY_MS,
    restPort: house.restPort,
    token: house.operatorToken,
  });
  const tookMs = answers.flatMap((answer) => answer.tookMs);
  return {
    probes: tookMs.length,
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    maxMs: Math.max(...tookMs),
  };
}

/** Stops one agent's words and leaves its connection open: when does the fleet call it lost? */
async function noticeSilence(house, client) {
  const number = client.first + 11;
  const fleet = operatorClient(FleetService, house);
  operators.push(fleet);
  const { lastWordAt } = await client.ask("silence", { agent: number });
  for (;;) {
    const { node } = await fleet.getNode({ nodeId: nodeName(number) });
    const silentMs = Date.now() - lastWordAt;
    if (node.liveness === Liveness.LOST) return { noticedAfterMs: silentMs, because: node.livenessBecause };
    if (silentMs > NOTICED_WITHIN_MS) throw new Error(`silent for ${silentMs} ms and not noticed`);
    await sleep(100);
  }
}

/** One agent reads no further while orders come for it. */
async function stallReader(house, client) {
  const number = client.first + 13;
  const commands = operatorClient(CommandsService, house);
  const fleet = operatorClient(FleetService, house);
  operators.push(commands, fleet);
  const ended = client.ask("end", { agent: number });
  await client.ask("stall", { agent: number });
  const stalledAt = Date.now();
  const argumentsJson = JSON.stringify({ filler: "x".repeat(STALLED_ORDER_BYTES) });
  await Promise.all(
    Array.from({ length: STALLED_ORDERS }, (_, order) =>
      commands.requestCommand({
        requestId: `stall-${order}`,
        nodeId: nodeName(number),
        action: "collect-diagnostics",
        argumentsJson,
        waitMs: 1,
      }),
    ),
  );
  const { because, at } = await ended;
  const slow = await metric(house, "mainstay_agent_streams_slow_total");
  return { endedAfterMs: at - stalledAt, endedWith: because, slow, fleet, number };
}

/** What the fleet says of the stalled reader once its silence counts. */
async function whyStalled({ fleet, number }) {
  for (let tries = 0; tries < 100; tries++) {
    const { node } = await fleet.getNode({ nodeId: nodeName(number) });
    if (node.liveness !== Liveness.LIVE) return node.livenessBecause;
    await sleep(200);
  }
  return "";
}

/** What is measured holds only while the agents are there. */
async function assertOpen(clients) {
  const answers = await askAll(clients, "open");
  const open = answers.reduce((sum, answer) => sum + answer.open, 0);
  if (open >= 0.99 * load.agents) return;
  const because = answers.find((answer) => answer.because !== undefined)?.because;
  throw new Error(`only ${open} of ${load.agents} streams are open; one ended with: ${because}`);
}

async function measureHouse(house, { clients, flooder }) {
  const readings = {
    controlPlane: () => cpuSeconds(house.program.pid),
    postgres: () => cpuSecondsOfTree(house.postgresPid),
    clients: () => clients.reduce((sum, { program }) => sum + cpuSeconds(program.pid), 0),
  };
  await sleep(2_000);
  const idleRss = rssBytes(house.program.pid);
  note(`connecting ${load.agents} agents ...`);
  const connecting = await coresOver(0, readings, () => connectAll(clients, house.agentPort));
  const connected = connecting.value;
  await flooder.ask("connect", { port: house.agentPort });
  await sleep(3_000);
  const streamsRss = rssBytes(house.program.pid);
  note(`connected in ${connected.seconds.toFixed(1)} s; announcing ${load.series} series each ...`);
  const stopAnnouncingLag = watchLag(house);
  await askAll([...clients, flooder], "announce");
  const announcingLagMs = await stopAnnouncingLag();
  await sleep(SETTLE_MS);
  await assertOpen(clients);

  note("steady ...");
  await askAll(clients, "late");
  const stopLag = watchLag(house);
  const steady = await coresOver(windowMs, readings);
  const lagMs = await stopLag();
  await assertOpen(clients);
  const clientsLate = (await askAll(clients, "late")).map(({ p99Ms }) => p99Ms);
  const steadyRss = rssBytes(house.program.pid);
  const stopQuietLag = watchLag(house);
  note("probing; one node falls silent, one reader stands still ...");
  const noticing = noticeSilence(house, clients[0]);
  // Awaited after the flood; what fails meanwhile is told then.
  noticing.catch(() => {});
  const [quiet, stalled] = await Promise.all([
    probeAll(clients, house, windowMs),
    stallReader(house, clients[1] ?? clients[0]),
  ]);
  const quietLagMs = await stopQuietLag();
  note(
    `the event loop lagged ${lagMs.toFixed(0)} ms when steady, ${quietLagMs.toFixed(0)} ms since; one agent floods ...`,
  );
  const [{ frames }, flooded] = await Promise.all([
    flooder.ask("flood", { agent: load.agents, ms: FLOOD_MS }),
    coresOver(0, readings, () => probeAll(clients, house, FLOOD_MS - 1_000)),
  ]);
  const { fleet: _, number: __, ...reader } = stalled;
  const result = {
    connected: { ...connected, cores: connecting.cores },
    idleRss,
    streamsRss,
    steadyRss,
    cores: steady.cores,
    announcingLagMs,
    lagMs,
    quietLagMs,
    clientsLateP99Ms: Math.max(...clientsLate),
    activeSeries: await metric(house, "mainstay_active_series"),
    streams: await metric(house, "mainstay_agent_streams"),
    quiet,
    flooded: { ...flooded.value, cores: flooded.cores, framesPerSecond: frames / (FLOOD_MS / 1_000) },
    silence: await noticing,
    reader: { ...reader, because: await whyStalled(stalled) },
  };
  await assertOpen(clients);
  note("disconnecting ...");
  await askAll([...clients, flooder], "disconnect");
  return result;
}

async function measureFloor(clients, { welcomeBytes }) {
  note("the same clients at bare grpc-js streams ...");
  const identityFile = join(directory, "floor.json");
  await clients[0].ask("identity", { file: identityFile });
  const { connect } = toServiceDefinition(AgentService);
  const server = programs.start("bare streams", [
    fileURLToPath(new URL("streams-floor.mjs", import.meta.url)),
    JSON.stringify({ identityFile, path: connect.path, welcomeBytes }),
  ]);
  const { port } = await server.hear("listening", ({ said }) => said === "listening", 10_000);
  await sleep(1_000);
  const readings = { server: () => cpuSeconds(server.pid) };
  const idleRss = rssBytes(server.pid);
  const connecting = await coresOver(0, readings, () => connectAll(clients, port));
  await sleep(3_000);
  const streamsRss = rssBytes(server.pid);
  const steady = await coresOver(windowMs, readings);
  const steadyRss = rssBytes(server.pid);
  await askAll(clients, "disconnect");
  return {
    connected: { ...connecting.value, cores: connecting.cores },
    idleRss,
    streamsRss,
    steadyRss,
    cores: steady.cores,
  };
}

function report(result) {
  const { house, floor } = result;
  const perStream = (rss, idle) => (rss - idle) / load.agents / 1_024;
  const ratio = (a, b) => (a / b).toFixed(2);
  const row = (title, a, b, digits) => [title, a.toFixed(digits), b.toFixed(digits), ratio(a, b)];
  const spent = ({ seconds, cores }, of) => (1_000 * seconds * cores[of]) / load.agents;
  const [before, after] = [result.loadAverage.before, result.loadAverage.after].map((each) => each.join(" "));
  const seconds = (ms) => (ms / 1_000).toFixed(1);
  return `${load.agents} agents in ${CLIENTS} processes, ${load.series} series each every ${load.intervalMs / 1_000} s; load average ${before}, at the end ${after}

${table([
  ["", "Mainstay", "bare grpc-js", "ratio"],
  row("connect all, s (clients on the same machine)", house.connected.seconds, floor.connected.seconds, 1),
  row(
    "CPU of the server per connection, ms",
    spent(house.connected, "controlPlane"),
    spent(floor.connected, "server"),
    2,
  ),
  row("RSS when idle, MB", house.idleRss / 2 ** 20, floor.idleRss / 2 ** 20, 0),
  row(
    "RSS per open stream, KB",
    perStream(house.streamsRss, house.idleRss),
    perStream(floor.streamsRss, floor.idleRss),
    1,
  ),
  row(
    `RSS per agent with all state and ${load.series} series, KB`,
    perStream(house.steadyRss, house.idleRss),
    perStream(floor.steadyRss, floor.idleRss),
    1,
  ),
  row("CPU when steady, % of a core", 100 * house.cores.controlPlane, 100 * floor.cores.server, 1),
])}

${table([
  ["", "p50 ms", "p99 ms", "max ms", "probes"],
  ["sample to queryable", ...shown(house.quiet)],
  [
    `the others, while one sends ${house.flooded.framesPerSecond.toFixed(0)} frames/s`,
    ...shown(house.flooded),
  ],
])}

the embedded PostgreSQL takes ${(100 * house.cores.postgres).toFixed(1)} % of a core when steady; the event loop lags at most ${house.lagMs.toFixed(0)} ms, ${house.quietLagMs.toFixed(0)} ms while it is probed, ${house.announcingLagMs.toFixed(0)} ms while all announce their series; the clients' own timers ${house.clientsLateP99Ms.toFixed(0)} ms (p99)
a silent node with an open connection is lost after ${seconds(house.silence.noticedAfterMs)} s: ${house.silence.because}
a reader that stands still is cut after ${seconds(house.reader.endedAfterMs)} s: ${house.reader.because}
`;
}

const shown = ({ p50Ms, p99Ms, maxMs, probes }) => [
  p50Ms.toFixed(0),
  p99Ms.toFixed(0),
  maxMs.toFixed(0),
  probes,
];

try {
  const loadBefore = loadAverage();
  note("starting a control plane ...");
  const house = await startHouse(programs, directory);
  note(`making ${load.agents} identities ...`);
  const made = await startClients(house);
  const houseResult = await measureHouse(house, made);
  for (const operator of operators.splice(0)) operator.close();
  await house.program.stop();
  const floor = await measureFloor(made.clients, houseResult.connected);
  const result = {
    load,
    loadAverage: { before: loadBefore, after: loadAverage() },
    house: houseResult,
    floor,
  };
  process.stdout.write(report(result));
  saveResult(flags, result);
} catch (error) {
  note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  for (const operator of operators) operator.close();
  await programs.stop();
  rmSync(directory, { recursive: true, force: true });
}
