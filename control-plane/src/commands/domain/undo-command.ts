/** What would undo a command, or why nothing does. */
import { type Command, isOpen } from "./command.js";

export type Undoing =
  | { readonly kind: "action"; readonly action: string; readonly argumentsJson: string }
  | { readonly kind: "nothing"; readonly because: string };

const nothing = (because: string): Undoing => ({ kind: "nothing", because });

/** `earlier` is the command that was to undo it already, as it is now. */
export function whatUndoes(command: Command, earlier: Command | undefined): Undoing {
  if (command.state !== "succeeded")
    return nothing(`it is ${command.state}, and only what has succeeded is undone`);
  if (earlier !== undefined && (isOpen(earlier.state) || earlier.state === "succeeded"))
    return nothing(`${earlier.id} undoes it already and is ${earlier.state}`);
  const inverse = command.plan?.inverse ?? { kind: "unknown" };
  switch (inverse.kind) {
    case "action":
      return { kind: "action", action: inverse.action, argumentsJson: inverse.argumentsJson };
    case "irreversible":
      return nothing(`${command.action} is irreversible`);
    case "nothing-to-undo":
      return nothing(`nothing-to-undo: ${command.action} left no state that could be brought back`);
    case "unknown":
      return nothing(`its plan does not say what undoes it, so it counts as irreversible`);
  }
}
