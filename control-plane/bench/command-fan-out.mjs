#!/usr/bin/env node
/**
 * One action on thousands of nodes: each command is requested, planned by its agent, judged by policy, signed, journalled
 * by the agent (fdatasync) and told, until its last event is durable in PostgreSQL and acknowledged. Agents are made up,
 * each with its own certificate and mutual-TLS stream, in two processes. Then the control plane is killed hard and started
 * again: how long until all agents are back, what is said of them, how long an order then takes. Beside it in the same
 * run, with the same clients: bare grpc-js streams over mutual TLS, each sent one message and waited for.
 *
 *   node control-plane/bench/command-fan-out.mjs [--agents 5000] [--no-loss] [--json FILE]
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AgentService } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { CommandState, CommandsService } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { FleetService, Liveness } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { JournalService } from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { askAll, startAgentClients } from "./agent-clients.mjs";
import { note, ownDirectory, readFlags, saveResult } from "./bench.mjs";
import { operatorClient, startHouse } from "./house.mjs";
import { UNTIL_CANCELLED } from "./obedient-agents.mjs";
import { cpuSeconds, cpuSecondsOfTree, loadAverage, Programs, quantile, sleep, table } from "./processes.mjs";
import { nodeName } from "./workload.mjs";

const flags = readFlags(import.meta.url, {
  agents: { type: "string", default: "5000" },
  "no-loss": { type: "boolean" },
});
const agents = Number(flags.agents);
const CLIENTS = 2;
/** Requests under way at the same time. */
const REQUESTS_AT_ONCE = 128;
/** A run order and a result on the wire, for the bare streams. */
const ORDER_BYTES = 420;
const ANSWER_BYTES = 160;
const DONE_WITHIN_MS = 180_000;
/** Commands that are cancelled, and how many of them at the same time. */
const CANCELLED = 200;
const CANCELS_AT_ONCE = 8;

const directory = ownDirectory();
const programs = new Programs();
const operators = [];
const operator = (service, house) => {
  const client = operatorClient(service, house);
  operators.push(client);
  return client;
};

async function requestAll(house, round) {
  const commands = operator(CommandsService, house);
  const numbers = Array.from({ length: agents }, (_, number) => number).values();
  const tookMs = [];
  const worker = async () => {
    for (const number of numbers) {
      const from = performance.now();
      await commands.requestCommand({
        requestId: `${round}-${number}`,
        nodeId: nodeName(number),
        action: "collect-diagnostics",
        argumentsJson: "{}",
        reason: "to see how long all take",
        waitMs: 1,
      });
      tookMs.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, worker));
  return tookMs;
}

async function obeyed(clients) {
  const answers = await askAll(clients, "obeyed");
  const sum = (read) => answers.reduce((total, answer) => total + read(answer), 0);
  return {
    ordered: answers.flatMap((answer) => answer.ordered),
    durable: answers.flatMap((answer) => answer.durable),
    cancelled: answers.flatMap((answer) => answer.cancelled),
    refused: sum(({ refused }) => refused),
    doubled: sum(({ doubled }) => doubled),
  };
}

async function fanOut(house, clients) {
  const readings = {
    controlPlane: () => cpuSeconds(house.program.pid),
    postgres: () => cpuSecondsOfTree(house.postgresPid),
    clients: () => clients.reduce((sum, { program }) => sum + cpuSeconds(program.pid), 0),
  };
  const before = Object.entries(readings).map(([name, read]) => [name, read(), read]);
  const from = Date.now();
  const requestedMs = await requestAll(house, "fan");
  const requestsTookMs = Date.now() - from;
  note(`all ${agents} are requested after ${(requestsTookMs / 1_000).toFixed(1)} s`);
  let seen;
  do {
    await sleep(500);
    seen = await obeyed(clients);
    if (Date.now() - from > DONE_WITHIN_MS) break;
  } while (seen.durable.length < agents);
  const cpuMsPerCommand = Object.fromEntries(
    before.map(([name, was, read]) => [name, (1_000 * (read() - was)) / agents]),
  );
  const durableMs = seen.durable.map(([, at]) => at - from);
  const orderedAt = new Map(seen.ordered);
  const orderToDurableMs = seen.durable.map(([id, at]) => at - orderedAt.get(id));
  const lastMs = Math.max(...durableMs);
  return {
    done: durableMs.length,
    refused: seen.refused,
    doubled: seen.doubled,
    requestsTookMs,
    requestMs: { p50: quantile(requestedMs, 0.5), p99: quantile(requestedMs, 0.99) },
    durableMs: { p50: quantile(durableMs, 0.5), p99: quantile(durableMs, 0.99) },
    orderToDurableMs: { p50: quantile(orderToDurableMs, 0.5), p99: quantile(orderToDurableMs, 0.99) },
    nodesPerSecond: (1_000 * durableMs.length) / lastMs,
    cpuMsPerCommand,
  };
}

