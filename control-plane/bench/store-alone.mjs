/**
 * The hot window alone, without threads and wires: CPU seconds per million samples, bytes per series, and queries.
 * Run by ingest.mjs, which bundles it; prints one line of JSON.
 */

import { evaluateInstant } from "../src/promql/evaluate.ts";
import { parseExpr } from "../src/promql/parse.ts";
import { DEFAULT_SERIES_LIMITS, DEFAULT_TIME_LIMITS } from "../src/timeseries/domain/accept-samples.ts";
import { HotWindow } from "../src/timeseries/domain/hot-window.ts";
import { labelsOf, NodeValues, nodeName } from "./workload.mjs";

const [nodes = 100, series = 500, rounds = 240] = process.argv.slice(2).map(Number);
const INTERVAL = 15_000;
const rss = () => {
  globalThis.gc?.();
  return process.memoryUsage().rss;
};
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const now = Date.now();
const generators = Array.from({ length: nodes }, (_, node) => new NodeValues(node, series));
for (const generator of generators) generator.next();
const base = rss();
const window = new HotWindow({ seriesLimits: DEFAULT_SERIES_LIMITS, timeLimits: DEFAULT_TIME_LIMITS });
const announced = cpu();
const layouts = generators.map((_, node) => {
  const owner = window.addOwner(20_000);
  const ids = Array.from({ length: series }, (_, s) =>
    window.hold(owner, [...labelsOf(node, s), "node", nodeName(node)]),
  );
  return window.openLayout(owner, ids);
});
const announceCpu = cpu() - announced;
let appendCpu = 0;
for (let round = 0; round < rounds; round++) {
  const frames = generators.map((generator) => generator.next().slice());
  const before = cpu();
  for (const [node, layout] of layouts.entries())
    window.append(layout, now - (rounds - round) * INTERVAL, frames[node], now);
  appendCpu += cpu() - before;
}
const after = rss();
const samples = nodes * series * rounds;
const time = (expr) => {
  const tree = parseExpr(expr);
  const runs = [];
  for (let run = 0; run < 7; run++) {
    const started = performance.now();
    evaluateInstant(tree, now, window);
    runs.push(performance.now() - started);
  }
  return runs.sort((a, b) => a - b)[3];
};
const queries = Object.fromEntries(
  [
    "sum(bench_metric_5_bytes_total)",
    "sum(rate(bench_metric_5_bytes_total[5m]))",
    "sum(rate(bench_metric_5_bytes_total[1h]))",
    "sum by (instance) (rate(bench_metric_5_bytes_total[5m]))",
  ].map((expr) => [expr, time(expr)]),
);
console.log(
  JSON.stringify({
    activeSeries: nodes * series,
    samples,
    cpuSecondsPerMillion: (appendCpu / samples) * 1e6,
    announceCpuMicrosPerSeries: (announceCpu / (nodes * series)) * 1e6,
    sampleBytesPerSeries: window.weigh().bytes / (nodes * series),
    rssBytesPerSeries: (after - base) / (nodes * series),
    queryMs: queries,
  }),
);
