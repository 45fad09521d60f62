import { spawn } from "node:child_process";
import { userInfo } from "node:os";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Columns } from "../columns.js";
import { FixtureHost } from "../testing/fixture-host.js";
import { linesOf } from "../testing/read-out.js";
import { DeclaredProcesses } from "./declared-processes.js";
import { parseProcessStat } from "./process-stat.js";
import { parsePasswd, processIds, TopProcesses } from "./top-processes.js";

let host: FixtureHost;
beforeEach(() => {
  host = new FixtureHost();
});
afterEach(() => host.remove());

/** A line of /proc/PID/stat; fields 14, 15 are ticks, 22 the start, 24 the pages. */
function stat(name: string, user: number, system: number, start: number, pages: number): string {
  return `7 (${name}) S 1 7 7 0 -1 4194560 100 200 0 0 ${user} ${system} 5 6 20 0 1 0 ${start} 123456 ${pages} 184467 1 1\n`;
}

test.each([
  { name: "nginx" },
  { name: "a) S 1 (b" },
  { name: "with blank" },
  { name: "" },
  { name: "line\nbreak" },
])("a process called $name", ({ name }) => {
  const bytes = Buffer.from(stat(name, 30, 12, 4_567, 89));
  expect(parseProcessStat(bytes, bytes.length)).toEqual({
    name,
    ticks: 42,
    startTicks: 4_567,
    residentPages: 89,
  });
});

test.each(["", "7", "7 (x", "7 x)", "7 (x) S 1 2 3\n"])("a line that is not whole is nothing: %j", (line) => {
  const bytes = Buffer.from(line);
  expect(parseProcessStat(bytes, bytes.length)).toBeUndefined();
});

test("the top by CPU since the last look and the top by memory, each once, a process of the same number told apart", () => {
  const top = new TopProcesses(host.root, 1, 4_096);
  host.write("1/stat", stat("idle-but-large", 900, 0, 10, 5_000));
  host.write("2/stat", stat("busy", 100, 100, 20, 10));
  host.write("3/stat", stat("reused", 5_000, 0, 30, 20));
  host.write("self/stat", stat("not a number", 0, 0, 0, 9_999));
  expect(top.look(0).map(({ name, cpuRatio }) => [name, cpuRatio])).toEqual([["idle-but-large", 0]]);
  host.write("2/stat", stat("busy", 300, 200, 20, 10));
  host.write("3/stat", stat("reused", 20, 0, 99, 20));
  const found = top.look(10_000);
  expect(found.map(({ name, cpuRatio, residentBytes }) => [name, cpuRatio, residentBytes])).toEqual([
    ["busy", 0.3, 40_960],
    ["idle-but-large", 0, 20_480_000],
  ]);
  expect(found[0]?.user).toBe(userInfo().username);
});

test("names are cleaned", () => {
  host.write("1/stat", stat("\u001b[31mred\u202e", 0, 0, 1, 1));
  expect(new TopProcesses(host.root, 5, 4_096).look(0)[0]?.name).toBe("\ufffd[31mred\ufffd");
});

test("users of passwd(5): the first of a number wins, lines that are none are passed over", () => {
  const users = parsePasswd("root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\nbad\nx:y:z:\nweb:x:33:33::/:\n");
  expect([...users]).toEqual([
    [0, "root"],
    [33, "web"],
  ]);
});

function up(reader: DeclaredProcesses): string[] {
  const columns = new Columns();
  reader.read(columns);
  return columns.finish(1).flatMap(linesOf);
}

test("a declared process by its pid file: up while the process is there, whatever the file says else", () => {
  const pidFile = host.write("run/app.pid", "42\n");
  const reader = new DeclaredProcesses(
    [{ name: "app", find: { kind: "pid-file", path: pidFile } }],
    host.root,
    {},
    1,
  );
  expect(up(reader)).toEqual(['mainstay_process_up{name="app"} 0']);
  host.write("42/cmdline", "app\0--serve\0");
  expect(up(reader)).toEqual(['mainstay_process_up{name="app"} 1']);
  // A zombie has no command line.
  host.write("42/cmdline", "");
  expect(up(reader)).toEqual(['mainstay_process_up{name="app"} 0']);
  for (const text of ["", "x", "-1", "0", "../42", "99999999999999"]) {
    host.write("42/cmdline", "app\0");
    host.write("run/app.pid", text);
    expect(up(reader)).toEqual(['mainstay_process_up{name="app"} 0']);
  }
});

test("a declared process by its command line, arguments joined by blanks; the agent itself does not count", () => {
  const declared = [{ name: "app", find: { kind: "command" as const, contains: "node server.js" } }];
  const reader = new DeclaredProcesses(declared, host.root, {}, 10);
  host.write("10/cmdline", "agent\0--about\0node server.js\0");
  expect(up(reader)).toEqual(['mainstay_process_up{name="app"} 0']);
  host.write("11/cmdline", "node\0server.js\0");
  expect(up(reader)).toEqual(['mainstay_process_up{name="app"} 1']);
  // Another takes over under another number.
  host.write("11/cmdline", "other\0");
  host.write("12/cmdline", "node\0server.js\0");
  expect(up(reader)).toEqual(['mainstay_process_up{name="app"} 1']);
});

test("on this machine: a program that is started and ends", async () => {
  const mark = `mainstay-test-${process.pid}`;
  const declared = [{ name: "sleeper", find: { kind: "command" as const, contains: mark } }];
  const reader = new DeclaredProcesses(declared, "/proc", {}, process.pid);
  const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)", mark], { stdio: "ignore" });
  try {
    await new Promise((resolve) => child.once("spawn", resolve));
    await expect
      .poll(() => up(reader), { timeout: 5_000 })
      .toEqual(['mainstay_process_up{name="sleeper"} 1']);
    expect(processIds("/proc")).toContain(child.pid);
    const found = new TopProcesses("/proc", 50, 4_096).look(0);
    const own = found.find(({ pid }) => pid === process.pid);
    const rss = process.memoryUsage.rss();
    expect(own?.residentBytes).toBeGreaterThan(rss * 0.5);
    expect(own?.residentBytes).toBeLessThan(rss * 2);
  } finally {
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
  }
  expect(up(reader)).toEqual(['mainstay_process_up{name="sleeper"} 0']);
});
