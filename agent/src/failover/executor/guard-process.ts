/** The guard as the agent sees it: started with a database, told until when it may run, and heard when it has ended. */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { createInterface } from "node:readline";
import { isRecord } from "../../fields.js";
import { programEnvironment } from "../../run/process.js";

export interface GuardOptions {
  /** The guard's bundle. */
  readonly program: string;
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
  /** Where PostgreSQL's own messages go until its logging takes over. */
  readonly logFile: string;
}

export interface GuardProcess {
  /** CLOCK_MONOTONIC in ms; Infinity for a replica. */
  deadline(at: number): void;
  /** Ends the database at once. */
  kill(): void;
  /** Tells the database itself something; nothing when it is not there. */
  signal(name: "SIGHUP" | "SIGINT"): void;
  readonly ended: Promise<void>;
}

const instantText = (at: number): string => (Number.isFinite(at) ? at.toFixed(3) : "never");

/** Starts `argv` under a guard. */
export function startGuard(
  { program, user, logFile }: GuardOptions,
  argv: readonly string[],
  deadline: number,
): GuardProcess {
  const as = user === undefined ? [] : ["--uid", String(user.uid), "--gid", String(user.gid)];
  const log = openSync(logFile, "a", 0o600);
  const child = spawn(
    "setpriv",
    [
      "--pdeathsig",
      "KILL",
      "--",
      process.execPath,
      program,
      ...as,
      "--deadline",
      instantText(deadline),
      "--",
      ...argv,
    ],
    { stdio: ["pipe", "pipe", log], env: programEnvironment, cwd: "/" },
  );
  closeSync(log);
  let pid: number | undefined;
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error("the guard was started without its pipes");
  createInterface({ input: stdout }).on("line", (line) => {
    try {
      const told: unknown = JSON.parse(line);
      if (isRecord(told) && told["kind"] === "started" && typeof told["pid"] === "number") pid = told["pid"];
      if (isRecord(told) && told["kind"] === "exited") pid = undefined;
    } catch {
      // The database wrote something there.
    }
  });
  stdin.on("error", () => undefined);
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("exit", () => {
      pid = undefined;
      resolve();
    });
  });
  const tell = (at: number): void => {
    if (stdin.writable) stdin.write(`deadline ${instantText(at)}\n`);
  };
  return {
    deadline: tell,
    // A deadline that has passed is a kill; one of 0 would mean none.
    kill: () => tell(0.001),
    signal: (name) => {
      if (pid === undefined) return;
      try {
        process.kill(pid, name);
      } catch {
        // It has just ended.
      }
    },
    ended,
  };
}
