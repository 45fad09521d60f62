/** Whether a command that an alert asked for has helped. */
import type { Command } from "../../commands/domain/command.js";
import { isOpen } from "../../commands/domain/command.js";
import { type Duration, formatDuration, type Instant } from "../../kernel/time.js";

/** What the verification that the rule names says now. */
export type Evidence =
  | {
      readonly kind: "alert";
      readonly firing: boolean;
      /** Undefined when it is known no more, or fired anew since. */
      readonly clearedAt: Instant | undefined;
    }
  /** A service or an indicator. `at`: when it was seen so; what was seen before the command ended says nothing. */
  | { readonly kind: "check"; readonly holds: boolean; readonly at: Instant; readonly because: string };

export type VerificationOutcome =
  | { readonly kind: "wait" }
  | { readonly kind: "cleared" | "not-cleared"; readonly because: string };

export function verifyRemediation(
  command: Command,
  evidence: Evidence,
  within: Duration,
  now: Instant,
): VerificationOutcome {
  if (isOpen(command.state)) return { kind: "wait" };
  if (evidence.kind === "alert" && !evidence.firing) {
    const after =
      evidence.clearedAt === undefined
        ? ""
        : ` ${formatDuration(Math.max(0, evidence.clearedAt - command.changedAt))} after it`;
    return { kind: "cleared", because: `the alert's condition cleared${after}` };
  }
  // A command that did not run to its end cannot be what clears the alert: the next attempt need not wait for it.
  if (command.state !== "succeeded")
    return { kind: "not-cleared", because: `the command ${command.state}: ${command.because}` };
  if (evidence.kind === "check" && evidence.holds && evidence.at > command.changedAt)
    return { kind: "cleared", because: evidence.because };
  if (now - command.changedAt < within) return { kind: "wait" };
  const after = `${formatDuration(within)} after the command ended`;
  return {
    kind: "not-cleared",
    because: evidence.kind === "alert" ? `the alert still fires ${after}` : `${evidence.because}, ${after}`,
  };
}
