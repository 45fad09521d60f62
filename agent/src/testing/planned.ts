/** The plan of an action's preview, for tests in which there must be one. */
import type { Action, ActionContext } from "../run/action.js";
import type { ActionName } from "../run/action-names.js";
import type { ArgumentsOf } from "../run/command.js";
import type { Plan } from "../run/plans.js";

export async function planned<A extends ActionName>(
  action: Action<A>,
  args: ArgumentsOf<A>,
  context: ActionContext,
): Promise<Plan> {
  const answer = await action.preview(args, context);
  if (answer.kind === "impossible") throw new Error(answer.because);
  return answer.plan;
}
