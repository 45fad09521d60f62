/**
 * Runs a database as the guard's child, and ends it by the rules of the failover protocol. The database is bound to the
 * guard by the kernel (`setpriv --pdeathsig KILL`): a guard that is killed takes it along, even one that was stopped.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { type GuardEvent, noDeadline, stepGuard } from "@mainstay/proto/failover/guard";
import type { Instant } from "@mainstay/proto/failover/words";
import { programEnvironment } from "../../run/process.js";

/** How long an immediate shutdown may take before everything is killed: the protocol's margin has 150 ms for a kill. */
const QUIT_GRACE_MS = 25;
/** The deadline is looked at this often besides its own timer, as timers may be late when the host was busy. */
const LOOK_MS = 50;
/** A postmaster's children, and theirs, looked for at most so deep and so many. */
const PROCESSES_MAX = 10_000;

export interface GuardedCommand {
  readonly argv: readonly string[];
  /** Who it runs as; PostgreSQL refuses to be root. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

export interface GuardPorts {
  /** CLOCK_MONOTONIC in ms: the same for every process of the host, so a deadline may be given to another. */
  readonly monotonic: () => Instant;
  readonly after: (ms: number, act: () => void) => () => void;
  readonly every: (ms: number, act: () => void) => () => void;
  /** Told to the agent: `started`, `killing` and why, `exited`. */
  readonly tell: (event: { readonly kind: string; readonly [fact: string]: unknown }) => void;
}

export interface Guarded {
  /** Until when it may run; Infinity for a replica. */
  deadline(at: Instant): void;
  agentGone(): void;
  readonly ended: Promise<void>;
}

/** Starts it. Nothing runs when `deadline` has passed already. */
export function watchDatabase(command: GuardedCommand, deadline: Instant, ports: GuardPorts): Guarded {
  const first = stepGuard(noDeadline, { kind: "deadline", at: deadline }, ports.monotonic());
  if (first.kill) {
    ports.tell({ kind: "exited", because: first.because });
    return { deadline: () => {}, agentGone: () => {}, ended: Promise.resolve() };
  }
  let state = first.state;
  let cancelTimer = (): void => {};
  let quitSent = false;

  const { user } = command;
  const as = user === undefined ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"];
  const child = spawn("setpriv", [...as, "--pdeathsig", "KILL", "--", ...command.argv], {
    stdio: ["ignore", "inherit", "inherit"],
    env: programEnvironment,
  });

  function kill(because: string): void {
    const { pid } = child;
    if (pid === undefined || quitSent) return;
    quitSent = true;
    ports.tell({ kind: "killing", because });
    const family = descendants(pid);
    child.kill("SIGQUIT");
    ports.after(QUIT_GRACE_MS, () => {
      // Backends are no part of the postmaster's process group and would notice its end only when they wait.
      for (const one of new Set([pid, ...family, ...descendants(pid)])) signal(one);
    });
  }

  function take(event: GuardEvent): void {
    const step = stepGuard(state, event, ports.monotonic());
    state = step.state;
    if (step.kill) kill(step.because);
    if (event.kind !== "deadline" || !Number.isFinite(state.deadline)) return;
    cancelTimer();
    const left = state.deadline - ports.monotonic();
    cancelTimer = ports.after(Math.max(0, Math.ceil(left)), () => take({ kind: "tick" }));
  }

  const stopLooking = ports.every(LOOK_MS, () => take({ kind: "tick" }));
  take({ kind: "deadline", at: deadline });
  const ended = new Promise<void>((resolve) => {
    const end = (facts: { readonly [fact: string]: unknown }): void => {
      stopLooking();
      cancelTimer();
      take({ kind: "database-gone" });
      ports.tell({ kind: "exited", ...facts });
      resolve();
    };
    child.once("error", (error) => end({ because: error.message }));
    child.once("exit", (code, by) => end({ code, signal: by }));
  });
  if (child.pid !== undefined) ports.tell({ kind: "started", pid: child.pid });
  return {
    deadline: (at) => take({ kind: "deadline", at }),
    agentGone: () => take({ kind: "agent-gone" }),
    ended,
  };
}

function signal(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/** All processes below one, as /proc has them now; none when it has ended. */
function descendants(pid: number): readonly number[] {
  const found: number[] = [];
  const open = [pid];
  for (let parent = open.pop(); parent !== undefined && found.length < PROCESSES_MAX; parent = open.pop()) {
    let text: string;
    try {
      text = readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8");
    } catch {
      continue;
    }
    const children = text.split(" ").filter((word) => /^\d+$/.test(word));
    found.push(...children.map(Number));
    open.push(...children.map(Number));
  }
  return found;
}
