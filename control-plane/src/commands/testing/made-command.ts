import { commandId, nodeId } from "../../kernel/ids.js";
import { MINUTE } from "../../kernel/time.js";
import type { Command, CommandState } from "../domain/command.js";

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
    reason: "",
    alertId: "",
    requireApproval: false,
    traceparent: "",
    requestedAt: REQUESTED_AT,
    changedAt: REQUESTED_AT,
    expiresAt: REQUESTED_AT + 10 * MINUTE,
    timeoutMs: MINUTE,
    generation: 1,
    plan: undefined,
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
