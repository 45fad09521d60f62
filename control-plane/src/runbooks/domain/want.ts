/** What a run needs to know, or to have asked for, before it can go on; and the answers. */
import type { CommandState, Verdict } from "../../commands/domain/command.js";
import type { Duration, Instant } from "../../kernel/time.js";
import type { Finding } from "./expectation.js";
import type { ProgramStep, Work } from "./program.js";
import { childrenOf, hasEnded, isOpenStep, type Run, requestIdOf, type StepRun, stepOf } from "./run.js";

type ActionWork = Extract<Work, { readonly kind: "action" }>;

export type Want = { readonly key: string } & (
  | { readonly kind: "question"; readonly query: string }
  /** Which nodes have these labels now. */
  | { readonly kind: "nodes"; readonly labels: Readonly<Record<string, string>> }
  /** Stores a command, or finds it when it is stored already. */
  | {
      readonly kind: "request";
      readonly requestId: string;
      readonly node: string;
      readonly action: string;
      readonly argumentsJson: string;
      readonly timeout: Duration;
      readonly step: string;
    }
  | { readonly kind: "command"; readonly commandId: string }
  | { readonly kind: "cancel"; readonly commandId: string; readonly because: string }
  /** The command of a request, if it was stored; asks for none. */
  | { readonly kind: "find"; readonly requestId: string }
  | { readonly kind: "undo"; readonly requestId: string; readonly commandId: string }
);

export interface SeenCommand {
  readonly id: string;
  readonly state: CommandState;
  readonly because: string;
  readonly summary: string;
  readonly plan:
    | { readonly summary: string; readonly verdict: Verdict; readonly because: string }
    | undefined;
}

export type Answer =
  | { readonly kind: "samples"; readonly findings: readonly Finding[] }
  | { readonly kind: "nodes"; readonly nodes: readonly string[] }
  | { readonly kind: "command"; readonly command: SeenCommand }
  /** It will not do, now or later. */
  | { readonly kind: "refused"; readonly because: string }
  /** It could not be found out now. */
  | { readonly kind: "unknown"; readonly because: string };

export type Answers = ReadonlyMap<string, Answer>;

export const conditionKey = (id: string, index: number): string => `${id}?${index}`;
export const nodesKey = (id: string): string => `${id}*`;
export const targetKey = (id: string, node: string): string => `${id}@${node}`;
export const verifyKey = (id: string): string => `${id}=`;
export const undoKey = (id: string, of: string): string => `${id}<${of}`;

/** Whether a pending step may begin, but for its conditions. */
export function isDue(run: Run, step: ProgramStep): boolean {
  if (stepOf(run, step.id).state !== "pending" || run.cancelBecause !== undefined) return false;
  if (step.parent !== undefined && !isOpenStep(stepOf(run, step.parent).state)) return false;
  return (
    step.needs.every((needed) => hasEnded(stepOf(run, needed).state)) && stoppedBy(run, step) === undefined
  );
}

/** The step whose failure keeps this one from being begun. In a dry run nothing is kept: all of it is to be seen. */
export function stoppedBy(run: Run, step: ProgramStep): ProgramStep | undefined {
  if (run.dryRun) return undefined;
  return childrenOf(run, step.parent).find(
    (other) => other.onFailure !== "continue" && stepOf(run, other.id).state === "failed",
  );
}

/** The first undo that has not ended: the latest command is taken back first. */
export function undoUnderWay(
  run: Run,
): { readonly step: ProgramStep; readonly of: string; readonly commandId: string | undefined } | undefined {
  for (const step of [...run.program.steps].reverse()) {
    for (const undo of [...(stepOf(run, step.id).undo ?? [])].reverse())
      if (undo.end === undefined) return { step, of: undo.of, commandId: undo.commandId };
  }
  return undefined;
}

/** Everything the run waits for. The same state gives the same wants, so a crash before the answers loses nothing. */
export function wantsOf(run: Run, now: Instant): readonly Want[] {
  const wants: Want[] = [];
  for (const step of run.program.steps) {
    const { work } = step;
    const state = stepOf(run, step.id);
    if (isDue(run, step)) {
      for (const [index, condition] of step.when.entries())
        if (condition.kind === "question")
          wants.push({ kind: "question", key: conditionKey(step.id, index), query: condition.query });
    }
    if (!isOpenStep(state.state) || (state.notBefore !== undefined && now < state.notBefore)) continue;
    if (work.kind === "action") wants.push(...wantsOfAction(run, step, work, state));
    else if ((work.kind === "query" || work.kind === "wait") && run.cancelBecause === undefined)
      wants.push({ kind: "question", key: step.id, query: work.query });
  }
  const undo = undoUnderWay(run);
  if (undo !== undefined) {
    const key = undoKey(undo.step.id, undo.of);
    wants.push(
      undo.commandId === undefined
        ? { kind: "undo", key, commandId: undo.of, requestId: `${run.id}/undo/${undo.of}` }
        : { kind: "command", key, commandId: undo.commandId },
    );
  }
  return wants;
}

function wantsOfAction(run: Run, step: ProgramStep, work: ActionWork, state: StepRun): readonly Want[] {
  const { targets } = state;
  if (targets === undefined)
    return work.target.kind === "selector" && run.cancelBecause === undefined
      ? [{ kind: "nodes", key: nodesKey(step.id), labels: work.target.labels }]
      : [];
  if (state.verifyingSince !== undefined)
    return work.verify === undefined || run.cancelBecause !== undefined
      ? []
      : [{ kind: "question", key: verifyKey(step.id), query: work.verify.query }];
  const wants: Want[] = [];
  let free = work.atOnce;
  for (const { node, commandId, end } of targets) {
    if (end !== undefined || free === 0) continue;
    const key = targetKey(step.id, node);
    const requestId = requestIdOf(run, step.id, state.attempt, node);
    if (commandId === undefined && run.cancelBecause !== undefined) {
      // It may have been asked for right before a crash.
      wants.push({ kind: "find", key, requestId });
    } else if (commandId !== undefined) {
      free -= 1;
      wants.push(
        run.cancelBecause === undefined
          ? { kind: "command", key, commandId }
          : { kind: "cancel", key, commandId, because: run.cancelBecause },
      );
    } else if (!targets.some((target) => target.end === "failed")) {
      // A node on which it failed is reason enough not to go on to the next.
      free -= 1;
      wants.push({
        kind: "request",
        key,
        requestId,
        node,
        action: work.action,
        argumentsJson: work.argumentsJson,
        timeout: step.timeout,
        step: step.id,
      });
    }
  }
  return wants;
}
