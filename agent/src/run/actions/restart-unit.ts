/** Restarting a systemd unit through systemctl, which is how systemd is spoken to without a library for D-Bus. */
import { reasonOf } from "../../log.js";
import type { ActionContext, Done, Previewed } from "../action.js";
import type { Json } from "../canonical.js";
import type { Plan } from "../plans.js";
import { describeEnd } from "./program-end.js";

/** What systemd says about a unit. */
export interface UnitState {
  readonly loadState: string;
  readonly activeState: string;
  readonly subState: string;
  /** Whether systemd knows how to reload it. */
  readonly canReload: boolean;
  readonly mainPid: number;
  /** Microseconds of the monotonic clock at which the main process started; with the pid it names one start. */
  readonly startedUs: string;
}

const properties = "LoadState,ActiveState,SubState,CanReload,MainPID,ExecMainStartTimestampMonotonic";
const showMs = 10_000;
const settleMs = 30_000;

/** Reads the answer of `systemctl show`. */
export function parseUnitState(text: string): UnitState {
  const found = new Map(
    text.split("\n").map((line): [string, string] => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1).trim()];
    }),
  );
  return {
    loadState: found.get("LoadState") ?? "",
    activeState: found.get("ActiveState") ?? "",
    subState: found.get("SubState") ?? "",
    canReload: found.get("CanReload") === "yes",
    mainPid: Number(found.get("MainPID") ?? 0) || 0,
    startedUs: found.get("ExecMainStartTimestampMonotonic") ?? "",
  };
}

export async function planRestartOfUnit(unit: string, context: ActionContext): Promise<Previewed> {
  const looked = await lookAtUnit(unit, context);
  if (looked.kind === "unknown") return { kind: "impossible", because: looked.because };
  const { state } = looked;
  if (state.loadState !== "loaded") {
    return {
      kind: "impossible",
      because: `${unit}: systemd has it as ${state.loadState || "nothing"}, expected loaded`,
    };
  }
  const plan: Plan = {
    action: "restart-service",
    arguments: { unit },
    before: shownUnit(state),
    inverse: "nothing-to-undo",
  };
  return {
    kind: "planned",
    plan,
    summary: `would restart ${unit}, now ${state.activeState} (${state.subState}), pid ${state.mainPid}`,
  };
}

export async function restartUnit(unit: string, plan: Plan, context: ActionContext): Promise<Done> {
  const before = await lookAtUnit(unit, context);
  if (before.kind === "unknown") return failure(before.because, {});
  if (!isSameStart(plan, before.state)) {
    return failure(`${unit} was started anew since the plan was made; nothing was done`, {
      before: shownUnit(before.state),
    });
  }
  context.say(`restarting ${unit} (${before.state.activeState}, pid ${before.state.mainPid})`);
  const end = await context.runProgram({
    argv: ["systemctl", "restart", "--no-ask-password", "--", unit],
    timeoutMs: Math.max(1000, context.deadline - context.system.clock.monotonic()),
    signal: context.signal,
    output: (stream, text) => context.say(text.trimEnd(), stream),
  });
  const after = await settle(unit, context);
  const states = { before: shownUnit(before.state), after: after === undefined ? null : shownUnit(after) };
  const ok = end.kind === "exited" && end.exitCode === 0;
  if (!ok)
    return failure(
      `systemctl restart ${unit}: ${describeEnd(end)}`,
      states,
      end.kind === "exited" ? end.exitCode : 1,
    );
  if (after?.activeState !== "active") {
    return failure(
      `${unit} was restarted and is ${after?.activeState ?? "not known"} (${after?.subState ?? ""})`,
      states,
    );
  }
  const summary = `restarted ${unit}: active (${after.subState}), pid ${before.state.mainPid} → ${after.mainPid}`;
  return { succeeded: true, exitCode: 0, summary, result: states };
}

export async function whatBecameOfUnit(unit: string, plan: Plan, context: ActionContext): Promise<string> {
  const looked = await lookAtUnit(unit, context);
  if (looked.kind === "unknown") return looked.because;
  const anew = isSameStart(plan, looked.state)
    ? "it was not started anew"
    : "it was started anew since the plan";
  return `${unit} is ${looked.state.activeState} (${looked.state.subState}), pid ${looked.state.mainPid}; ${anew}`;
}

type Looked =
  | { readonly kind: "state"; readonly state: UnitState }
  | { readonly kind: "unknown"; readonly because: string };

/** Asks systemd about a unit. */
export async function lookAtUnit(unit: string, context: ActionContext): Promise<Looked> {
  let text = "";
  const end = await context.runProgram({
    argv: ["systemctl", "show", `--property=${properties}`, "--", unit],
    timeoutMs: showMs,
    output: (_stream, piece) => {
      if (text.length < 16_384) text += piece;
    },
  });
  if (end.kind === "exited" && end.exitCode === 0) return { kind: "state", state: parseUnitState(text) };
  return { kind: "unknown", because: `systemctl show ${unit}: ${describeEnd(end)}: ${reasonOf(text)}` };
}

/** Waits until the unit is neither starting nor stopping; what it was last when that takes too long. */
async function settle(unit: string, context: ActionContext): Promise<UnitState | undefined> {
  const { clock, timers } = context.system;
  const until = Math.min(context.deadline, clock.monotonic() + settleMs);
  for (;;) {
    const looked = await lookAtUnit(unit, context);
    const state = looked.kind === "state" ? looked.state : undefined;
    const moving =
      state?.activeState === "activating" ||
      state?.activeState === "deactivating" ||
      state?.activeState === "reloading";
    if (!moving || clock.monotonic() >= until || context.signal.aborted) return state;
    await timers.sleep(250, context.signal);
  }
}

function isSameStart(plan: Plan, now: UnitState): boolean {
  const { mainPid, startedUs } = Object(plan["before"]) as Readonly<Record<string, unknown>>;
  return mainPid === now.mainPid && startedUs === now.startedUs;
}

/** A unit's state as plans and results have it. */
export function shownUnit(state: UnitState): { readonly [key: string]: Json } {
  return { ...state };
}

function failure(because: string, states: { readonly [key: string]: Json }, exitCode = 1): Done {
  return {
    succeeded: false,
    exitCode: exitCode === 0 ? 1 : exitCode,
    summary: because,
    result: { ...states, because },
  };
}
