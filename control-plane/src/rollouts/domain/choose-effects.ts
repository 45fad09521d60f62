/** What is to be done at the command desk for a rollout as it is stored. Each of these may be done twice. */

import { isOpen } from "../../commands/domain/command.js";
import { type CommandView, hasEnded, type Rollout, type Target } from "./rollout.js";

export type Effect =
  /** Ask for the target's plan. */
  | { readonly kind: "request"; readonly target: Target }
  /** Let its command go, with the approvals that the rollout was given. */
  | { readonly kind: "apply"; readonly target: Target }
  | { readonly kind: "cancel"; readonly target: Target; readonly because: string };

export function chooseEffects(
  rollout: Rollout,
  targets: readonly Target[],
  commands: ReadonlyMap<string, CommandView>,
): readonly Effect[] {
  return targets.flatMap((target): readonly Effect[] => {
    const command = commands.get(target.commandId);
    if (command === undefined) {
      return target.commandId === "" && target.state === "planning" && rollout.state === "planning"
        ? [{ kind: "request", target }]
        : [];
    }
    if (target.state === "drifted" || hasEnded(rollout.state)) {
      return isOpen(command.state) ? [{ kind: "cancel", target, because: target.because }] : [];
    }
    // What is paused or stopped starts nothing, not even what was decided before.
    if (target.state !== "starting" || rollout.state !== "running") return [];
    return command.state === "planned" ? [{ kind: "apply", target }] : [];
  });
}
