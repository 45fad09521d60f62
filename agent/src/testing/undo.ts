/** Runs a plan, then its inverse as an order would bring it, and answers with the states before, between and after. */
import { expect } from "vitest";
import type { ActionContext } from "../run/action.js";
import { allActions, preview, run } from "../run/actions.js";
import { allow } from "../run/allow.js";
import type { ActionArguments } from "../run/command.js";
import type { Plan } from "../run/plans.js";

/** Hashes of the observed state. */
export interface UndoneStates {
  readonly before: string;
  readonly between: string;
  readonly after: string;
}

/** What the local policy makes of an order's arguments; a test that is denied here has a fault of its own. */
export function allowed(context: ActionContext, action: string, args: unknown): ActionArguments {
  const verdict = allow(context.policy, action, JSON.stringify(args));
  if (verdict.kind === "deny") throw new Error(verdict.detail);
  return verdict.arguments;
}

async function planOf(args: ActionArguments, context: ActionContext): Promise<Plan> {
  const previewed = await preview(allActions, args, context);
  if (previewed.kind === "impossible") throw new Error(previewed.because);
  return previewed.plan;
}

/** The action is planned, run, undone, and planned once more. */
export async function doneAndUndone(
  action: string,
  args: unknown,
  context: ActionContext,
): Promise<UndoneStates> {
  const forth = allowed(context, action, args);
  const plan = await planOf(forth, context);
  const done = await run(allActions, forth, plan, context);
  expect(done.succeeded, done.summary).toBe(true);
  const { inverse } = plan;
  if (typeof inverse !== "object") throw new Error(`${action} names no inverse: ${inverse}`);
  const back = allowed(context, inverse.action, inverse.arguments);
  const backPlan = await planOf(back, context);
  const undone = await run(allActions, back, backPlan, context);
  expect(undone.succeeded, undone.summary).toBe(true);
  const again = await planOf(forth, context);
  return {
    before: plan.stateHash ?? "",
    between: backPlan.stateHash ?? "",
    after: again.stateHash ?? "",
  };
}
