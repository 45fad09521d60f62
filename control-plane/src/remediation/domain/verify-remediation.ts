/** Whether a command that an alert asked for has helped: its own condition is the judge. */
import type { Command } from "../../commands/domain/command.js";
import { isOpen } from "../../commands/domain/command.js";
import { type Duration, formatDuration, type Instant } from "../../kernel/time.js";

/** Where the alert stands: the one that fired when the command was requested. */
export interface AlertStanding {
  /** Undefined when it is known no more, or fired anew since. */
  readonly clearedAt: Instant | undefined;
  readonly firing: boolean;
}

export type VerificationOutcome =
  | { readonly kind: "wait" }
  | { readonly kind: "cleared" | "not-cleared"; readonly because: string };

export function verifyRemediation(
  command: Command,
  alert: AlertStanding,
  within: Duration,
  now: Instant,
): VerificationOutcome {
  if (isOpen(command.state)) return { kind: "wait" };
  if (!alert.firing) {
    const after =
      alert.clearedAt === undefined
        ? ""
        : ` ${formatDuration(Math.max(0, alert.clearedAt - command.changedAt))} after it`;
    return { kind: "cleared", because: `the alert's condition cleared${after}` };
  }
  // A command that did not run to its end cannot be what clears the alert: the next attempt need not wait for it.
  if (command.state !== "succeeded")
    return { kind: "not-cleared", because: `the command ${command.state}: ${command.because}` };
  if (now - command.changedAt < within) return { kind: "wait" };
  return {
    kind: "not-cleared",
    because: `the alert still fires ${formatDuration(within)} after the command ended`,
  };
}
