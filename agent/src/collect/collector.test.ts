import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { Collector, type CollectorOptions } from "./collector.js";
import { type InventorySnapshot, isStale, type Reading } from "./reading.js";
import { labelOf } from "./series.js";
import { parseCollectSettings } from "./settings.js";
import { FixtureHost } from "./testing/fixture-host.js";
import { valuesOf } from "./testing/read-out.js";
import { settled, TurnedClock } from "./testing/turned-clock.js";

function collecting(configuration: unknown, more: Partial<CollectorOptions> = {}) {
  const { settings, faults } = parseCollectSettings(configuration);
  expect(faults).toEqual([]);
  const clock = new TurnedClock(1_000_000);
  const readings: Reading[] = [];
  const inventories: InventorySnapshot[] = [];
  const said: string[] = [];
  const collector = new Collector({
    settings,
    labels: { instance: "n1", node: "n1" },
    clock,
    say: (level, sentence, facts) => said.push(`${level} ${sentence} ${JSON.stringify(facts)}`),
    ...more,
  });
  const sink = {
    reading: (reading: Reading) => void readings.push(reading),
    inventory: (inventory: InventorySnapshot) => void inventories.push(inventory),
  };
  return { clock, collector, readings, inventories, said, sink };
}

const NO_CERTIFICATES = { certificates: { files: [] } };

test("this machine, read three times: one set, rising counters, every series with its labels once", async () => {
  const { clock, collector, readings, sink } = collecting(NO_CERTIFICATES);
  collector.start(sink);
  await clock.turn(30_000);
  await collector.stop();
  const host = readings.filter(({ set }) => set.series.some((series) => series[1] === "node_load1"));
  expect(host.map(({ timestampMs }) => timestampMs)).toEqual([1_000_000, 1_015_000, 1_030_000]);
  expect(new Set(host.map(({ set }) => set)).size).toBe(1);
  const [first, , third] = host;
  for (const [i, series] of (first?.set.series ?? []).entries()) {
    expect(series[0]).toBe("__name__");
    expect(labelOf(series, "instance")).toBe("n1");
    expect(labelOf(series, "node")).toBe("n1");
    expect(labelOf(series, "job")).toBe(series[1]?.startsWith("mainstay_agent") ? "mainstay-agent" : "node");
    expect(series.filter((_, at) => at % 2 === 0).slice(1)).toEqual(
      series
        .filter((_, at) => at % 2 === 0)
        .slice(1)
        .sort(),
    );
    if (series[1]?.endsWith("_total")) {
      expect(third?.values[i]).toBeGreaterThanOrEqual(first?.values[i] ?? Number.NaN);
    }
  }
  const names = new Set(first?.set.series.map((series) => series[1]));
  for (const name of [
    "node_filesystem_size_bytes",
    "node_filesystem_avail_bytes",
    "node_filesystem_files_free",
    "node_memory_MemAvailable_bytes",
    "node_cpu_seconds_total",
    "node_load15",
    "node_network_receive_bytes_total",
    "node_disk_read_bytes_total",
    "node_boot_time_seconds",
    "node_time_seconds",
    "node_uname_info",
    "node_filefd_allocated",
    "node_scrape_collector_success",
    "mainstay_agent_collect_late_total",
  ]) {
    expect(names).toContain(name);
  }
  const keys = (first?.set.series ?? []).map((series) => series.join("\0"));
  expect(new Set(keys).size).toBe(keys.length);
});

test("stopped: no reading comes any more, and it can be stopped before anything came", async () => {
  const { clock, collector, readings, sink } = collecting(NO_CERTIFICATES);
  collector.start(sink);
  await collector.stop();
  await clock.turn(60_000);
  expect(readings).toEqual([]);
});

test("figures of the rest of the agent come with the host's reading, under its own job", async () => {
  const { clock, collector, readings, sink } = collecting(NO_CERTIFICATES, {
    extra: () => [{ name: "mainstay_agent_outbox_frames", value: 7, labels: { kind: "live" } }],
  });
  collector.start(sink);
  await clock.turn(1);
  await collector.stop();
  const line = 'mainstay_agent_outbox_frames{instance="n1",job="mainstay-agent",kind="live",node="n1"}';
  expect(valuesOf(readings).get(line)).toBe("7");
});

