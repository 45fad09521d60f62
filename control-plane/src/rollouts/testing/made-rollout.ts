/** Made-up rollouts and targets, for tests of decisions. */
import { nodeId } from "../../kernel/ids.js";
import { MINUTE, SECOND } from "../../kernel/time.js";
import type { CommandView, Rollout, Target } from "../domain/rollout.js";

export function madeTarget(name: string, more: Partial<Target> = {}): Target {
  return {
    nodeId: nodeId(name),
    nodeName: name,
    labels: { role: "web" },
    wave: 1,
    state: "planned",
    because: "",
    commandId: `c-${name}`,
    planHash: `h-${name}`,
    planSummary: "",
    approvals: 0,
    approver: "approver",
    ...more,
  };
}

export function madeRollout(more: Partial<Rollout> = {}): Rollout {
  return {
    id: "r",
    spec: {
      action: "restart-service",
      argumentsJson: "{}",
      reason: "",
      waves: [{ kind: "count", count: 1 }],
      gate: { expr: "", settle: 10 * SECOND, within: 5 * MINUTE },
      stopAtFailures: 1,
      stopAtShare: 1,
      maxInFlight: 10,
      limits: [],
      timeoutMs: MINUTE,
    },
    state: "running",
    because: "",
    requestedBy: { kind: "human", name: "ann" },
    requestedRoles: ["operator"],
    requestedAt: 0,
    changedAt: 0,
    expiresAt: 60 * MINUTE,
    traceparent: "",
    planHash: "plan",
    approvals: 0,
    approver: "approver",
    approvedBy: [],
    appliedBy: undefined,
    wave: 1,
    waves: 2,
    startedAt: 0,
    gateFrom: undefined,
    gateSince: undefined,
    forgiven: 0,
    heldBecause: "",
    ...more,
  };
}

export function madeView(
  name: string,
  state: CommandView["state"],
  more: Partial<CommandView> = {},
): CommandView {
  return {
    id: `c-${name}`,
    state,
    because: `it is ${state}`,
    planHash: `h-${name}`,
    planSummary: "",
    approvals: 0,
    approver: "approver",
    ...more,
  };
}
