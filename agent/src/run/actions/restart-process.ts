/** Restarting a declared process on a host without systemd: ask it to stop, wait, start the declared program. */
import { rmSync } from "node:fs";
import { writePrivateFile } from "../../identity/state-files.js";
import {
  findProcess,
  isSameProcess,
  type ProcessIdentity,
  processOfPidFile,
} from "../../process-identity.js";
import type { ActionContext, Done, Previewed } from "../action.js";
import type { Json } from "../canonical.js";
import type { DeclaredProcess } from "../permits/processes.js";
import type { Plan } from "../plans.js";

/** How long it may take to obey its stop signal before it is killed. */
const stopMs = 10_000;
const killMs = 3_000;
/** How long the new process may take to write its pid file before the agent writes it. */
const pidFileMs = 2_000;
/** A process that ends sooner than this after its start did not start. */
const stableMs = 1_000;
const pollMs = 50;

export async function planRestartOfProcess(declared: DeclaredProcess): Promise<Previewed> {
  const now = await processOfPidFile(declared.pidFile);
  const plan: Plan = {
    action: "restart-service",
    arguments: { process: declared.name },
    program: declared.start[0] ?? "",
    pidFile: declared.pidFile,
    before: shown(now),
    inverse: "nothing-to-undo",
  };
  const summary =
    now === undefined
      ? `would start ${declared.name}, which does not run`
      : `would restart ${declared.name}, pid ${now.pid}, with ${declared.stop}`;
  return { kind: "planned", plan, summary };
}

export async function restartProcess(
  declared: DeclaredProcess,
  plan: Plan,
  context: ActionContext,
): Promise<Done> {
  const before = await processOfPidFile(declared.pidFile);
  if (!isAsPlanned(plan, before)) {
    return failure(
      `${declared.name} is another process than when it was planned; nothing was done`,
      before,
      undefined,
    );
  }
  if (before !== undefined) {
    context.say(`stopping ${declared.name}, pid ${before.pid}, with ${declared.stop}`);
    const stopped = await stopProcess(before, declared.stop, context);
    if (!stopped)
      return failure(
        `${declared.name}, pid ${before.pid}, did not end, not even when killed`,
        before,
        before,
      );
  }
  // Not between the stop and the start: a cancel there would leave the service down.
  rmSync(declared.pidFile, { force: true });
  const started = await context.startDetached(declared.start);
  if (started.kind === "not-started")
    return failure(`${declared.name} was not started: ${started.because}`, before, undefined);
  const after = await whatStarted(declared, started.pid, context);
  if (after === undefined)
    return failure(`${declared.name} was started (pid ${started.pid}) and ended at once`, before, undefined);
  context.say(`started ${declared.name}, pid ${after.pid}`);
  return {
    succeeded: true,
    exitCode: 0,
    summary: `restarted ${declared.name}: pid ${before?.pid ?? "none"} → ${after.pid}`,
    result: { before: shown(before), after: shown(after) },
  };
}

export async function whatBecameOfProcess(declared: DeclaredProcess, plan: Plan): Promise<string> {
  const now = await processOfPidFile(declared.pidFile);
  if (now === undefined) return `${declared.name} does not run`;
  return isAsPlanned(plan, now)
    ? `${declared.name} still runs as pid ${now.pid}: it was not stopped`
    : `${declared.name} runs as pid ${now.pid}, started anew since the plan`;
}

/** Asks, waits, kills. The identity is looked at before each signal: the number may be somebody else's by then. */
export async function stopProcess(
  target: ProcessIdentity,
  signal: NodeJS.Signals,
  context: ActionContext,
): Promise<boolean> {
  send(target.pid, signal);
  if (await isGoneWithin(target, stopMs, context)) return true;
  context.say(`pid ${target.pid} did not end within ${stopMs} ms; killing it`, "stderr");
  send(target.pid, "SIGKILL");
  return isGoneWithin(target, killMs, context);
}

async function isGoneWithin(target: ProcessIdentity, ms: number, context: ActionContext): Promise<boolean> {
  const { clock, timers } = context.system;
  const until = clock.monotonic() + ms;
  while (isSameProcess(target, await findProcess(target.pid))) {
    if (clock.monotonic() >= until) return false;
    await timers.sleep(pollMs);
  }
  return true;
}

/** The process that runs after the start: the one its pid file names (it may have forked), else the one we started. */
export async function whatStarted(
  declared: DeclaredProcess,
  pid: number,
  context: ActionContext,
): Promise<ProcessIdentity | undefined> {
  const { clock, timers } = context.system;
  const began = clock.monotonic();
  for (;;) {
    const named = await processOfPidFile(declared.pidFile);
    const passed = clock.monotonic() - began;
    if (named !== undefined && passed >= stableMs) return findProcess(named.pid);
    if (named === undefined && passed >= pidFileMs) {
      const own = await findProcess(pid);
      if (own !== undefined) writePrivateFile(declared.pidFile, `${pid}\n`);
      return own;
    }
    await timers.sleep(pollMs);
  }
}

function isAsPlanned(plan: Plan, now: ProcessIdentity | undefined): boolean {
  const before = plan["before"];
  if (now === undefined || before === null) return now === undefined && before === null;
  const { pid, startTicks } = Object(before) as Readonly<Record<string, unknown>>;
  return pid === now.pid && startTicks === now.startTicks;
}

function shown(process: ProcessIdentity | undefined): Json {
  return process === undefined
    ? null
    : { pid: process.pid, startTicks: process.startTicks, name: process.name };
}

function failure(
  because: string,
  before: ProcessIdentity | undefined,
  after: ProcessIdentity | undefined,
): Done {
  return {
    succeeded: false,
    exitCode: 1,
    summary: because,
    result: { before: shown(before), after: shown(after), because },
  };
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already; what follows looks.
  }
}
