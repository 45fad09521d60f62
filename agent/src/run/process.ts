/**
 * The only place that starts programs. No shell; a process group of its own, so that a stop reaches its children too; an
 * environment of a few plain variables, so that none of the agent's secrets is inherited; bounded output.
 */
import { spawn } from "node:child_process";
import { StringDecoder } from "node:string_decoder";
import { reasonOf } from "../log.js";

/** How a program ended. */
export type ProgramEnd =
  | { readonly kind: "exited"; readonly exitCode: number }
  | { readonly kind: "killed"; readonly signal: string }
  | { readonly kind: "stopped"; readonly because: "timeout" | "cancelled" }
  | { readonly kind: "not-started"; readonly because: string };

/** One program to run. */
export interface ProgramCall {
  /** The program and its arguments. */
  readonly argv: readonly string[];
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Takes output as it comes. */
  readonly output: (stream: "stdout" | "stderr", text: string) => void;
}

/** Runs a program to its end. */
export type RunProgram = (call: ProgramCall) => Promise<ProgramEnd>;

/** How long a process group may take to obey TERM before it is killed. */
const graceMs = 5_000;

/** All that a program inherits. */
export const programEnvironment = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LANG: "C.UTF-8",
  LC_ALL: "C.UTF-8",
  HOME: "/",
  SYSTEMD_COLORS: "0",
  SYSTEMD_PAGER: "",
};

/** Runs a program. Never rejects. */
export const runProgram: RunProgram = ({ argv, timeoutMs, signal, output }) =>
  new Promise((resolve) => {
    const [program = "", ...rest] = argv;
    const child = spawn(program, rest, {
      cwd: "/",
      detached: true,
      env: programEnvironment,
      shell: false,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stopped: "timeout" | "cancelled" | undefined;
    let killing: NodeJS.Timeout | undefined;
    const stop = (because: "timeout" | "cancelled"): void => {
      if (stopped !== undefined) return;
      stopped = because;
      signalGroup(child.pid, "SIGTERM");
      killing = setTimeout(() => signalGroup(child.pid, "SIGKILL"), graceMs);
    };
    const cancel = (): void => stop("cancelled");
    const clock = setTimeout(() => stop("timeout"), timeoutMs);
    if (signal?.aborted === true) cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    const finish = (end: ProgramEnd): void => {
      clearTimeout(clock);
      clearTimeout(killing);
      signal?.removeEventListener("abort", cancel);
      resolve(end);
    };
    for (const name of ["stdout", "stderr"] as const) {
      const decoder = new StringDecoder("utf8");
      child[name].on("data", (bytes: Buffer) => output(name, decoder.write(bytes)));
    }
    child.once("error", (error) => finish({ kind: "not-started", because: reasonOf(error) }));
    // What it left running in its group would hold the pipes open: `exit` starts a last wait for `close`.
    child.once("exit", () => {
      killing ??= setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, 500);
    });
    child.once("close", (code, signalName) => {
      if (stopped !== undefined) {
        signalGroup(child.pid, "SIGKILL");
        finish({ kind: "stopped", because: stopped });
      } else if (signalName !== null) finish({ kind: "killed", signal: signalName });
      else finish({ kind: "exited", exitCode: code ?? 1 });
    });
  });

/** Starts a program that outlives the agent: no pipes, its own session. Answers with its pid, or why it did not start. */
export function startDetached(
  argv: readonly string[],
): Promise<
  | { readonly kind: "started"; readonly pid: number }
  | { readonly kind: "not-started"; readonly because: string }
> {
  return new Promise((resolve) => {
    const [program = "", ...rest] = argv;
    const child = spawn(program, rest, {
      cwd: "/",
      detached: true,
      env: programEnvironment,
      shell: false,
      stdio: "ignore",
    });
    child.once("error", (error) => resolve({ kind: "not-started", because: reasonOf(error) }));
    child.once("spawn", () => {
      child.unref();
      resolve({ kind: "started", pid: child.pid ?? 0 });
    });
  });
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone already.
  }
}