test("a sink that throws is counted and told, and the next reading comes", async () => {
  const { clock, collector, said } = collecting(NO_CERTIFICATES);
  let given = 0;
  collector.start({
    reading: () => {
      given++;
      throw new Error("full");
    },
    inventory: () => {},
  });
  await clock.turn(30_000);
  await collector.stop();
  expect(given).toBe(3);
  expect(said[0]).toBe('warn A reading was not taken over {"because":"full","failures":1}');
});

test("a slow target holds up no other group; its late beats are counted and told at powers of two", async () => {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
  const { clock, collector, readings, said, sink } = collecting({
    ...NO_CERTIFICATES,
    scrape: [{ job: "slow", url, intervalMs: 10_000, timeoutMs: 10_000 }],
  });
  try {
    collector.start(sink);
    // The target's own time-out comes with its next beat; without the network's turn nothing of it is settled here.
    await clock.turn(60_000);
    const host = readings.filter(({ set }) => set.series.some((series) => series[1] === "node_load1"));
    expect(host).toHaveLength(5);
    expect(said.filter((line) => line.includes("late")).length).toBeGreaterThanOrEqual(1);
    expect(said.filter((line) => line.includes("late")).length).toBeLessThanOrEqual(3);
    expect(said[0]).toContain('"group":"scrape:slow:n1:');
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await collector.stop();
  }
});

test("the inventory names top processes and certificates in one snapshot", async () => {
  const host = new FixtureHost();
  const missing = `${host.root}/own.pem`;
  const { clock, collector, inventories, sink } = collecting(
    { ...NO_CERTIFICATES, processes: { topCount: 50 } },
    {
      always: { files: [missing], endpoints: [] },
    },
  );
  try {
    collector.start(sink);
    await clock.turn(0);
    // Looking at files takes turns of the real loop.
    for (let i = 0; i < 50 && inventories.length === 0; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      await clock.turn(250);
    }
    await settled();
    const last = inventories.at(-1);
    expect(last?.processes.map(({ pid }) => pid)).toContain(process.pid);
    await expect
      .poll(
        async () => {
          await clock.turn(250);
          return inventories
            .at(-1)
            ?.certificates.map(({ source, readError }) => [source, readError.slice(0, 6)]);
        },
        { timeout: 5_000 },
      )
      .toEqual([[`file:${missing}`, "ENOENT"]]);
  } finally {
    await collector.stop();
    host.remove();
  }
});

test("a mount that goes away between two readings ends with the staleness marker", async () => {
  const host = new FixtureHost();
  const table = (mounts: readonly string[]): string =>
    mounts.map((path) => `1 1 0:1 / ${path} rw - tmpfs tmpfs rw\n`).join("");
  const files = {
    stat: "cpu0 1 1 1 1 1 1 1 1 1 1\n",
    meminfo: "MemTotal: 1 kB\n",
    diskstats: "",
    "net/dev": "a\nb\n",
    loadavg: "0 0 0 1/1 1\n",
    "sys/kernel/domainname": "(none)\n",
  };
  for (const [path, text] of Object.entries(files)) host.write(path, text);
  host.write("self/mountinfo", table([host.root, "/tmp"]));
  const { clock, collector, readings, sink } = collecting({
    ...NO_CERTIFICATES,
    roots: { proc: host.root },
    processes: { topCount: 0 },
  });
  try {
    collector.start(sink);
    await clock.turn(1);
    host.write("self/mountinfo", table(["/tmp"]));
    await clock.turn(15_000);
    const stale = readings.flatMap(({ set, values }) => set.series.filter((_, i) => isStale(values, i)));
    expect(stale.map((series) => labelOf(series, "mountpoint"))).toEqual(
      Array.from({ length: 7 }, () => host.root),
    );
    const [, farewell, next] = readings;
    expect(farewell?.set.series).toHaveLength(7);
    expect(farewell?.timestampMs).toBe(next?.timestampMs);
  } finally {
    await collector.stop();
    host.remove();
  }
});
