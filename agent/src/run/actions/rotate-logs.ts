/** Rotates a declared log: renames it, has its process open a new one, compresses the old one, lets the oldest go. */
import { createReadStream, createWriteStream } from "node:fs";
import { chmod, chown, lstat, open, readdir, readlink, rename, rm, stat, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { reasonOf } from "../../log.js";
import { findProcess, isSameProcess, processOfPidFile } from "../../process-identity.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { Json } from "../canonical.js";
import type { DeclaredLog } from "../permits/rotate-logs.js";
import type { Plan } from "../plans.js";
import { declared } from "../verdict.js";
import { catches } from "./reload-service.js";

/** How long the process may take to open its log anew. */
const reopenMs = 5_000;
const pollMs = 100;
/** What a rotated file's name ends in: the time, and .gz once it is compressed. */
const rotatedEnd = /^\.(\d{8}T\d{9}Z)(\.gz)?$/;

export const rotateLogs: Action<"rotate-logs"> = {
  name: "rotate-logs",

  async preview(args, context): Promise<Previewed> {
    const log = declared(context.policy.rotateLogs?.logs, args.log);
    if (log === undefined) return { kind: "impossible", because: `${args.log} is not declared on this host` };
    try {
      const file = await lookAt(log.path);
      if (file === undefined) return { kind: "impossible", because: `${log.path} is no regular file` };
      const writer = await processOfPidFile(log.pidFile);
      if (writer === undefined)
        return { kind: "impossible", because: `${log.pidFile} names no process: who writes ${log.path}?` };
      if (!(await catches(writer, log.signal)))
        return {
          kind: "impossible",
          because: `pid ${writer.pid} does not handle ${log.signal}: it would end`,
        };
      const room = await statfs(dirname(log.path));
      if (log.compress && room.bavail * room.bsize < file.size)
        return {
          kind: "impossible",
          because: `${log.path}: no room to compress ${file.size} bytes beside it`,
        };
      const rotated = await rotatedOf(log);
      const go = rotated.slice(Math.max(0, log.keep - 1));
      const plan: Plan = {
        action: "rotate-logs",
        arguments: { log: args.log },
        path: log.path,
        file: { inode: file.inode, bytes: file.size },
        writer: { pid: writer.pid, startTicks: writer.startTicks, name: writer.name },
        delete: go,
        inverse: "irreversible",
      };
      const summary = `would rotate ${log.path} of ${file.size} bytes, written by pid ${writer.pid}${go.length > 0 ? `, and delete the oldest: ${go.join(", ")}` : ""}`;
      return { kind: "planned", plan, summary };
    } catch (error) {
      return { kind: "impossible", because: `${log.path}: ${reasonOf(error)}` };
    }
  },

  observed(plan) {
    // The file grows while it is written; which one it is, and who writes it, has to stay.
    const { pid, startTicks } = Object(plan["writer"]) as Record<string, Json>;
    return { inode: Object(plan["file"]).inode, writer: { pid, startTicks }, delete: plan["delete"] };
  },

  async run(args, plan, context): Promise<Done> {
    const log = declared(context.policy.rotateLogs?.logs, args.log);
    if (log === undefined) return failed(`${args.log} is not declared on this host any more`);
    try {
      return await rotate(log, plan, context);
    } catch (error) {
      return failed(`${log.path}: ${reasonOf(error)}`);
    }
  },

  async afterInterruption(args, plan, context): Promise<string> {
    const log = declared(context.policy.rotateLogs?.logs, args.log);
    if (log === undefined) return `${args.log} is not declared any more`;
    const now = await lookAt(log.path);
    if (now === undefined)
      return `${log.path} is not there: it was renamed and its process has no new one yet`;
    return now.inode === Object(plan["file"]).inode
      ? `${log.path} is still the file of the plan: it was not rotated`
      : `${log.path} is a new file: it was rotated; the old one may be there both plain and compressed`;
  },
};

async function rotate(log: DeclaredLog, plan: Plan, context: ActionContext): Promise<Done> {
  const file = await lookAt(log.path);
  const writer = await processOfPidFile(log.pidFile);
  const was = Object(plan["writer"]) as Readonly<Record<string, unknown>>;
  if (file === undefined || file.inode !== Object(plan["file"]).inode)
    return failed(`${log.path} is another file than when it was planned; nothing was done`);
  if (writer === undefined || writer.pid !== was["pid"] || writer.startTicks !== was["startTicks"])
    return failed(`${log.path} is written by another process than when it was planned; nothing was done`);
  if (context.signal.aborted) return failed("it was stopped before it began");

  const stamp = new Date(context.system.clock.now()).toISOString().replace(/[-:.]/g, "");
  const rotated = `${log.path}.${stamp}`;
  if ((await lookAt(rotated)) !== undefined) return failed(`${rotated} is there already; nothing was done`);
  await rename(log.path, rotated);
  context.say(`renamed ${log.path} to ${basename(rotated)}`);
  // With the old one's owner and rights: a process that has given up root could not make it itself.
  const created = await open(log.path, "wx", 0o600);
  await created.close();
  await chown(log.path, file.uid, file.gid);
  await chmod(log.path, file.mode);
  process.kill(writer.pid, log.signal);

  const { clock, timers } = context.system;
  const until = clock.monotonic() + reopenMs;
  while ((await hasOpen(writer.pid, file.inode)) && clock.monotonic() < until) await timers.sleep(pollMs);
  const lives = isSameProcess(writer, await findProcess(writer.pid));
  if (lives && (await hasOpen(writer.pid, file.inode))) {
    // The new file may have been written by others meanwhile; what is in it goes behind the old one's end by hand.
    const strayed = (await lookAt(log.path))?.size ?? 0;
    if (strayed === 0) await rename(rotated, log.path);
    const back = strayed === 0 ? "the old name is back" : `the new file has ${strayed} bytes and stays`;
    return failed(`pid ${writer.pid} still writes the old file ${reopenMs} ms after ${log.signal}; ${back}`);
  }
  const kept = log.compress ? await compress(rotated, file, context) : rotated;
  const deleted = await deleteOldest(log, plan, context);
  const summary = `rotated ${log.path}: ${file.size} bytes are in ${basename(kept)}, pid ${writer.pid} ${lives ? "writes the new one" : "has ended"}`;
  return {
    succeeded: lives,
    exitCode: lives ? 0 : 1,
    summary,
    result: { rotated: kept, bytes: file.size, deleted, writerLives: lives },
  };
}

/** The compressed file takes the plain one's place only once it is whole. */
async function compress(path: string, file: LookedAt, context: ActionContext): Promise<string> {
  const target = `${path}.gz`;
  try {
    await pipeline(
      createReadStream(path),
      createGzip(),
      createWriteStream(target, { flags: "wx", mode: file.mode, flush: true }),
      { signal: context.signal },
    );
    await chown(target, file.uid, file.gid);
    await rm(path);
    return target;
  } catch (error) {
    await rm(target, { force: true });
    context.say(`${path} stays as it is, it was not compressed: ${reasonOf(error)}`, "stderr");
    return path;
  }
}

/** Deletes what the plan names, if it is still a rotated file of this log. */
async function deleteOldest(log: DeclaredLog, plan: Plan, context: ActionContext): Promise<Json> {
  const names: readonly unknown[] = Array.isArray(plan["delete"]) ? plan["delete"] : [];
  const deleted: string[] = [];
  const there = await rotatedOf(log);
  for (const name of there.filter((one) => names.includes(one))) {
    await rm(join(dirname(log.path), name));
    context.say(`deleted ${name}`);
    deleted.push(name);
  }
  return deleted;
}

/** Names of what was rotated before, the newest first. */
async function rotatedOf({ path }: DeclaredLog): Promise<string[]> {
  const own = basename(path);
  const names = await readdir(dirname(path));
  return names
    .filter((name) => name.startsWith(own) && rotatedEnd.test(name.slice(own.length)))
    .sort()
    .reverse();
}

interface LookedAt {
  readonly inode: number;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

async function lookAt(path: string): Promise<LookedAt | undefined> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined || !found.isFile()) return undefined;
  return { inode: found.ino, size: found.size, mode: found.mode & 0o777, uid: found.uid, gid: found.gid };
}

/** Whether a process has a file open, by the numbers of its open files. */
async function hasOpen(pid: number, inode: number): Promise<boolean> {
  const directory = `/proc/${pid}/fd`;
  const names = await readdir(directory).catch(() => []);
  for (const name of names) {
    const target = await readlink(join(directory, name)).catch(() => "");
    if (!target.startsWith("/")) continue;
    if ((await stat(join(directory, name)).catch(() => undefined))?.ino === inode) return true;
  }
  return false;
}

function failed(because: string): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { because } };
}
