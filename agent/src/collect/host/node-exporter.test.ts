import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { parseExposition, parseSeriesText } from "../scrape/parse-exposition.js";
import { type Series, seriesKey, seriesOfPairs } from "../series.js";
import { parseCollectSettings } from "../settings.js";
import { TurnedClock } from "../testing/turned-clock.js";
import { Mounts } from "./filesystem.js";
import { hostReaders } from "./host.js";
import { HostGroup } from "./host-group.js";

/**
 * The same host, read by node_exporter and by us: every series of ours is one of its, by name and labels, with a value
 * that lies between what it was before and after. Runs where the program is installed (Debian: prometheus-node-exporter).
 */
const EXPORTER = "prometheus-node-exporter";
/** What node_exporter says of its own collectors, and we of ours. */
const ABOUT_COLLECTORS = /^node_scrape_collector_/u;
/** Counters that node_exporter gives since 1.6; Debian 12 has 1.5. */
const NEWER = /^node_netstat_TcpExt_(?:TCPOFOQueue|TCPRcvQDrop)$/u;

function installed(): boolean {
  try {
    execFileSync(EXPORTER, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The exporter with the choices that newer versions have by default and Debian's build has not. */
async function startExporter(): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    EXPORTER,
    [
      `--web.listen-address=${address}`,
      "--collector.netdev.device-exclude=^$",
      "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
      "--collector.diskstats.device-exclude=^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$",
    ],
    { stdio: "ignore" },
  );
  return { child, url: `http://${address}/metrics` };
}

async function scrape(url: string): Promise<Map<string, number>> {
  let text = "";
  await expect
    .poll(
      async () => {
        const response = await fetch(url).catch(() => undefined);
        text = (await response?.text()) ?? "";
        return response?.status;
      },
      { timeout: 10_000 },
    )
    .toBe(200);
  const values = new Map<string, number>();
  const fault = parseExposition(text, (seriesText, value) => {
    const parsed = parseSeriesText(seriesText);
    if ("because" in parsed) throw new Error(parsed.because);
    values.set(seriesKey(seriesOfPairs(parsed.name, parsed.labels)), value);
    return true;
  });
  expect(fault).toBeUndefined();
  return values;
}

function readHere(): { readonly series: readonly Series[]; readonly values: Float64Array } {
  const { settings } = parseCollectSettings(undefined);
  const mounts = new Mounts(settings.roots, {}, settings.filesystem);
  const group = new HostGroup(
    hostReaders(settings, {}, mounts),
    {},
    new TurnedClock(),
    (_, sentence, facts) => {
      throw new Error(`${sentence} ${JSON.stringify(facts)}`);
    },
  );
  const [reading] = group.read(Date.now());
  group.close();
  return { series: reading?.set.series ?? [], values: reading?.values ?? new Float64Array(0) };
}

/** Gauges of a busy machine move both ways between two looks. */
function slackOf(name: string, value: number): number {
  if (
    /_(?:bytes|allocated|sockets_used|inuse|alloc|mem)$|^node_(?:load|procs|memory|sockstat|filefd|filesystem|netstat_Tcp_CurrEstab|nf_conntrack)/u.test(
      name,
    )
  ) {
    return Math.abs(value) * 0.1 + (/_bytes$/u.test(name) ? 256 * 1_048_576 : 100);
  }
  return Math.abs(value) * 1e-9 + 0.02;
}

test("what this host says through us is what it says through node_exporter", async () => {
  if (!installed()) throw new Error(`this comparison needs ${EXPORTER} (the Debian package of that name)`);
  const { child, url } = await startExporter();
  try {
    const before = await scrape(url);
    const here = readHere();
    const after = await scrape(url);
    const missing: string[] = [];
    const different: string[] = [];
    let compared = 0;
    for (const [i, series] of here.series.entries()) {
      const [, name = ""] = series;
      if (ABOUT_COLLECTORS.test(name)) continue;
      const key = seriesKey(series);
      const [from, to] = [before.get(key), after.get(key)];
      if (from === undefined || to === undefined) {
        if (!NEWER.test(name)) missing.push(series.join(" "));
        continue;
      }
      compared++;
      const value = here.values[i] as number;
      const slack = slackOf(name, value);
      if (!(value >= Math.min(from, to) - slack && value <= Math.max(from, to) + slack)) {
        different.push(`${series.join(" ")}: ${value}, expected ${from} to ${to}`);
      }
    }
    expect(missing).toEqual([]);
    expect(different).toEqual([]);
    expect(compared).toBeGreaterThan(200);
  } finally {
    child.kill();
  }
}, 30_000);
