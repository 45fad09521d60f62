/** For one firing alert: act, take back, wait, or give up, and why. */
import type { Command } from "../../commands/domain/command.js";
import { isOpen } from "../../commands/domain/command.js";
import { formatDuration, type Instant } from "../../kernel/time.js";
import { attemptsMax, type RemediationRule, type Step, stepAfter } from "./remediation.js";

export type RemediationChoice =
  | { readonly kind: "act"; readonly attempt: number; readonly step: Step; readonly because: string }
  /** Take back what the command did, for it did not help. */
  | { readonly kind: "undo"; readonly command: Command; readonly because: string }
  | { readonly kind: "wait"; readonly because: string }
  | { readonly kind: "give-up"; readonly because: string };

/** `attempts` are the commands of this firing, newest first; `undoing` is what takes back the newest. */
export function chooseRemediation(
  rule: RemediationRule,
  attempts: readonly Command[],
  undoing: Command | undefined,
  now: Instant,
): RemediationChoice {
  const [last] = attempts;
  const next = stepAfter(rule, attempts.length);
  if (last === undefined) {
    return next === undefined
      ? { kind: "give-up", because: `${rule.alert} has no step` }
      : { kind: "act", attempt: 1, step: next.step, because: `${rule.alert} is firing` };
  }
  if (isOpen(last.state)) return { kind: "wait", because: `command ${last.id} is ${last.state}` };
  if (last.state === "refused" || last.state === "cancelled") {
    return { kind: "give-up", because: `command ${last.id} was ${last.state}: ${last.because}` };
  }
  if (last.state === "succeeded" && last.verification === "pending") {
    return { kind: "wait", because: `command ${last.id} has ended; whether it helped is awaited` };
  }
  if (mustUndo(rule, last)) {
    if (undoing === undefined)
      return { kind: "undo", command: last, because: `${last.action} did not help and is taken back` };
    if (isOpen(undoing.state)) return { kind: "wait", because: `command ${last.id} is being taken back` };
  }
  if (next === undefined) {
    const steps = rule.ladder.map(({ name }) => name).join(", ");
    return {
      kind: "give-up",
      because: `${attempts.length} of ${attemptsMax(rule)} attempts (${steps}) did not clear it; a person is needed`,
    };
  }
  const still = `${rule.alert} still fires after attempt ${attempts.length}`;
  const climbed = next.attempt === 1;
  if (!climbed) {
    // The pause doubles with each repeat: what did not help should not be done ever faster. The next step need not wait.
    const again = last.changedAt + rule.cooldown * 2 ** (next.attempt - 2);
    if (now < again)
      return { kind: "wait", because: `the next attempt may come in ${formatDuration(again - now)}` };
  }
  return {
    kind: "act",
    attempt: attempts.length + 1,
    step: next.step,
    because: climbed ? `${still}; the next step is ${next.step.name}` : still,
  };
}

/** Only what was done to its end has an inverse that is known to fit. */
function mustUndo(rule: RemediationRule, last: Command): boolean {
  return (
    rule.undo &&
    last.state === "succeeded" &&
    last.verification === "not-cleared" &&
    last.plan?.inverse.kind === "action"
  );
}
