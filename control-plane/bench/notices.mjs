#!/usr/bin/env node
/**
 * From a condition on a host to its notice: agents with their own mutual-TLS streams, of which one after another begins
 * to ail at times that have nothing to do with the rule's; the rule is judged each `--interval` seconds, alerts are stored,
 * routed at once (`group_wait: 0s`, a group for each node) and posted to a webhook. Told from the sample's time to the
 * arrival of the notice, beside what the interval alone costs: on average half of it, at worst all.
 *
 *   node control-plane/bench/notices.mjs [--agents 1000] [--series 100] [--interval 5] [--notices 200] [--json FILE]
 */
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer } from "node:http";
import { askAll, startAgentClients } from "./agent-clients.mjs";
import { note, ownDirectory, readFlags, saveResult } from "./bench.mjs";
import { startHouse } from "./house.mjs";
import { loadAverage, Programs, quantile, sleep, table } from "./processes.mjs";
import { nodeName } from "./workload.mjs";

const flags = readFlags(import.meta.url, {
  agents: { type: "string", default: "1000" },
  series: { type: "string", default: "100" },
  interval: { type: "string", default: "5" },
  notices: { type: "string", default: "200" },
});
const agents = Number(flags.agents);
const intervalMs = Number(flags.interval) * 1_000;
const notices = Math.min(Number(flags.notices), agents);
/** What is told of the goal: the interval and so much more. */
const MORE_MS = 1_000;
const ARRIVE_WITHIN_MS = 60_000;
/** Not a divisor of any interval, so that conditions begin at every phase of it. */
const EVERY_MS = 217;

const rules = `groups:
  - name: bench
    interval: ${flags.interval}s
    rules: [{ alert: Ails, expr: 'bench_metric_0_bytes_total{device="device-0"} < 0' }]
`;
const alertmanager = (port) => `route:
  receiver: bench
  group_by: [node]
  group_wait: 0s
  group_interval: 5m
receivers:
  - name: bench
    webhook_configs: [{ url: "http://127.0.0.1:${port}/", send_resolved: false }]
`;

/** Takes notices; when the first of each node came. */
async function startReceiver() {
  const arrivedAt = new Map();
  const server = createServer(async (request, response) => {
    const at = Date.now();
    let text = "";
    for await (const data of request) text += data;
    response.end();
    for (const { labels } of JSON.parse(text).alerts) {
      if (!arrivedAt.has(labels.node)) arrivedAt.set(labels.node, at);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { arrivedAt, port: server.address().port, close: () => server.close() };
}

const directory = ownDirectory();
const programs = new Programs();
const receiver = await startReceiver();
try {
  const before = loadAverage();
  const house = await startHouse(programs, directory, { rules, alertmanager: alertmanager(receiver.port) });
  note(`${agents} agents ...`);
  const half = Math.ceil(agents / 2);
  const clients = await startAgentClients(programs, house, [half, agents - half], {
    series: Number(flags.series),
    intervalMs: 15_000,
  });
  await askAll(clients, "connect", { port: house.agentPort });
  await askAll(clients, "announce");
  note(`${notices} of them begin to ail ...`);
  const began = [];
  for (let nth = 0; nth < notices; nth++) {
    const number = Math.floor((nth * agents) / notices);
    const client = clients[number < half ? 0 : 1];
    began.push(await client.ask("ail", { agent: number }));
    await sleep(EVERY_MS);
  }
  const deadline = performance.now() + ARRIVE_WITHIN_MS;
  while (receiver.arrivedAt.size < notices && performance.now() < deadline) await sleep(100);
  const tookMs = began.map(({ agent, at }) => (receiver.arrivedAt.get(nodeName(agent)) ?? Number.NaN) - at);
  const lost = tookMs.filter(Number.isNaN).length;
  if (lost > 0)
    throw new Error(`${lost} of ${notices} notices had not come after ${ARRIVE_WITHIN_MS / 1_000} s`);
  const row = (title, p) => {
    const ms = quantile(tookMs, p);
    return [title, ms.toFixed(0), (p * intervalMs).toFixed(0), (ms - p * intervalMs).toFixed(0)];
  };
  const p99 = quantile(tookMs, 0.99);
  process.stdout.write(`${agents} agents, ${flags.series} series each; ${notices} conditions, a rule judged each ${flags.interval} s; load average ${before.join(" ")}, at the end ${loadAverage().join(" ")}

${table([["condition at the host to notice received, ms", "Mainstay", "the interval alone", "more"], row("p50", 0.5), row("p99", 0.99)])}

p99 is ${(p99 / (intervalMs + MORE_MS)).toFixed(2)} of the interval and ${MORE_MS / 1_000} s
`);
  saveResult(flags, { flags, tookMs });
} catch (error) {
  note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  receiver.close();
  await programs.stop();
  rmSync(directory, { recursive: true, force: true });
}
