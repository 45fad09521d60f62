/** What a command's state makes of its target. */
import { type CommandView, isUnderWay, type Target } from "./rollout.js";

/** The target as its command leaves it; the same object when nothing changed. */
export function followCommand(target: Target, command: CommandView): Target {
  if (target.state === "planning") return followPlan(target, command);
  if (target.state === "planned") return followWaiting(target, command);
  if (isUnderWay(target)) return followRun(target, command);
  return target;
}

function followPlan(target: Target, command: CommandView): Target {
  switch (command.state) {
    case "planning":
      return target;
    case "planned":
    case "awaiting-approval":
      return {
        ...target,
        state: "planned",
        because: command.because,
        planHash: command.planHash,
        planSummary: command.planSummary,
        approvals: command.approvals,
        approver: command.approver,
      };
    default:
      return { ...target, state: "left-out", because: command.because };
  }
}

function followWaiting(target: Target, command: CommandView): Target {
  if (command.state === "planned" || command.state === "awaiting-approval")
    return command.planHash === target.planHash ? target : drifted(target, command);
  // Nobody else's hand starts it: it was cancelled, rejected, or waited too long.
  if (command.state === "cancelled" || command.state === "expired" || command.state === "refused")
    return { ...target, state: "cancelled", because: command.because };
  return followRun(target, command);
}

function followRun(target: Target, command: CommandView): Target {
  switch (command.state) {
    case "planned":
    case "awaiting-approval":
      return command.planHash === target.planHash ? target : drifted(target, command);
    case "planning":
      return drifted(target, command);
    case "approved":
    case "sent":
    case "running":
      // Planned anew and allowed by policy, it would run, but not as the plan that the rollout's approval covers.
      if (command.planHash !== target.planHash) return drifted(target, command);
      return target.state === "running" && target.because === command.because
        ? target
        : { ...target, state: "running", because: command.because };
    case "succeeded":
      return { ...target, state: "succeeded", because: command.because };
    case "cancelled":
      return { ...target, state: "cancelled", because: command.because };
    case "failed":
    case "refused":
    case "timed-out":
    case "expired":
    case "interrupted":
      return { ...target, state: "failed", because: `the command ${command.state}: ${command.because}` };
  }
}

function drifted(target: Target, command: CommandView): Target {
  return {
    ...target,
    state: "drifted",
    because: `its world is not as it was planned; the approval does not cover what would be done now: ${command.because}`,
  };
}
