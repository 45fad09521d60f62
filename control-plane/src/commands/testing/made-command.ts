import { commandId, nodeId } from "../../kernel/ids.js";
import { MINUTE } from "../../kernel/time.js";
import type { Command, CommandState, Plan } from "../domain/command.js";

/** The time at which made-up commands were requested. */
export const REQUESTED_AT = 1_000_000;

/** A made-up command in a state, for tests of decisions. */
export function madeCommand(state: CommandState, more: Partial<Command> = {}): Command {
  return {
    id: commandId("c"),
    nodeId: nodeId("n"),
    nodeName: "db-1",
    action: "clean-directory",
    argumentsJson: "{}",
    state,
    because: "",
    requestedBy: { kind: "human", name: "ann" },
    requestedRoles: ["operator"],
    hold: false,
    undoes: "",
    undoneBy: "",
    reason: "",
    alertId: "",
    requireApproval: false,
    traceparent: "",
    requestedAt: REQUESTED_AT,
    changedAt: REQUESTED_AT,
    expiresAt: REQUESTED_AT + 10 * MINUTE,
    timeoutMs: MINUTE,
    generation: 1,
    attempt: 1,
    plan: undefined,
    approvals: [],
    approvedBy: undefined,
    cancelBecause: undefined,
    exitCode: 0,
    summary: "",
    resultJson: "",
    verification: "",
    sentSession: undefined,
    previewSequence: 0,
    runSequence: 0,
    ...more,
  };
}

/** A made-up plan that one person must approve. */
export function madePlan(more: Partial<Plan> = {}): Plan {
  return {
    hash: "ab",
    summary: "2 files",
    json: "{}",
    verdict: "ask",
    verdictBecause: "",
    madeAt: REQUESTED_AT,
    rule: "a rule",
    approvals: 1,
    approver: "approver",
    elicitation: false,
    reach: undefined,
    inverse: { kind: "unknown" },
    effect: "",
    observedHash: "ab",
    drift: [],
    ...more,
  };
}
