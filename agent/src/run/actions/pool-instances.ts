/** The instances of a pool: which run, and starting and stopping one. Units go through systemctl, programs by pid file. */
import { rmSync } from "node:fs";
import { type ProcessIdentity, processOfPidFile } from "../../process-identity.js";
import type { ActionContext } from "../action.js";
import type { DeclaredProcess } from "../permits/processes.js";
import type { DeclaredPool } from "../permits/scale-pool.js";
import { describeEnd } from "./program-end.js";
import { stopProcess, whatStarted } from "./restart-process.js";
import { lookAtUnit } from "./restart-unit.js";

/** Which run: their numbers, rising. */
export type Running =
  | { readonly kind: "running"; readonly running: readonly number[] }
  | { readonly kind: "unknown"; readonly because: string };

/** What can be done to a pool. `start` and `stop` answer why it did not work; undefined when it did. */
export interface PoolHand {
  running(): Promise<Running>;
  start(instance: number): Promise<string | undefined>;
  stop(instance: number): Promise<string | undefined>;
}

const listMs = 10_000;
/** A unit that has failed by then did not start. */
const stableMs = 1_000;

/** Instances of a systemd template unit, such as `worker@.service`. */
export function unitPool(template: string, context: ActionContext): PoolHand {
  const stem = template.replace(/@\.service$/, "");
  const unitOf = (instance: number): string => `${stem}@${instance}.service`;
  const systemctl = async (verb: "start" | "stop", instance: number): Promise<string | undefined> => {
    const unit = unitOf(instance);
    const end = await context.runProgram({
      argv: ["systemctl", verb, "--no-ask-password", "--", unit],
      timeoutMs: Math.max(1000, context.deadline - context.system.clock.monotonic()),
      signal: context.signal,
      output: (stream, text) => context.say(text.trimEnd(), stream),
    });
    if (end.kind !== "exited" || end.exitCode !== 0) return `systemctl ${verb} ${unit}: ${describeEnd(end)}`;
    if (verb === "start") await context.system.timers.sleep(stableMs, context.signal);
    const looked = await lookAtUnit(unit, context);
    if (looked.kind === "unknown") return looked.because;
    const { activeState, subState } = looked.state;
    const isAsked = verb === "start" ? activeState === "active" : activeState !== "active";
    return isAsked ? undefined : `${unit} is ${activeState} (${subState}) after systemctl ${verb}`;
  };
  return {
    running: async () => {
      let text = "";
      const end = await context.runProgram({
        argv: [
          "systemctl",
          "list-units",
          "--plain",
          "--no-legend",
          "--state=active",
          "--",
          `${stem}@*.service`,
        ],
        timeoutMs: listMs,
        output: (stream, piece) => {
          if (stream === "stdout" && text.length < 262_144) text += piece;
        },
      });
      if (end.kind !== "exited" || end.exitCode !== 0)
        return { kind: "unknown", because: `systemctl list-units ${stem}@*: ${describeEnd(end)}` };
      return { kind: "running", running: instancesIn(text, stem) };
    },
    start: (instance) => systemctl("start", instance),
    stop: (instance) => systemctl("stop", instance),
  };
}

/** Numbers of the instances that a list of units names; names that are no number are nobody's here. */
export function instancesIn(text: string, stem: string): number[] {
  return text
    .split("\n")
    .flatMap((line) => {
      const unit = line.trim().split(/\s+/)[0] ?? "";
      const number = unit.startsWith(`${stem}@`) ? unit.slice(stem.length + 1).replace(/\.service$/, "") : "";
      return /^[1-9]\d{0,5}$/.test(number) ? [Number(number)] : [];
    })
    .sort((a, b) => a - b);
}

/** Processes of a declared program, each with a pid file of its own. */
export function programPool(pool: DeclaredPool, context: ActionContext): PoolHand {
  const instanceOf = (instance: number): DeclaredProcess => ({
    name: `${pool.name} ${instance}`,
    pidFile: (pool.pidFile ?? "").replaceAll("%i", String(instance)),
    start: (pool.start ?? []).map((word) => word.replaceAll("%i", String(instance))),
    stop: pool.stop,
  });
  return {
    running: async () => {
      const running: number[] = [];
      // What was once started beyond today's bound is still looked for, as far as it is worth it.
      for (let instance = 1; instance <= pool.max * 2; instance++)
        if ((await processOfPidFile(instanceOf(instance).pidFile)) !== undefined) running.push(instance);
      return { kind: "running", running };
    },
    start: async (instance) => {
      const declared = instanceOf(instance);
      rmSync(declared.pidFile, { force: true });
      const started = await context.startDetached(declared.start);
      if (started.kind === "not-started") return `${declared.name} was not started: ${started.because}`;
      const after: ProcessIdentity | undefined = await whatStarted(declared, started.pid, context);
      return after === undefined ? `${declared.name} was started and ended at once` : undefined;
    },
    stop: async (instance) => {
      const declared = instanceOf(instance);
      const now = await processOfPidFile(declared.pidFile);
      if (now !== undefined && !(await stopProcess(now, declared.stop, context)))
        return `${declared.name}, pid ${now.pid}, did not end, not even when killed`;
      rmSync(declared.pidFile, { force: true });
      return undefined;
    },
  };
}
