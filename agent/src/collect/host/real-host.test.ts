import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { freemem, loadavg, totalmem, uptime } from "node:os";
import { expect, test } from "vitest";
import type { Reading } from "../reading.js";
import { parseCollectSettings } from "../settings.js";
import { FixtureHost } from "../testing/fixture-host.js";
import { valuesOf } from "../testing/read-out.js";
import { TurnedClock } from "../testing/turned-clock.js";
import { Mounts } from "./filesystem.js";
import { hostReaders } from "./host.js";
import { HostGroup } from "./host-group.js";

/** Reads this machine, with nothing but the readers' own ways. */
function thisMachine(): { read(): Map<string, string>; close(): void } {
  const { settings } = parseCollectSettings(undefined);
  const mounts = new Mounts(settings.roots, {}, settings.filesystem);
  const said: string[] = [];
  const group = new HostGroup(
    hostReaders(settings, {}, mounts),
    {},
    new TurnedClock(),
    (_, sentence, facts) => said.push(`${sentence} ${JSON.stringify(facts)}`),
  );
  return {
    read: () => {
      const readings: readonly Reading[] = group.read(1_000);
      expect(said).toEqual([]);
      return valuesOf(readings);
    },
    close: () => group.close(),
  };
}

test("df and this reading agree about every filesystem that df names too", () => {
  const machine = thisMachine();
  const before = machine.read();
  // Numbers in bytes; a mount point may hold blanks, so it comes last.
  const lines = execFileSync("df", ["-B1", "--output=size,avail,itotal,fstype,target"], { encoding: "utf8" })
    .split("\n")
    .slice(1);
  const after = machine.read();
  machine.close();
  let compared = 0;
  for (const line of lines) {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+|-)\s+(\S+)\s+(.*)$/u.exec(line);
    if (match === null) continue;
    const [, size, avail, files, , target] = match;
    const key = [...before.keys()].find(
      (name) =>
        name.startsWith("node_filesystem_size_bytes") &&
        name.includes(`mountpoint=${JSON.stringify(target)}`),
    );
    if (key === undefined) continue;
    const of = (values: Map<string, string>, name: string) =>
      Number(values.get(key.replace("size_bytes", name)));
    expect(of(after, "size_bytes")).toBe(Number(size));
    if (files !== "-" && files !== "0") expect(of(after, "files")).toBe(Number(files));
    // Others write while this runs: what df said lies between the readings, give or take 1 % of the size.
    const slack = Number(size) * 0.01;
    expect(Number(avail)).toBeGreaterThanOrEqual(
      Math.min(of(before, "avail_bytes"), of(after, "avail_bytes")) - slack,
    );
    expect(Number(avail)).toBeLessThanOrEqual(
      Math.max(of(before, "avail_bytes"), of(after, "avail_bytes")) + slack,
    );
    compared++;
  }
  expect(compared).toBeGreaterThanOrEqual(1);
  expect([...before.keys()].some((name) => name.includes('mountpoint="/"'))).toBe(true);
});

test("memory, load and start agree with what Node says", () => {
  const machine = thisMachine();
  const values = machine.read();
  machine.close();
  expect(Number(values.get("node_memory_MemTotal_bytes"))).toBe(totalmem());
  // Node calls "free" what the kernel calls available.
  expect(Math.abs(Number(values.get("node_memory_MemAvailable_bytes")) - freemem())).toBeLessThan(
    totalmem() * 0.1,
  );
  expect(Math.abs(Number(values.get("node_load1")) - (loadavg()[0] ?? 0))).toBeLessThan(1);
  const started = Date.now() / 1_000 - uptime();
  expect(Math.abs(Number(values.get("node_boot_time_seconds")) - started)).toBeLessThan(5);
});

test("a tmpfs that is mounted, filled and unmounted is seen to be all of that", ({ skip }) => {
  const host = new FixtureHost();
  const mountPoint = `${host.root}/a disk`;
  mkdirSync(mountPoint);
  const machine = thisMachine();
  const mount = (): boolean => {
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "filltest", mountPoint], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  };
  const key = (name: string): string =>
    `node_filesystem_${name}{device="filltest",fstype="tmpfs",mountpoint=${JSON.stringify(mountPoint)}}`;
  const before = machine.read();
  if (!mount()) {
    // Mounting needs root; without it the fixtures and df above are what there is.
    machine.close();
    host.remove();
    skip("mounting a tmpfs needs root");
  }
  try {
    expect(before.has(key("size_bytes"))).toBe(false);
    const empty = machine.read();
    expect(empty.get(key("size_bytes"))).toBe(String(8 * 1_048_576));
    expect(empty.get(key("readonly"))).toBe("0");
    writeFileSync(`${mountPoint}/fill`, Buffer.alloc(6 * 1_048_576));
    const full = machine.read();
    expect(Number(empty.get(key("avail_bytes"))) - Number(full.get(key("avail_bytes")))).toBe(6 * 1_048_576);
    execFileSync("mount", ["-o", "remount,ro", mountPoint]);
    expect(machine.read().get(key("readonly"))).toBe("1");
  } finally {
    execFileSync("umount", [mountPoint]);
    expect(machine.read().get(key("size_bytes")) ?? "stale").toBe("stale");
    machine.close();
    host.remove();
  }
});
