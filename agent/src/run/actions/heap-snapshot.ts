/**
 * Has a Node process write its heap to a file, keeps that where only this user reads it, and says what fills it. Asked by
 * the signal the process was started with; the process stands still while it writes.
 */
import { constants } from "node:fs";
import { chmod, copyFile, mkdir, open, readdir, readFile, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { reasonOf } from "../../log.js";
import {
  findProcess,
  isSameProcess,
  type ProcessIdentity,
  processOfPidFile,
} from "../../process-identity.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { Json } from "../canonical.js";
import type { SnapshotProcess } from "../permits/heap-snapshot.js";
import type { Plan } from "../plans.js";
import { declared } from "../verdict.js";
import { bytesText } from "./clean-directory.js";
import { type HeapSummary, summariseHeap } from "./heap-summary.js";
import { catches } from "./reload-service.js";

const pollMs = 200;
/** A file that has not grown for this long, and ends as one should, is whole. */
const stillMs = 1_000;
/** Free space must be this many times the memory that the process holds now. */
const roomFactor = 2;

export const heapSnapshot: Action<"heap-snapshot"> = {
  name: "heap-snapshot",

  async preview(args, context): Promise<Previewed> {
    const looked = await look(args.process, context);
    if (looked.kind === "impossible") return looked;
    const { process, now, residentBytes, freeBytes } = looked;
    const plan: Plan = {
      action: "heap-snapshot",
      arguments: { process: args.process },
      before: { pid: now.pid, startTicks: now.startTicks, name: now.name },
      residentBytes,
      freeBytes,
      keepIn: process.keepIn,
      delete: (await keptOf(process)).slice(process.keep - 1),
      inverse: "nothing-to-undo",
    };
    const summary = `would have ${args.process}, pid ${now.pid}, write its heap (it holds ${bytesText(residentBytes)}, ${bytesText(freeBytes)} are free); it stands still meanwhile`;
    return { kind: "planned", plan, summary };
  },

  observed(plan) {
    const { pid, startTicks } = Object(plan["before"]) as Readonly<Record<string, Json>>;
    return { pid, startTicks };
  },

  async run(args, plan, context): Promise<Done> {
    const looked = await look(args.process, context);
    if (looked.kind === "impossible") return failed(looked.because);
    const { process, now } = looked;
    if (now.pid !== Object(plan["before"]).pid || now.startTicks !== Object(plan["before"]).startTicks)
      return failed(`${args.process} is another process than when it was planned; nothing was done`);
    try {
      const written = await write(process, now, context);
      if (written.kind === "failed") return failed(written.because);
      const kept = await keep(process, written.path, now.pid, context);
      if (!isSameProcess(now, await findProcess(now.pid)))
        return failed(`${args.process}, pid ${now.pid}, ended after it wrote its heap to ${kept.path}`);
      const heap = await summariseHeap(kept.path, context.signal);
      for (const line of linesOf(heap)) context.say(line);
      const top =
        heap.kind === "summary" ? `; most is ${heap.top[0]?.name ?? "nothing"}` : `; ${heap.because}`;
      return {
        succeeded: true,
        exitCode: 0,
        summary: `${args.process}: ${bytesText(kept.bytes)} in ${kept.path}${top}`,
        result: { file: kept.path, bytes: kept.bytes, heap: shown(heap), deleted: kept.deleted },
      };
    } catch (error) {
      return failed(`${args.process}: ${reasonOf(error)}`);
    }
  },

  async afterInterruption(args, plan, context): Promise<string> {
    const process = declared(context.policy.heapSnapshot?.processes, args.process);
    if (process === undefined) return `${args.process} is not declared any more`;
    const { pid } = Object(plan["before"]) as { readonly pid?: number };
    const left = (await filesOf(process)).filter((name) => isOf(name, Number(pid)));
    const kept = (await keptOf(process)).length;
    return `${left.length} heap files of pid ${pid} lie in ${process.writesTo}, ${kept} are kept in ${process.keepIn}`;
  },
};

type Looked =
  | {
      readonly kind: "found";
      readonly process: SnapshotProcess;
      readonly now: ProcessIdentity;
      readonly residentBytes: number;
      readonly freeBytes: number;
    }
  | { readonly kind: "impossible"; readonly because: string };

async function look(name: string, context: ActionContext): Promise<Looked> {
  const impossible = (because: string): Looked => ({ kind: "impossible", because });
  const process = declared(context.policy.heapSnapshot?.processes, name);
  if (process === undefined) return impossible(`${name} is not declared on this host`);
  const now = await processOfPidFile(process.pidFile);
  if (now === undefined) return impossible(`${name} does not run`);
  if (!(await catches(now, process.signal)))
    return impossible(
      `${name}, pid ${now.pid}, does not handle ${process.signal}: start it with --heapsnapshot-signal=${process.signal}`,
    );
  try {
    const residentBytes = await residentOf(now.pid);
    const freeBytes = Math.min(
      await freeIn(process.writesTo),
      await freeIn(process.keepIn).catch(() => freeIn(dirname(process.keepIn))),
    );
    if (freeBytes < residentBytes * roomFactor)
      return impossible(
        `${bytesText(freeBytes)} are free and ${name} holds ${bytesText(residentBytes)}: ${roomFactor} times that must be free`,
      );
    return { kind: "found", process, now, residentBytes, freeBytes };
  } catch (error) {
    return impossible(`${name}: ${reasonOf(error)}`);
  }
}

async function residentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "latin1");
  const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  if (!Number.isFinite(kilobytes)) throw new Error(`/proc/${pid}/status says no VmRSS`);
  return kilobytes * 1024;
}

