/**
 * A run of a runbook, from its start to its end.
 *
 *   pending ──► running ◄──► waiting ──► succeeded | failed | cancelled        (a step; skipped and cancelled from pending)
 *
 * `waiting` is for a person: at an approval step, or because a command of the step waits for one. A step that fails and
 * may be tried again goes back to running with the next attempt, after a pause.
 */
import type { Actor } from "../../kernel/actor.js";
import type { Role } from "../../kernel/caller.js";
import type { Instant } from "../../kernel/time.js";
import type { ParameterValues } from "./parameter.js";
import type { Program, ProgramStep } from "./program.js";

export const RUN_STATES = ["running", "waiting", "succeeded", "degraded", "failed", "cancelled"] as const;
export type RunState = (typeof RUN_STATES)[number];

export const STEP_STATES = [
  "pending",
  "running",
  "waiting",
  "succeeded",
  "failed",
  "skipped",
  "cancelled",
] as const;
export type StepState = (typeof STEP_STATES)[number];

/** One node of an action step, in the present attempt. */
export interface Target {
  readonly node: string;
  /** Undefined until the command is stored. */
  readonly commandId?: string;
  /** Undefined while it goes on. */
  readonly end?: "succeeded" | "failed";
}

/** A command that is taken back. */
export interface Undo {
  readonly of: string;
  /** Undefined until it is stored. */
  readonly commandId?: string;
  readonly end?: "succeeded" | "failed";
  readonly because?: string;
}

export interface StepRun {
  readonly state: StepState;
  readonly because: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** Of the present attempt. */
  readonly startedAt?: Instant;
  readonly endedAt?: Instant;
  /** The next attempt does not begin before. */
  readonly notBefore?: Instant;
  readonly targets?: readonly Target[];
  /** Its commands have ended well, and whether it helped is looked at since. */
  readonly verifyingSince?: Instant;
  readonly findings: readonly string[];
  /** Commands of all attempts that have succeeded, oldest first: what could be undone. */
  readonly done?: readonly string[];
  readonly undo?: readonly Undo[];
  readonly decidedBy?: Actor;
  readonly decision?: "approved" | "rejected";
}

export interface Run {
  readonly id: string;
  readonly runbook: string;
  readonly digest: string;
  readonly program: Program;
  readonly parameters: ParameterValues;
  readonly dryRun: boolean;
  readonly state: RunState;
  readonly because: string;
  readonly requestedBy: Actor;
  /** The requester's, when the run began. */
  readonly roles: readonly Role[];
  readonly reason: string;
  readonly traceparent: string;
  readonly startedAt: Instant;
  readonly changedAt: Instant;
  readonly endedAt: Instant | undefined;
  readonly cancelBecause: string | undefined;
  readonly steps: Readonly<Record<string, StepRun>>;
  readonly revision: number;
}

export const PENDING: StepRun = {
  state: "pending",
  because: "its turn has not come",
  attempt: 1,
  findings: [],
};

export const isOpenStep = (state: StepState): boolean => state === "running" || state === "waiting";
export const hasEnded = (state: StepState): boolean => state !== "pending" && !isOpenStep(state);
export const isOpenRun = (state: RunState): boolean => state === "running" || state === "waiting";

export const stepOf = (run: Run, id: string): StepRun => run.steps[id] ?? PENDING;

export const childrenOf = (run: Run, parent: string | undefined): readonly ProgramStep[] =>
  run.program.steps.filter((step) => step.parent === parent);

/** Names the request of one command, so that asking again after a crash is asking once. */
export const requestIdOf = (run: Run, step: string, attempt: number, node: string): string =>
  `${run.id}/${step}/${attempt}/${node}`;
