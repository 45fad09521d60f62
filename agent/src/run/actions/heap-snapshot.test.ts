import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { actionContext } from "../../testing/action-context.js";
import { until } from "../../testing/agent-process.js";
import { planned } from "../../testing/planned.js";
import { allow } from "../allow.js";
import { heapSnapshot } from "./heap-snapshot.js";
import { SnapshotReader } from "./heap-snapshot-reader.js";
import { summariseHeap } from "./heap-summary.js";

const order = { action: "heap-snapshot", process: "api" } as const;
const never = new AbortController().signal;

let home = "";
let child: ChildProcess | undefined;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "mainstay-heap-"));
  mkdirSync(join(home, "cwd"));
});
afterEach(() => {
  child?.kill("SIGKILL");
  rmSync(home, { recursive: true });
});

const leaker = `
class LeakedSession { constructor(n) { for (let i = 0; i < 12; i++) this["field" + i] = n + i; } }
globalThis.registry = { sessions: [] };
for (let n = 0; n < 60000; n++) registry.sessions.push(new LeakedSession(n));
require("node:fs").writeFileSync(process.argv[2], String(process.pid));
setInterval(() => {}, 1000);
`;

async function start(...options: string[]): Promise<void> {
  writeFileSync(join(home, "api.cjs"), leaker);
  child = spawn(process.execPath, [...options, join(home, "api.cjs"), join(home, "pid")], {
    cwd: join(home, "cwd"),
    stdio: "ignore",
  });
  await until("the process runs", () => existsSync(join(home, "pid")));
}

const here = () =>
  actionContext({
    heapSnapshot: {
      processes: [
        {
          name: "api",
          pidFile: join(home, "pid"),
          writesTo: join(home, "cwd"),
          keepIn: join(home, "kept"),
          keep: 1,
        },
      ],
    },
  });

describe("looking into the heap of a Node process", () => {
  test("names the constructor that leaks, keeps the file to itself, and the process goes on", async () => {
    await start("--heapsnapshot-signal=SIGUSR2");
    const { context, said } = here();
    const plan = await planned(heapSnapshot, order, context);
    expect(plan).toMatchObject({ before: { pid: child?.pid }, inverse: "nothing-to-undo", delete: [] });
    expect(existsSync(join(home, "kept"))).toBe(false);
    const done = await heapSnapshot.run(order, plan, context);
    expect(done, done.summary).toMatchObject({
      succeeded: true,
      result: {
        heap: {
          top: expect.arrayContaining([expect.objectContaining({ name: "LeakedSession", count: 60_000 })]),
        },
      },
    });
    const [top] = Object(done.result["heap"]).top;
    expect(top).toMatchObject({ name: "LeakedSession" });
    expect(said.join("\n")).toContain("60000 of LeakedSession");
    const [file = ""] = readdirSync(join(home, "kept"));
    expect(statSync(join(home, "kept", file)).mode & 0o777).toBe(0o600);
    expect(statSync(join(home, "kept")).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(home, "cwd"))).toEqual([]);
    expect(child?.exitCode).toBeNull();
    // The next one takes the place of the oldest, as its plan says.
    const next = await planned(heapSnapshot, order, context);
    expect(next).toMatchObject({ delete: [file] });
    const again = await heapSnapshot.run(order, next, context);
    expect(again.succeeded, again.summary).toBe(true);
    expect(readdirSync(join(home, "kept"))).toHaveLength(1);
    expect(await heapSnapshot.afterInterruption(order, next, context)).toContain("1 are kept");
  });

  test("one that would die of the signal is never asked, nor another than was planned", async () => {
    await start();
    expect(await heapSnapshot.preview(order, here().context)).toMatchObject({
      kind: "impossible",
      because: expect.stringContaining("does not handle SIGUSR2"),
    });
    child?.kill("SIGKILL");
    rmSync(join(home, "pid"));
    await start("--heapsnapshot-signal=SIGUSR2");
    const { context } = here();
    const plan = await planned(heapSnapshot, order, context);
    child?.kill("SIGKILL");
    rmSync(join(home, "pid"));
    await start("--heapsnapshot-signal=SIGUSR2");
    expect((await heapSnapshot.run(order, plan, context)).summary).toContain("nothing was done");
    expect(existsSync(join(home, "kept"))).toBe(false);
  });

  test("without twice its memory free on the disk it cannot be planned", async () => {
    await start("--heapsnapshot-signal=SIGUSR2");
    const { context } = here();
    const [declared] = context.policy.heapSnapshot?.processes ?? [];
    if (declared === undefined) throw new Error("nothing is declared");
    // A file system of the kernel's own has no free space at all.
    const heap = { processes: [{ ...declared, writesTo: "/proc" }] };
    const full = { ...context, policy: { ...context.policy, heapSnapshot: heap } };
    expect(await heapSnapshot.preview(order, full)).toMatchObject({
      because: expect.stringContaining("2 times that must be free"),
    });
  });

  test.each([
    [{ process: "api" }, "allow"],
    [{ process: "other" }, "deny"],
    [{ process: "api", keepIn: "/srv/www" }, "deny"],
  ])("the policy's word on %j is %s", (asked, verdict) => {
    expect(allow(here().context.policy, "heap-snapshot", JSON.stringify(asked)).kind).toBe(verdict);
    expect(allow(actionContext({}).context.policy, "heap-snapshot", JSON.stringify(asked)).kind).toBe("deny");
  });
});