/** One command to its end, from the first agent there is. */
async function oneOrder(house, requestId) {
  const commands = operator(CommandsService, house);
  const from = performance.now();
  const { command } = await commands.requestCommand({
    requestId,
    nodeId: nodeName(0),
    action: "collect-diagnostics",
    argumentsJson: "{}",
    waitMs: 1,
  });
  for await (const { event } of commands.watchCommand({ commandId: command.commandId })) {
    if (event.case === "command" && event.value.state === CommandState.SUCCEEDED)
      return performance.now() - from;
  }
  throw new Error("the order after the loss did not succeed");
}

/** Commands that run are cancelled, some at a time: from the request of it until the agent was told. */
async function cancelSome(house, clients) {
  const commands = operator(CommandsService, house);
  const count = Math.min(CANCELLED, agents);
  const askedAt = new Map();
  const numbers = Array.from({ length: count }, (_, number) => number).values();
  const worker = async () => {
    for (const number of numbers) {
      const { command } = await commands.requestCommand({
        requestId: `cancel-${number}`,
        nodeId: nodeName(number),
        action: "collect-diagnostics",
        argumentsJson: UNTIL_CANCELLED,
        waitMs: 1,
      });
      const { commandId } = command;
      for await (const { event } of commands.watchCommand({ commandId }, { timeoutMs: 30_000 })) {
        if (event.case === "command" && event.value.state === CommandState.RUNNING) break;
      }
      askedAt.set(commandId, Date.now());
      await commands.cancelCommand({ commandId, reason: "to see how long it takes" });
    }
  };
  await Promise.all(Array.from({ length: CANCELS_AT_ONCE }, worker));
  const deadline = Date.now() + 30_000;
  let cancelled = [];
  while (cancelled.length < count && Date.now() < deadline) {
    await sleep(200);
    ({ cancelled } = await obeyed(clients));
  }
  const tookMs = cancelled.map(([id, at]) => at - askedAt.get(id));
  return { cancelled: tookMs.length, p50: quantile(tookMs, 0.5), p99: quantile(tookMs, 0.99) };
}

async function loseGateway(house, clients) {
  note("killing the control plane ...");
  const killedAt = performance.now();
  const ended = askAll(clients, "allEnded");
  process.kill(house.program.pid, "SIGKILL");
  await ended;
  const again = await startHouse(programs, directory);
  const readyMs = performance.now() - killedAt;
  note(`it is ready again after ${(readyMs / 1_000).toFixed(1)} s`);
  await askAll(clients, "reconnect", { port: again.agentPort });
  const backMs = performance.now() - killedAt;
  note(`all are back after ${(backMs / 1_000).toFixed(1)} s`);
  const orderMs = await oneOrder(again, "after-loss");
  const journal = operator(JournalService, again);
  const fleet = operator(FleetService, again);
  const { entries } = await journal.listEntries({ kind: "node.lost", page: { size: 1_000 } });
  const { nodes } = await fleet.listNodes({ liveness: Liveness.LOST });
  return { readyMs, backMs, orderMs, falseLosses: entries.length, lostNow: nodes.length };
}

