/** A request as the command that it becomes, or why it may not become one. */
import type { Actor } from "../kernel/actor.js";
import type { Role } from "../kernel/caller.js";
import { OpsError } from "../kernel/errors.js";
import { type CommandId, commandId } from "../kernel/ids.js";
import type { Instant } from "../kernel/time.js";
import type { Draws } from "../platform/system.js";
import type { Command } from "./domain/command.js";
import type { TargetNode } from "./judge-command.js";

export interface CommandRequest {
  /** Makes a repeated request harmless; told apart by requester. */
  readonly requestId: string;
  readonly node: string;
  readonly action: string;
  readonly argumentsJson: string;
  readonly requestedBy: Actor;
  /** The roles of the requester. @default none */
  readonly roles?: readonly Role[];
  readonly reason: string;
  readonly alertId?: string;
  readonly requireApproval?: boolean;
  /** Stop when the plan is made, even when policy allows it. */
  readonly hold?: boolean;
  /** The command that it takes back. */
  readonly undoes?: CommandId;
  readonly expiresInMs: number;
  readonly timeoutMs: number;
  readonly traceparent: string;
}

export const requestKeyOf = ({ requestedBy: { kind, name }, requestId }: CommandRequest): string =>
  `${kind}/${name}/${requestId}`;

/** Throws NOT_FOUND for the node, FAILED_PRECONDITION when it is revoked or does not offer the action. */
export function newCommand(
  request: CommandRequest,
  node: TargetNode | undefined,
  now: Instant,
  draws: Draws,
): Command {
  const what = `request ${request.action}`;
  if (node === undefined) throw new OpsError("NOT_FOUND", `${what}: there is no node "${request.node}"`);
  if (node.revoked) throw new OpsError("FAILED_PRECONDITION", `${what}: node "${node.name}" was revoked`);
  if (!node.actions.includes(request.action)) {
    const offers = node.actions.length === 0 ? "none" : node.actions.join(", ");
    throw new OpsError(
      "FAILED_PRECONDITION",
      `${what}: the agent of "${node.name}" does not offer it; it offers ${offers}`,
    );
  }
  const alertId = request.alertId ?? "";
  return {
    id: commandId(draws.id(now)),
    nodeId: node.id,
    nodeName: node.name,
    action: request.action,
    argumentsJson: request.argumentsJson,
    state: "planning",
    because: "the agent is asked what it would do",
    requestedBy: request.requestedBy,
    requestedRoles: request.roles ?? [],
    reason: request.reason,
    alertId,
    requireApproval: request.requireApproval ?? false,
    hold: request.hold ?? false,
    undoes: request.undoes ?? "",
    undoneBy: "",
    traceparent: request.traceparent,
    requestedAt: now,
    changedAt: now,
    expiresAt: now + request.expiresInMs,
    timeoutMs: request.timeoutMs,
    generation: 1,
    attempt: 1,
    plan: undefined,
    approvals: [],
    approvedBy: undefined,
    cancelBecause: undefined,
    exitCode: 0,
    summary: "",
    resultJson: "",
    verification: alertId === "" ? "" : "pending",
    sentSession: undefined,
    previewSequence: 0,
    runSequence: 0,
  };
}
