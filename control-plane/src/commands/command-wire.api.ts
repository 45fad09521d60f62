/** Commands, plans and output as messages of the contract. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type CommandSchema,
  type OutputPieceSchema,
  type PlanSchema,
  CommandState as WireState,
} from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import type { Instant } from "../kernel/time.js";
import type { StoredOutput } from "./commands.store.js";
import { COMMAND_STATES, type Command, type CommandState, type Plan } from "./domain/command.js";
import type { Inverse } from "./domain/read-plan.js";

function stateToWire(state: CommandState): WireState {
  return (COMMAND_STATES.indexOf(state) + 1) as WireState;
}

export function stateFromWire(state: WireState): CommandState | undefined {
  return state === WireState.UNSPECIFIED ? undefined : COMMAND_STATES[state - 1];
}

export function toWire(command: Command): MessageInitShape<typeof CommandSchema> {
  return {
    commandId: command.id,
    nodeId: command.nodeId,
    nodeName: command.nodeName,
    action: command.action,
    argumentsJson: command.argumentsJson,
    state: stateToWire(command.state),
    because: command.because,
    requestedBy: command.requestedBy,
    reason: command.reason,
    ...(command.plan === undefined ? {} : { plan: planToWire(command.plan, command.expiresAt) }),
    ...(command.approvedBy === undefined ? {} : { approvedBy: command.approvedBy }),
    requestedAt: timestampFromMs(command.requestedAt),
    changedAt: timestampFromMs(command.changedAt),
    expiresAt: timestampFromMs(command.expiresAt),
    generation: BigInt(command.generation),
    exitCode: command.exitCode,
    summary: command.summary,
    resultJson: command.resultJson,
    alertId: command.alertId,
    verification: command.verification,
    traceparent: command.traceparent,
    approvals: command.approvals.map(({ actor, at, reason, elicited }) => ({
      actor,
      at: timestampFromMs(at),
      reason,
      elicited,
    })),
    undoesCommandId: command.undoes,
    undoneByCommandId: command.undoneBy,
  };
}

function planToWire(plan: Plan, expiresAt: Instant): MessageInitShape<typeof PlanSchema> {
  const { reach } = plan;
  return {
    hash: plan.hash,
    summary: plan.summary,
    planJson: plan.json,
    verdict: plan.verdict,
    verdictBecause: plan.verdictBecause,
    madeAt: timestampFromMs(plan.madeAt),
    approvalsNeeded: plan.approvals,
    approverRole: plan.verdict === "ask" ? plan.approver : "",
    elicitation: plan.elicitation,
    ...(reach === undefined
      ? {}
      : {
          blastRadius: {
            nodes: [...reach.nodes],
            components: [...reach.components],
            dependents: [...reach.dependents],
            roleShare: reach.roleShare,
            criticality: reach.criticality ?? "",
          },
        }),
    ...inverseToWire(plan.inverse),
    expectedEffect: plan.effect,
    observedHash: plan.observedHash,
    expiresAt: timestampFromMs(expiresAt),
    policyRule: plan.rule,
    drift: [...plan.drift],
  };
}

function inverseToWire(inverse: Inverse): { inverseKind: string; inverseJson: string } {
  if (inverse.kind !== "action") return { inverseKind: inverse.kind, inverseJson: "" };
  const action = JSON.stringify(inverse.action);
  return { inverseKind: "action", inverseJson: `{"action":${action},"arguments":${inverse.argumentsJson}}` };
}

export function outputToWire(output: StoredOutput): MessageInitShape<typeof OutputPieceSchema> {
  return {
    stream: output.stream,
    offset: BigInt(output.offset),
    data: output.data,
    skippedBytes: BigInt(output.skippedBytes),
    at: timestampFromMs(output.at),
  };
}
