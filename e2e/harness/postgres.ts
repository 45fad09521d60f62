/** A PostgreSQL that outlives any control plane: one starts it, is killed, and leaves it behind. */
import { spawn } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { Stack } from "./stack.js";
import { untilTrue } from "./until.js";

export interface PostgresServer {
  readonly url: string;
  /** Ends it as a crash would, and starts it again as it was. Resolves when it takes connections. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<PostgresServer> {
  const stack = await Stack.start();
  await stack.controlPlane.killHard();
  const pidFile = join(stack.state, "postgres/data/postmaster.pid");
  const postmaster = (): readonly string[] => readFileSync(pidFile, "utf8").split("\n");
  let pid = Number(postmaster()[0]);
  const end = (): void => {
    if (isThere(pid)) process.kill(pid, "SIGQUIT");
  };
  process.on("exit", end);
  return {
    url: stack.databaseUrl,
    restart: async () => {
      const was = howItRuns(pid);
      process.kill(pid, "SIGQUIT");
      await untilTrue("PostgreSQL to end", () => !isThere(pid));
      const child = spawn(was.program, was.args, {
        ...{ uid: was.uid, gid: was.gid, cwd: was.directory, env: was.env },
        ...{ detached: true, stdio: "ignore" },
      });
      child.unref();
      pid = child.pid ?? 0;
      await untilTrue("PostgreSQL to be back", () => {
        const [is, , , , , , , status] = postmaster();
        return Number(is) === pid && status?.trim() === "ready";
      });
    },
    stop: async () => {
      process.off("exit", end);
      // A fast shutdown: open sessions are ended.
      if (isThere(pid)) process.kill(pid, "SIGINT");
      await untilTrue("PostgreSQL to end", () => !isThere(pid));
      await stack.stop();
    },
  };
}

/** Program, arguments, user and environment of a process. */
function howItRuns(pid: number) {
  const texts = (file: string): string[] =>
    readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0").slice(0, -1);
  const [program = "", ...args] = texts("cmdline");
  const ids = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  const env = Object.fromEntries(
    texts("environ").map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]),
  );
  return {
    program,
    args,
    env,
    uid: ids("Uid"),
    gid: ids("Gid"),
    directory: readlinkSync(`/proc/${pid}/cwd`),
  };
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
