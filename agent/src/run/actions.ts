/** The actions this agent has, by name. */
import type { Action, ActionContext, Done, Previewed } from "./action.js";
import { cleanDirectory } from "./actions/clean-directory.js";
import { collectDiagnostics } from "./actions/collect-diagnostics.js";
import { endIdleSessions } from "./actions/end-idle-sessions.js";
import { restartService } from "./actions/restart-service.js";
import type { ActionArguments } from "./command.js";
import type { Plan } from "./plans.js";
import type { ActionName } from "./policy.js";

/** One of each. */
export type Actions = { readonly [A in ActionName]: Action<A> };

/** All of them. */
export const allActions: Actions = {
  "clean-directory": cleanDirectory,
  "restart-service": restartService,
  "end-idle-sessions": endIdleSessions,
  "collect-diagnostics": collectDiagnostics,
};

/** Previews the action that the arguments are for. */
export function preview(actions: Actions, args: ActionArguments, context: ActionContext): Promise<Previewed> {
  switch (args.action) {
    case "clean-directory":
      return actions[args.action].preview(args, context);
    case "restart-service":
      return actions[args.action].preview(args, context);
    case "end-idle-sessions":
      return actions[args.action].preview(args, context);
    case "collect-diagnostics":
      return actions[args.action].preview(args, context);
  }
}

/** Runs it. */
export function run(
  actions: Actions,
  args: ActionArguments,
  plan: Plan,
  context: ActionContext,
): Promise<Done> {
  switch (args.action) {
    case "clean-directory":
      return actions[args.action].run(args, plan, context);
    case "restart-service":
      return actions[args.action].run(args, plan, context);
    case "end-idle-sessions":
      return actions[args.action].run(args, plan, context);
    case "collect-diagnostics":
      return actions[args.action].run(args, plan, context);
  }
}

/** Asks what is known after it was interrupted. */
export function afterInterruption(
  actions: Actions,
  args: ActionArguments,
  plan: Plan,
  context: ActionContext,
): Promise<string> {
  switch (args.action) {
    case "clean-directory":
      return actions[args.action].afterInterruption(args, plan, context);
    case "restart-service":
      return actions[args.action].afterInterruption(args, plan, context);
    case "end-idle-sessions":
      return actions[args.action].afterInterruption(args, plan, context);
    case "collect-diagnostics":
      return actions[args.action].afterInterruption(args, plan, context);
  }
}

/** The arguments without the action's name, as plans have them. */
export function plannedArguments(args: ActionArguments): Plan["arguments"] {
  const { action: _, ...rest } = args;
  return rest;
}
