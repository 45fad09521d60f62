#!/usr/bin/env node
/**
 * How long a command takes from its request to its first output at the requester: a real control plane, a real agent,
 * `clean-directory` on a directory with one old file, allowed by policy, watched over gRPC. Beside it, in turn with the
 * commands and in the same run, a bare grpc-js bidi echo with messages of the same sizes. The account of where the time
 * goes is the command's own: its plan, the policy's word, the two orders, the agent's journal, the output.
 *
 *   node control-plane/bench/command-round-trip.mjs [--commands 300] [--json FILE]
 */
import {
  closeSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import {
  CommandState,
  CommandsService,
  RequestCommandRequestSchema,
  WatchCommandResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { FleetService } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { JournalService } from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { note, ownDirectory, readFlags, saveResult } from "./bench.mjs";
import { asIs, ECHO_PATH } from "./echo.mjs";
import { operatorClient, startHouse } from "./house.mjs";
import { cpuSeconds, cpuSecondsOfTree, loadAverage, Programs, quantile, sleep, table } from "./processes.mjs";

const flags = readFlags(import.meta.url, {
  commands: { type: "string", default: "300" },
});

const WARM_UP = 20;
/** A command that has not ended by then will not. */
const COMMAND_WITHIN_MS = 30_000;
/** The whole bench ends by then, with what it has. */
const DEADLINE_MS = 150_000;
const WAITS_FOR_SOMEBODY = new Set([CommandState.PLANNED, CommandState.AWAITING_APPROVAL]);
const AGENT = fileURLToPath(new URL("../../agent/dist/agent.mjs", import.meta.url));

const directory = ownDirectory();
const programs = new Programs();
const clients = [];

async function startAgent(house) {
  const stateDir = join(directory, "agent");
  const cleaned = join(directory, "cleaned");
  mkdirSync(stateDir, { mode: 0o700 });
  mkdirSync(cleaned);
  const fleet = operatorClient(FleetService, house);
  clients.push(fleet);
  const { token } = await fleet.createJoinToken({ nodeName: "bench" });
  const config = join(directory, "agent.yaml");
  const place = (port) => `127.0.0.1:${port}`;
  const settings = {
    controlPlane: { agents: place(house.agentPort), enroll: place(house.grpcPort) },
    nodeName: "bench",
    stateDir,
    joinToken: token,
    health: "off",
    actions: { cleanDirectory: { roots: [cleaned], minAgeSeconds: 60 } },
  };
  writeFileSync(config, JSON.stringify(settings));
  const program = programs.start("agent", [AGENT, "--config", config]);
  for (let tries = 0; ; tries++) {
    const { nodes } = await fleet.listNodes({});
    if (nodes[0]?.actions.includes("clean-directory")) return { program, cleaned, stateDir };
    if (tries > 200) throw new Error("the agent did not connect within 20 s");
    await sleep(100);
  }
}

/** One command, timed by the requester's clock. */
async function oneCommand(commands, cleaned, number) {
  const old = join(cleaned, `old-${number}`);
  writeFileSync(old, "x");
  utimesSync(old, 1, 1);
  const request = {
    requestId: `bench-${number}`,
    nodeId: "bench",
    action: "clean-directory",
    argumentsJson: JSON.stringify({ path: cleaned }),
    reason: "to see how long it takes",
    waitMs: 1,
  };
  const began = performance.now();
  const { command: requested } = await commands.requestCommand(request);
  const stored = performance.now() - began;
  const seen = { commandId: requested.commandId, request, stored };
  const watched = commands.watchCommand({ commandId: requested.commandId }, { timeoutMs: COMMAND_WITHIN_MS });
  for await (const { event } of watched) {
    const at = performance.now() - began;
    if (event.case === "output") {
      seen.output ??= at;
      seen.outputAt ??= Date.now();
      seen.answer ??= create(WatchCommandResponseSchema, { event });
    } else if (event.case === "command") {
      seen.ended = at;
      seen.state = event.value.state;
      seen.because = event.value.because;
      // Nobody is there who would let it go.
      if (WAITS_FOR_SOMEBODY.has(seen.state)) break;
    }
  }
  if (seen.state !== CommandState.SUCCEEDED || seen.output === undefined) {
    throw new Error(`command ${number} is ${CommandState[seen.state]}: ${seen.because}`);
  }
  return seen;
}

/** When each step of a command was taken, by the journal and the log: whole milliseconds of one clock. */
async function stepsOf({ commandId, outputAt }, journal, ordersSent) {
  const { entries } = await journal.listEntries({ subject: `command:${commandId}` });
  const at = Object.fromEntries(entries.map((entry) => [entry.kind, timestampMs(entry.at)]));
  return {
    requested: at["command.requested"],
    asked: ordersSent.get(`preview/${commandId}`),
    approved: at["command.approved"],
    ordered: ordersSent.get(`run/${commandId}`),
    begun: at["command.running"],
    output: outputAt,
  };
}

async function startEcho(sizes) {
  const server = programs.start("echo", [
    fileURLToPath(new URL("echo-server.mjs", import.meta.url)),
    `${sizes.answer}`,
  ]);
  const { port } = await server.hear("listening", ({ said }) => said === "listening", 10_000);
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  clients.push(client);
  const call = client.makeBidiStreamRequest(ECHO_PATH, asIs, asIs, new Metadata());
  call.on("error", () => {});
  const request = Buffer.alloc(sizes.request, 0x62);
  return () =>
    new Promise((resolve) => {
      const began = performance.now();
      call.once("data", () => resolve(performance.now() - began));
      call.write(request);
    });
}

/** What it costs here to make one line of a journal durable, as the agent does for each step. */
function syncMs(path) {
  const file = openSync(path, "a");
  const times = [];
  for (let turn = 0; turn < 50; turn++) {
    const began = performance.now();
    writeSync(file, "x".repeat(400));
    fdatasyncSync(file);
    times.push(performance.now() - began);
  }
  closeSync(file);
  return quantile(times, 0.5);
}

const both = (values) => ({ p50: quantile(values, 0.5), p99: quantile(values, 0.99) });
const ms = (value) => value.toFixed(1);

async function measure() {
  const loadBefore = loadAverage();
  note("starting a control plane and an agent ...");
  const house = await startHouse(programs, directory);
  const agent = await startAgent(house);
  const commands = operatorClient(CommandsService, house);
  const journal = operatorClient(JournalService, house);
  clients.push(commands, journal);
  const ordersSent = new Map();
  house.program.onSaid(({ sentence, commandId, mode, time }) => {
    if (sentence === "an order was sent") ordersSent.set(`${mode}/${commandId}`, Date.parse(time));
  });

  const began = performance.now();
  let sizes;
  for (let number = 0; number < WARM_UP; number++) {
    const { request, answer } = await oneCommand(commands, agent.cleaned, `warm-${number}`);
    sizes = {
      request: toBinary(RequestCommandRequestSchema, create(RequestCommandRequestSchema, request)).length,
      answer: toBinary(WatchCommandResponseSchema, answer).length,
    };
  }
  const echo = await startEcho(sizes);
  for (let turn = 0; turn < 200; turn++) await echo();

  note(`${flags.commands} commands, one after the other, in turn with the echo ...`);
  const cpuBefore = {
    controlPlane: cpuSeconds(house.program.pid),
    postgres: cpuSecondsOfTree(house.postgresPid),
    agent: cpuSeconds(agent.program.pid),
  };
  const done = [];
  const echoes = [];
  for (let number = 0; number < Number(flags.commands); number++) {
    if (performance.now() - began > DEADLINE_MS) {
      note(`time is up after ${number} commands`);
      break;
    }
    done.push(await oneCommand(commands, agent.cleaned, number));
    for (let turn = 0; turn < 3; turn++) echoes.push(await echo());
  }
  const perCommand = (seconds) => (1_000 * seconds) / done.length;
  const cpuMsPerCommand = {
    controlPlane: perCommand(cpuSeconds(house.program.pid) - cpuBefore.controlPlane),
    postgres: perCommand(cpuSecondsOfTree(house.postgresPid) - cpuBefore.postgres),
    agent: perCommand(cpuSeconds(agent.program.pid) - cpuBefore.agent),
  };
  const steps = [];
  for (const command of done) steps.push(await stepsOf(command, journal, ordersSent));
  const between = (from, to) => both(steps.map((at) => at[to] - at[from]));
  return {
    commands: done.length,
    bytes: sizes,
    loadAverage: { before: loadBefore, after: loadAverage() },
    firstOutputMs: both(done.map(({ output }) => output)),
    endMs: both(done.map(({ ended }) => ended)),
    requestAnsweredMs: both(done.map(({ stored }) => stored)),
    echoMs: both(echoes),
    stepsMs: {
      "stored, and the agent asked for its plan": between("requested", "asked"),
      "planned by the agent, judged by policy, stored": between("asked", "approved"),
      "the order stored and sent": between("approved", "ordered"),
      "verified, journalled and begun by the agent, stored": between("ordered", "begun"),
      "the first output at the requester": between("begun", "output"),
    },
    syncMs: syncMs(join(agent.stateDir, "bench-sync")),
    cpuMsPerCommand,
  };
}

function report(result) {
  const { firstOutputMs, echoMs, endMs, requestAnsweredMs, stepsMs, cpuMsPerCommand } = result;
  const ratio = (p) => (firstOutputMs[p] / echoMs[p]).toFixed(0);
  const line = (title, { p50, p99 }) => [title, ms(p50), ms(p99)];
  const [before, after] = [result.loadAverage.before, result.loadAverage.after].map((load) => load.join(" "));
  return `${result.commands} commands; ${result.bytes.request} bytes up, ${result.bytes.answer} down; load average ${before}, at the end ${after}

${table([
  ["", "p50 ms", "p99 ms"],
  line("request to first output", firstOutputMs),
  ["bare bidi echo", echoMs.p50.toFixed(2), echoMs.p99.toFixed(2)],
  ["ratio", ratio("p50"), ratio("p99")],
  line("request to its answer (stored)", requestAnsweredMs),
  line("request to end", endMs),
  ...Object.entries(stepsMs).map(([title, step]) => line(`  ${title}`, step)),
])}

One durable line of a journal costs ${result.syncMs.toFixed(2)} ms here. CPU per command: control plane ${ms(cpuMsPerCommand.controlPlane)} ms, PostgreSQL ${ms(cpuMsPerCommand.postgres)} ms, agent ${ms(cpuMsPerCommand.agent)} ms.
`;
}

try {
  const result = await measure();
  process.stdout.write(report(result));
  saveResult(flags, result);
} catch (error) {
  note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  for (const client of clients) client.close();
  await programs.stop();
  rmSync(directory, { recursive: true, force: true });
}