const small = JSON.stringify({
  snapshot: {
    meta: {
      node_fields: ["type", "name", "id", "self_size", "edge_count"],
      node_types: [["hidden", "object", "string"], "string", "number", "number", "number"],
      edge_fields: ["type", "name_or_index", "to_node"],
      edge_types: [["context", "element", "property", "weak"], "string_or_number", "node"],
    },
    node_count: 3,
    edge_count: 3,
  },
  nodes: [1, 1, 1, 10, 2, 1, 2, 3, 5000, 0, 1, 2, 5, 4000, 1],
  edges: [2, 3, 5, 3, 3, 10, 2, 3, 5],
  trace_function_infos: [],
  trace_tree: ['a]"b', []],
  strings: ["", "Owner", 'Leak\u0007"ed', "field"],
});

describe("reading a snapshot", () => {
  test("it is the same however it is cut", async () => {
    const seen: string[] = [];
    const listen = (log: string[]) => ({
      meta: ({ nodeCount }: { nodeCount: number }) => log.push(`meta ${nodeCount}`),
      node: (...row: unknown[]) => log.push(`node ${row.join()}`),
      edge: (...row: unknown[]) => log.push(`edge ${row.join()}`),
      string: (...row: unknown[]) => log.push(`string ${row.join()}`),
    });
    new SnapshotReader(listen(seen)).take(Buffer.from(small));
    expect(seen).toEqual([
      "meta 3",
      "node object,1,10,2",
      "node object,2,5000,0",
      "node object,2,4000,1",
      "edge property,3,1",
      "edge weak,3,2",
      "edge property,3,1",
      "string 0,",
      "string 1,Owner",
      'string 2,Leak\u0007"ed',
      "string 3,field",
    ]);
    for (const size of [1, 2, 7, 100]) {
      const cut: string[] = [];
      const reader = new SnapshotReader(listen(cut));
      const bytes = Buffer.from(small);
      for (let at = 0; at < bytes.length; at += size) reader.take(bytes.subarray(at, at + size));
      expect(cut).toEqual(seen);
      expect(small.slice(reader.stringsAt)).toMatch(/^"","Owner"/);
    }
  });

  test("who holds what, weak references left out, and names made fit to be shown", async () => {
    const file = join(home, "x.heapsnapshot");
    writeFileSync(file, small);
    expect(await summariseHeap(file, never)).toEqual({
      kind: "summary",
      nodes: 3,
      selfBytes: 9010,
      top: [
        {
          name: 'Leak\ufffd"ed',
          count: 2,
          selfBytes: 9000,
          heldBy: [
            { name: "Owner.field", count: 1 },
            { name: 'Leak\ufffd"ed.field', count: 1 },
          ],
        },
        { name: "Owner", count: 1, selfBytes: 10, heldBy: [] },
      ],
    });
  });

  test.each(["", "{}", "x".repeat(100_000), small.replace('"node_count":3', '"node_count":99000000')])(
    "what is no snapshot, or too large, is said and not read: %#",
    async (text) => {
      const file = join(home, "x.heapsnapshot");
      writeFileSync(file, text);
      expect(await summariseHeap(file, never)).toMatchObject({ kind: "unread" });
    },
  );
});
