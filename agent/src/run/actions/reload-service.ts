/** Tells a service to read its configuration again, without ending it: a systemd unit, or a declared process. */
import { readFile } from "node:fs/promises";
import {
  findProcess,
  isSameProcess,
  type ProcessIdentity,
  processOfPidFile,
} from "../../process-identity.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { Json } from "../canonical.js";
import type { ReloadableProcess } from "../permits/reload-service.js";
import type { Plan } from "../plans.js";
import { declared } from "../verdict.js";
import { describeEnd } from "./program-end.js";
import { lookAtUnit, shownUnit } from "./restart-unit.js";

/** A service that does not bear its new configuration ends soon after; this long it is watched. */
const watchMs = 1_500;
const pollMs = 100;
const checkMs = 60_000;

export const reloadService: Action<"reload-service"> = {
  name: "reload-service",

  async preview(args, context): Promise<Previewed> {
    const found = await look(args, context);
    if (found.kind === "impossible") return found;
    const plan: Plan = {
      action: "reload-service",
      arguments: { unit: args.unit, process: args.process },
      before: found.shown,
      how: [...found.how],
      inverse: "nothing-to-undo",
    };
    return { kind: "planned", plan, summary: `would reload ${found.name}, pid ${found.pid}` };
  },

  observed(plan) {
    const { pid, started } = Object(plan["before"]) as Record<string, Json>;
    return { pid, started };
  },

  async run(args, plan, context): Promise<Done> {
    const found = await look(args, context);
    if (found.kind === "impossible") return failed(found.because, {});
    const planned = Object(plan["before"]) as Readonly<Record<string, unknown>>;
    if (planned["pid"] !== found.pid || planned["started"] !== found.shown.started)
      return failed(`${found.name} is another process than when it was planned; nothing was done`, {});
    const check = found.process?.check;
    if (check !== undefined) {
      const end = await context.runProgram({
        argv: check,
        timeoutMs: checkMs,
        signal: context.signal,
        output: (stream, text) => context.say(text.trimEnd(), stream),
      });
      if (end.kind !== "exited" || end.exitCode !== 0)
        return failed(`its configuration is not good (${describeEnd(end)}); ${found.name} was not reloaded`, {
          before: found.shown,
        });
    }
    const asked = await ask(args.unit, found, context);
    if (asked !== undefined) return failed(asked, { before: found.shown });
    return watch(args, found, context);
  },

  async afterInterruption(args, plan, context): Promise<string> {
    const found = await look(args, context);
    if (found.kind === "impossible") return found.because;
    const same = Object(plan["before"]).pid === found.pid ? "the same process" : "another process";
    return `${found.name} runs as pid ${found.pid}, ${same} as when it was planned; whether it was reloaded is not known, and doing it again does no harm`;
  },
};

type Arguments = Parameters<typeof reloadService.preview>[0];

interface Found {
  readonly kind: "found";
  readonly name: string;
  readonly pid: number;
  readonly shown: { readonly pid: number; readonly started: string; readonly [key: string]: Json };
  readonly how: readonly string[];
  readonly process: ReloadableProcess | undefined;
}
type Looked = Found | { readonly kind: "impossible"; readonly because: string };

async function look(args: Arguments, context: ActionContext): Promise<Looked> {
  if (args.unit !== undefined) return lookUnit(args.unit, context);
  const process = declared(context.policy.reloadService?.processes, args.process ?? "");
  if (process === undefined) return impossible(`${args.process} is not declared on this host`);
  const now = await processOfPidFile(process.pidFile);
  if (now === undefined) return impossible(`${process.name} does not run: nothing is to be reloaded`);
  if (!(await catches(now, process.signal)))
    return impossible(`${process.name}, pid ${now.pid}, does not handle ${process.signal}: it would end`);
  return {
    kind: "found",
    name: process.name,
    pid: now.pid,
    shown: { pid: now.pid, started: String(now.startTicks), name: now.name },
    how: process.check === undefined ? [process.signal] : [process.check.join(" "), process.signal],
    process,
  };
}

async function lookUnit(unit: string, context: ActionContext): Promise<Looked> {
  const looked = await lookAtUnit(unit, context);
  if (looked.kind === "unknown") return impossible(looked.because);
  const { state } = looked;
  if (state.loadState !== "loaded" || state.activeState !== "active")
    return impossible(`${unit}: systemd has it as ${state.loadState}, ${state.activeState}; expected active`);
  if (!state.canReload) return impossible(`${unit}: systemd knows no way to reload it`);
  return {
    kind: "found",
    name: unit,
    pid: state.mainPid,
    shown: { ...shownUnit(state), pid: state.mainPid, started: state.startedUs },
    how: ["systemctl reload"],
    process: undefined,
  };
}

/** Answers why it could not be asked; undefined when it was. */
async function ask(
  unit: string | undefined,
  found: Found,
  context: ActionContext,
): Promise<string | undefined> {
  context.say(`reloading ${found.name}, pid ${found.pid}`);
  if (unit !== undefined) {
    const end = await context.runProgram({
      argv: ["systemctl", "reload", "--no-ask-password", "--", unit],
      timeoutMs: Math.max(1000, context.deadline - context.system.clock.monotonic()),
      signal: context.signal,
      output: (stream, text) => context.say(text.trimEnd(), stream),
    });
    return end.kind === "exited" && end.exitCode === 0
      ? undefined
      : `systemctl reload ${unit}: ${describeEnd(end)}`;
  }
  try {
    process.kill(found.pid, found.process?.signal ?? "SIGHUP");
    return undefined;
  } catch {
    return `${found.name}, pid ${found.pid}, ended before it could be asked`;
  }
}

async function watch(args: Arguments, before: Found, context: ActionContext): Promise<Done> {
  const { clock, timers } = context.system;
  const until = clock.monotonic() + watchMs;
  for (;;) {
    const now = await look(args, context);
    const states = { before: before.shown, after: now.kind === "found" ? now.shown : null };
    if (now.kind === "impossible") return failed(`after the reload: ${now.because}`, states);
    if (now.pid !== before.pid || now.shown.started !== before.shown.started)
      return failed(`${before.name} ended at the reload and runs as pid ${now.pid} now`, states);
    if (clock.monotonic() >= until) {
      const summary = `reloaded ${before.name}: pid ${before.pid} is the same, ${watchMs} ms later`;
      return { succeeded: true, exitCode: 0, summary, result: states };
    }
    await timers.sleep(pollMs);
  }
}

const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGUSR1: 10, SIGUSR2: 12 };

/** Whether a process has a handler for a signal that would end it otherwise. */
export async function catches(target: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean> {
  const status = await readFile(`/proc/${target.pid}/status`, "latin1").catch(() => "");
  const caught = BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const bit = signalNumbers[signal];
  if (bit === undefined || !isSameProcess(target, await findProcess(target.pid))) return false;
  return ((caught >> BigInt(bit - 1)) & 1n) === 1n;
}

function impossible(because: string): Looked {
  return { kind: "impossible", because };
}

function failed(because: string, states: { readonly [key: string]: Json }): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { ...states, because } };
}
