/** A PostgreSQL that outlives any control plane: one starts it, is killed, and leaves it behind. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Stack } from "./stack.js";
import { untilTrue } from "./until.js";

export interface PostgresServer {
  readonly url: string;
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<PostgresServer> {
  const stack = await Stack.start();
  await stack.controlPlane.killHard();
  const pidFile = join(stack.state, "postgres/data/postmaster.pid");
  const pid = Number(readFileSync(pidFile, "utf8").split("\n")[0]);
  const end = (): void => {
    if (isThere(pid)) process.kill(pid, "SIGQUIT");
  };
  process.on("exit", end);
  return {
    url: stack.databaseUrl,
    stop: async () => {
      process.off("exit", end);
      // A fast shutdown: open sessions are ended.
      if (isThere(pid)) process.kill(pid, "SIGINT");
      await untilTrue("PostgreSQL to end", () => !isThere(pid));
      await stack.stop();
    },
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
