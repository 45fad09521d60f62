/** What the journal is told of commands. */
import type { NewEntry } from "../journal/domain/entry.js";
import type { Actor } from "../kernel/actor.js";
import type { Instant } from "../kernel/time.js";
import type { Command } from "./domain/command.js";

/** `next` is what became of `before`. */
export function entryOfChange(before: Command, next: Command, by: Actor, now: Instant): NewEntry {
  return entryOf(kindOf(before, next), next, by, next.because, now);
}

function kindOf(before: Command, next: Command): string {
  if (next.attempt > before.attempt) return "command.drifted";
  if (next.state !== before.state) return `command.${next.state}`;
  // One of several approvals, a cancellation that the agent must still hear of, and an order held back change no state.
  if (next.approvals.length > before.approvals.length) return "command.approval";
  return next.cancelBecause === before.cancelBecause ? "command.held" : "command.cancelling";
}

export function entryOf(
  kind: string,
  command: Command,
  actor: Actor,
  because: string,
  at: Instant,
): NewEntry {
  return {
    at,
    kind,
    subject: `command:${command.id}`,
    actor,
    because,
    facts: {
      node: command.nodeName,
      action: command.action,
      generation: command.generation,
      state: command.state,
      ...(command.alertId === "" ? {} : { alert: command.alertId }),
      ...(command.undoes === "" ? {} : { undoes: command.undoes }),
      ...(command.attempt === 1 ? {} : { attempt: command.attempt }),
      ...(command.plan === undefined
        ? {}
        : {
            planHash: command.plan.hash,
            plan: command.plan.summary,
            observedHash: command.plan.observedHash,
            policyRule: command.plan.rule,
          }),
      ...(command.approvals.length === 0
        ? {}
        : {
            approvals: command.approvals.map(({ actor: { kind: by, name } }) => `${by}:${name}`).join(", "),
          }),
      ...(command.summary === "" ? {} : { summary: command.summary, exitCode: command.exitCode }),
    },
    traceparent: command.traceparent,
  };
}