async function measureFloor(clients) {
  note("the same clients at bare grpc-js streams ...");
  const identityFile = join(directory, "floor.json");
  await clients[0].ask("identity", { file: identityFile });
  await askAll(clients, "answer", { bytes: ANSWER_BYTES });
  const { connect } = toServiceDefinition(AgentService);
  const server = programs.start("bare streams", [
    fileURLToPath(new URL("streams-floor.mjs", import.meta.url)),
    JSON.stringify({ identityFile, path: connect.path, welcomeBytes: 100 }),
  ]);
  const { port } = await server.hear("listening", ({ said }) => said === "listening", 10_000);
  await askAll(clients, "connect", { port });
  const rounds = [];
  for (let round = 0; round < 3; round++) {
    const { tookMs } = await server.hear("fan", ({ said }) => said === "fan", 60_000, {
      ask: "fan",
      bytes: ORDER_BYTES,
    });
    rounds.push({ p50: quantile(tookMs, 0.5), p99: quantile(tookMs, 0.99) });
  }
  await askAll(clients, "disconnect");
  // The one in the middle of three: the first finds nothing warm.
  const middle = (p) =>
    quantile(
      rounds.map((round) => round[p]),
      0.5,
    );
  return { p50: middle("p50"), p99: middle("p99") };
}

function report({ fan, cancel, floor, loss, load }) {
  const s = (ms) => (ms / 1_000).toFixed(2);
  const { controlPlane, postgres, clients } = fan.cpuMsPerCommand;
  const lost =
    loss === undefined
      ? ""
      : `
control plane killed: ready again after ${s(loss.readyMs)} s, all ${agents} agents back after ${s(loss.backMs)} s; ${loss.falseLosses} told lost, ${loss.lostNow} lost now; the next order took ${loss.orderMs.toFixed(0)} ms
`;
  return `${agents} agents in ${CLIENTS} processes; load average ${load.before.join(" ")}, at the end ${load.after.join(" ")}

${table([
  ["", "p50 s", "p99 s"],
  ["request of all to durable result", s(fan.durableMs.p50), s(fan.durableMs.p99)],
  ["order at the agent to durable result", s(fan.orderToDurableMs.p50), s(fan.orderToDurableMs.p99)],
  ["one request", s(fan.requestMs.p50), s(fan.requestMs.p99)],
  ["bare streams, one message each and back", s(floor.p50), s(floor.p99)],
  ["ratio", (fan.durableMs.p50 / floor.p50).toFixed(1), (fan.durableMs.p99 / floor.p99).toFixed(1)],
])}

${fan.done} of ${agents} done, ${fan.doubled} ordered twice, ${fan.refused} with a bad signature; ${fan.nodesPerSecond.toFixed(0)} nodes/s; CPU per command: control plane ${controlPlane.toFixed(2)} ms, PostgreSQL ${postgres.toFixed(2)} ms, agents ${clients.toFixed(2)} ms
cancelled while running: ${cancel.cancelled}, the agent is told after ${cancel.p50.toFixed(0)} ms (p50), ${cancel.p99.toFixed(0)} ms (p99)
${lost}`;
}

try {
  const before = loadAverage();
  note("starting a control plane ...");
  const house = await startHouse(programs, directory);
  note(`making ${agents} identities ...`);
  const each = Math.ceil(agents / CLIENTS);
  const counts = Array.from({ length: CLIENTS }, (_, index) => Math.min(each, agents - index * each));
  const clients = await startAgentClients(programs, house, counts, { series: 1, intervalMs: 15_000 });
  await Promise.all(
    clients.map(({ ask }, index) => ask("obey", { journal: join(directory, `journal-${index}`) })),
  );
  note("connecting ...");
  await askAll(clients, "connect", { port: house.agentPort });
  await sleep(3_000);
  note("a few first, then all ...");
  for (let first = 0; first < 20; first++) await oneOrder(house, `warm-${first}`);
  await sleep(1_000);
  await askAll(clients, "forget");
  const fan = await fanOut(house, clients);
  note("cancelling some that run ...");
  const cancel = await cancelSome(house, clients);
  const loss = flags["no-loss"] ? undefined : await loseGateway(house, clients);
  await askAll(clients, "disconnect");
  for (const client of operators.splice(0)) client.close();
  const floor = await measureFloor(clients);
  const result = { agents, fan, cancel, floor, loss, load: { before, after: loadAverage() } };
  process.stdout.write(report(result));
  saveResult(flags, result);
} catch (error) {
  note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  for (const client of operators) client.close();
  await programs.stop();
  rmSync(directory, { recursive: true, force: true });
}
