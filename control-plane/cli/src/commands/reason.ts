/** Why something is asked for: what changes anything says it, and the journal keeps it. */
import { type Invocation, textFlag } from "../command.js";
import { Failure } from "../failure.js";

export const REASON = { reason: { type: "string" } } as const;
export const REASON_HELP = "  --reason TEXT         why; it is written into the journal";

/** Throws {@link Failure} where none was given. */
export function reasonOf(invocation: Invocation): string {
  const reason = textFlag(invocation, "reason");
  if (reason === undefined || reason.trim() === "")
    throw new Failure("give --reason TEXT: it is written into the journal");
  return reason;
}