async function freeIn(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

type Written =
  | { readonly kind: "written"; readonly path: string }
  | { readonly kind: "failed"; readonly because: string };

/** Signals, and waits for a new file of this process that is whole. */
async function write(
  process: SnapshotProcess,
  now: ProcessIdentity,
  context: ActionContext,
): Promise<Written> {
  const { clock, timers } = context.system;
  const before = new Set(await filesOf(process));
  context.say(`asking ${process.name}, pid ${now.pid}, with ${process.signal}`);
  send(now.pid, process.signal);
  let path: string | undefined;
  let bytes = -1;
  let since = clock.monotonic();
  for (;;) {
    const name = (await filesOf(process)).find((one) => !before.has(one) && isOf(one, now.pid));
    if (name !== undefined) {
      path = join(process.writesTo, name);
      const { size } = await stat(path);
      if (size !== bytes) since = clock.monotonic();
      bytes = size;
      if (size > 0 && clock.monotonic() - since >= stillMs && (await endsWhole(path, size)))
        return { kind: "written", path };
    }
    if (!isSameProcess(now, await findProcess(now.pid)))
      return { kind: "failed", because: `${process.name}, pid ${now.pid}, ended while it wrote its heap` };
    if (context.signal.aborted || clock.monotonic() >= context.deadline) {
      const where = path === undefined ? `no file came to ${process.writesTo}` : `${path} is not whole`;
      return { kind: "failed", because: `it took too long or was stopped; ${where}` };
    }
    await timers.sleep(pollMs, context.signal);
  }
}

/** A snapshot is one JSON object: one that was cut off does not end like this. */
async function endsWhole(path: string, size: number): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const end = Buffer.alloc(16);
    const { bytesRead } = await file.read(end, 0, 16, Math.max(0, size - 16));
    return end.toString("latin1", 0, bytesRead).trimEnd().endsWith("]}");
  } finally {
    await file.close();
  }
}

interface Kept {
  readonly path: string;
  readonly bytes: number;
  readonly deleted: readonly string[];
}

/** Moves the file to where it is kept, for this user only, and lets the oldest go. */
async function keep(
  process: SnapshotProcess,
  from: string,
  pid: number,
  context: ActionContext,
): Promise<Kept> {
  await mkdir(process.keepIn, { recursive: true, mode: 0o700 });
  await chmod(from, 0o600);
  const at = new Date(context.system.clock.now()).toISOString().replace(/[:.]/g, "-");
  const path = join(process.keepIn, `${process.name}-${at}-${pid}.heapsnapshot`);
  try {
    await rename(from, path);
  } catch {
    // Another file system: a copy, which gets its name when it is whole.
    await copyFile(from, `${path}.part`, constants.COPYFILE_FICLONE);
    await chmod(`${path}.part`, 0o600);
    await rename(`${path}.part`, path);
    await rm(from, { force: true });
  }
  const deleted = (await keptOf(process)).slice(process.keep);
  for (const name of deleted) await rm(join(process.keepIn, name), { force: true });
  return { path, bytes: (await stat(path)).size, deleted };
}

/** What is kept of this process, the newest first. */
async function keptOf({ keepIn, name }: SnapshotProcess): Promise<string[]> {
  const names = await readdir(keepIn).catch((): string[] => []);
  return names
    .filter((one) => one.startsWith(`${name}-`) && one.endsWith(".heapsnapshot"))
    .sort()
    .reverse();
}

async function filesOf({ writesTo }: SnapshotProcess): Promise<string[]> {
  return (await readdir(writesTo)).filter((name) => name.endsWith(".heapsnapshot"));
}

/** Node names them Heap.DATE.TIME.PID.THREAD.NUMBER.heapsnapshot. */
function isOf(name: string, pid: number): boolean {
  return name.split(".")[3] === String(pid);
}

function linesOf(heap: HeapSummary): string[] {
  if (heap.kind === "unread") return [heap.because];
  return heap.top.map(
    ({ name, count, selfBytes, heldBy }) =>
      `${bytesText(selfBytes)} in ${count} of ${name}${heldBy.length === 0 ? "" : `, held by ${heldBy.map((one) => `${one.name} (${one.count})`).join(", ")}`}`,
  );
}

function shown(heap: HeapSummary): Json {
  if (heap.kind === "unread") return { because: heap.because };
  const { nodes, selfBytes } = heap;
  return {
    nodes,
    selfBytes,
    top: heap.top.map((one) => ({ ...one, heldBy: one.heldBy.map((by) => ({ ...by })) })),
  };
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already; what follows looks.
  }
}

function failed(because: string): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { because } };
}
