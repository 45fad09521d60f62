import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hostMonotonic } from "./system.js";

const directory = mkdtempSync(join(tmpdir(), "mainstay-clock-"));
const program = join(directory, "system.mjs");
const SLEPT_MS = 3_600_000;

beforeAll(() =>
  build({
    entryPoints: [join(import.meta.dirname, "system.ts")],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
  }),
);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** What another process reads, put before which is `command`. */
function readElsewhere(command: readonly string[]): number {
  const code = `import("${program}").then(({ hostMonotonic }) => console.log(hostMonotonic()))`;
  const [first = process.execPath, ...rest] = [...command, process.execPath, "-e", code];
  const { stdout } = spawnSync(first, rest, { encoding: "utf8" });
  return Number.parseFloat(stdout);
}

test("every process of the host reads the same clock, which only rises", () => {
  const before = hostMonotonic();
  const elsewhere = readElsewhere([]);
  const after = hostMonotonic();
  expect(elsewhere).toBeGreaterThan(before - 10);
  expect(elsewhere).toBeLessThan(after + 10);
});

// A time namespace has its own time since the start and shares the time awake: as a host that has slept.
const namespace = ["unshare", "--fork", "--time", "--boottime", `${SLEPT_MS / 1_000}`, "--"];
const canTry = spawnSync(namespace[0] ?? "", [...namespace.slice(1), "true"]).status === 0;

test(
  canTry ? "it goes on while the host is suspended" : "NOT RUN, no time namespace can be made here",
  () => {
    if (!canTry) return;
    const before = hostMonotonic();
    const elsewhere = readElsewhere(namespace) - SLEPT_MS;
    expect(elsewhere).toBeGreaterThan(before - 1_000);
    expect(elsewhere).toBeLessThan(hostMonotonic() + 1_000);
  },
);
