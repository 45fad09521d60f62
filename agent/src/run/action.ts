/** What every action is: it can say what it would do, do exactly that, and say what is known after it was interrupted. */
import type { System } from "../system.js";
import type { ActionName } from "./action-names.js";
import type { Json } from "./canonical.js";
import type { ArgumentsOf } from "./command.js";
import type { Plan } from "./plans.js";
import type { LocalPolicy } from "./policy.js";
import type { ProgramEnd, RunProgram } from "./process.js";

/** What an action may use. */
export interface ActionContext {
  readonly policy: LocalPolicy;
  readonly system: System;
  /** Aborts when the command is cancelled, times out or the agent stops. Actions look at it between steps. */
  readonly signal: AbortSignal;
  /** When the command has to be over, in ms of the monotonic clock. */
  readonly deadline: number;
  /** Says something while it works; one line without its end. */
  readonly say: (text: string, stream?: "stdout" | "stderr") => void;
  readonly runProgram: RunProgram;
  readonly startDetached: (
    argv: readonly string[],
  ) => Promise<
    | { readonly kind: "started"; readonly pid: number }
    | { readonly kind: "not-started"; readonly because: string }
  >;
}

/** What a preview found. */
export type Previewed =
  | { readonly kind: "planned"; readonly plan: Plan; readonly summary: string }
  /** Nothing can be planned, for a reason that is no fault of the agent. */
  | { readonly kind: "impossible"; readonly because: string };

/** The part of what a preview observed that a plan rests on. */
export interface ObservedState {
  readonly [key: string]: Json;
}

/** What a fresh look found. */
export type Observation =
  | { readonly kind: "observed"; readonly state: ObservedState }
  | { readonly kind: "impossible"; readonly because: string };

/** What a run did. */
export interface Done {
  readonly succeeded: boolean;
  readonly exitCode: number;
  /** One sentence for people. */
  readonly summary: string;
  readonly result: { readonly [key: string]: Json };
}

/** One action. */
export interface Action<A extends ActionName> {
  readonly name: A;
  /** Touches nothing. */
  preview(args: ArgumentsOf<A>, context: ActionContext): Promise<Previewed>;
  /**
   * The state that a plan rests on: a run that finds another one is refused as drifted. What a run compares thing by thing
   * itself (files, sessions) and what changes all the time (counts, ages) is no part of it; empty when nothing is.
   */
  observed(plan: Plan): ObservedState;
  /** The same state as it is now, when there is a cheaper way to it than a whole preview. Touches nothing. */
  observe?(args: ArgumentsOf<A>, context: ActionContext): Promise<Observation>;
  /** Does what the plan says, and nothing that it does not say. */
  run(args: ArgumentsOf<A>, plan: Plan, context: ActionContext): Promise<Done>;
  /**
   * After the agent died while the last program of `run` ran in a unit of its own, and that has ended: does the rest.
   * Programs of actions without this run in the agent's own process group.
   */
  adopt?(args: ArgumentsOf<A>, plan: Plan, context: ActionContext, end: ProgramEnd): Promise<Done>;
  /** After the agent died in the middle of `run`: what is known, in a sentence. Touches nothing. */
  afterInterruption(args: ArgumentsOf<A>, plan: Plan, context: ActionContext): Promise<string>;
}
