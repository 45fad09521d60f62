/** The guard as its agent starts it: a real process with a real child. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { hostMonotonic } from "../../system.js";

interface Told {
  readonly kind: string;
  readonly pid?: number;
  readonly because?: string;
  readonly signal?: string;
  readonly at: number;
}

const directory = mkdtempSync(join(tmpdir(), "mainstay-guard-"));
const program = join(directory, "guard.mjs");
const started: ChildProcess[] = [];

beforeAll(async () => {
  await build({
    entryPoints: [join(import.meta.dirname, "main.ts")],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["mainstay-source"],
    logLevel: "error",
  });
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** It runs; what has ended and was not yet collected by its parent does not. */
function lives(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const by = hostMonotonic() + 20_000;
  while (!holds()) {
    if (hostMonotonic() > by) throw new Error(`not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function guard(deadline: number | "never", command: readonly string[]) {
  const child = spawn(process.execPath, [program, "--deadline", String(deadline), "--", ...command], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  started.push(child);
  const told: Told[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    told.push({ ...(JSON.parse(line) as Omit<Told, "at">), at: hostMonotonic() });
  });
  const find = (kind: string): Told | undefined => told.find((one) => one.kind === kind);
  return {
    child,
    find,
    renew: (at: number | "never") => child.stdin.write(`deadline ${at}\n`),
    async pid(): Promise<number> {
      await until(() => find("started")?.pid !== undefined, "the database has started");
      return find("started")?.pid ?? 0;
    },
    async ended(): Promise<Told> {
      await until(() => find("exited") !== undefined, "the database has ended");
      return find("exited") as Told;
    },
  };
}

const idle = ["sleep", "600"] as const;

describe("the guard ends the database", () => {
  test("when its deadline comes, not before, and says why", async () => {
    const one = guard("never", idle);
    const pid = await one.pid();
    const deadline = hostMonotonic() + 500;
    one.renew(deadline);
    const { at } = await one.ended();
    expect(at).toBeGreaterThanOrEqual(deadline);
    expect(one.find("killing")?.because).toBe("the lease has run out");
    expect(lives(pid)).toBe(false);
  });

  test("when the agent's end of the pipe is closed", async () => {
    const one = guard("never", idle);
    await one.pid();
    one.child.stdin.end();
    await one.ended();
    expect(one.find("killing")?.because).toBe("the agent has ended");
  });

  test("when it is killed itself, even while it is stopped", async () => {
    for (const stopped of [false, true]) {
      const one = guard("never", idle);
      const pid = await one.pid();
      if (stopped) one.child.kill("SIGSTOP");
      expect(lives(pid)).toBe(true);
      one.child.kill("SIGKILL");
      await until(() => !lives(pid), "the kernel has ended the database");
    }
  });

  test("with all its children, though none of them obeys SIGQUIT", async () => {
    // The child is in a session of its own, as PostgreSQL's backends are.
    const one = guard("never", [
      "sh",
      "-c",
      'trap "" QUIT; setsid sh -c \'trap "" QUIT; sleep 600\' & wait; sleep 600',
    ]);
    const pid = await one.pid();
    let family: number[] = [];
    await until(() => {
      const read = spawnedBelow(pid);
      family = read;
      return read.length >= 2;
    }, "both children run");
    one.renew(hostMonotonic() + 100);
    await one.ended();
    await until(() => family.every((child) => !lives(child)), "all have ended");
    expect(one.find("exited")?.signal).toBe("SIGKILL");
  });
});

function spawnedBelow(pid: number): number[] {
  const below: number[] = [];
  const open = [pid];
  for (let parent = open.pop(); parent !== undefined; parent = open.pop()) {
    const children = childrenOf(parent);
    below.push(...children);
    open.push(...children);
  }
  return below;
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

describe("the guard lets the database run", () => {
  test("while its deadline is renewed, and a line that is no deadline renews nothing", async () => {
    const one = guard("never", idle);
    const pid = await one.pid();
    const first = hostMonotonic() + 1_000;
    const last = first + 1_500;
    one.renew(first);
    one.renew(last);
    await until(() => hostMonotonic() > first + 300, "the first deadline has passed");
    expect(lives(pid)).toBe(true);
    one.child.stdin.write("deadline soon\ndeadline\nhello\n");
    const { at } = await one.ended();
    expect(at).toBeGreaterThanOrEqual(last);
  });

  test("never, when the deadline has passed before it starts", async () => {
    const one = guard(hostMonotonic() - 1, idle);
    await one.ended();
    expect(one.find("started")).toBeUndefined();
  });
});
