/** For one firing alert: act, wait, or give up, and why. */
import type { Command } from "../../commands/domain/command.js";
import { isOpen } from "../../commands/domain/command.js";
import { formatDuration, type Instant } from "../../kernel/time.js";
import type { RemediationRule } from "./remediation.js";

export type RemediationChoice =
  | { readonly kind: "act"; readonly attempt: number; readonly because: string }
  | { readonly kind: "wait"; readonly because: string }
  | { readonly kind: "give-up"; readonly because: string };

/** `attempts` are the commands of this firing, newest first. */
export function chooseRemediation(
  rule: RemediationRule,
  attempts: readonly Command[],
  now: Instant,
): RemediationChoice {
  const [last] = attempts;
  if (last === undefined) return { kind: "act", attempt: 1, because: `${rule.alert} is firing` };
  if (isOpen(last.state)) return { kind: "wait", because: `command ${last.id} is ${last.state}` };
  if (last.state === "refused" || last.state === "cancelled") {
    return { kind: "give-up", because: `command ${last.id} was ${last.state}: ${last.because}` };
  }
  if (last.state === "succeeded" && last.verification === "pending") {
    return { kind: "wait", because: `command ${last.id} has ended; whether the condition clears is awaited` };
  }
  if (attempts.length >= rule.attempts) {
    return {
      kind: "give-up",
      because: `${attempts.length} of ${rule.attempts} attempts did not clear it; a person is needed`,
    };
  }
  // The pause doubles with each attempt: what did not help should not be done ever faster.
  const pause = rule.cooldown * 2 ** (attempts.length - 1);
  const next = last.changedAt + pause;
  if (now < next)
    return { kind: "wait", because: `the next attempt may come in ${formatDuration(next - now)}` };
  return {
    kind: "act",
    attempt: attempts.length + 1,
    because: `${rule.alert} still fires after attempt ${attempts.length}`,
  };
}
