/** Rollouts and targets as their messages. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type {
  RolloutSchema,
  RolloutSpecSchema,
  RolloutTargetSchema,
  RolloutState as WireState,
  RolloutTargetState as WireTargetState,
} from "@mainstay/proto/gen/mainstay/operator/v1/rollouts_pb";
import { SECOND } from "../kernel/time.js";
import {
  ROLLOUT_STATES,
  type Rollout,
  type RolloutSpec,
  TARGET_STATES,
  type Target,
  type TargetState,
} from "./domain/rollout.js";

export type Counts = ReadonlyMap<TargetState, number>;

export function countsOf(targets: readonly Target[]): Counts {
  const counts = new Map<TargetState, number>();
  for (const { state } of targets) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}

function specToWire(spec: RolloutSpec, expiresInMs: number): MessageInitShape<typeof RolloutSpecSchema> {
  return {
    action: spec.action,
    argumentsJson: spec.argumentsJson,
    reason: spec.reason,
    waves: spec.waves.map((wave) =>
      wave.kind === "count" ? { count: wave.count } : { percent: wave.share * 100 },
    ),
    gate: {
      expr: spec.gate.expr,
      settleSeconds: Math.round(spec.gate.settle / SECOND),
      withinSeconds: Math.round(spec.gate.within / SECOND),
    },
    stopAtFailures: spec.stopAtFailures,
    stopAtPercent: spec.stopAtShare >= 1 ? 0 : spec.stopAtShare * 100,
    maxInFlight: spec.maxInFlight,
    limits: spec.limits.map(({ label, max, share }) => ({
      label,
      max: max > 0xffff_ffff ? 0 : max,
      percent: share * 100,
    })),
    timeoutMs: spec.timeoutMs,
    expiresInSeconds: Math.round(expiresInMs / SECOND),
  };
}

export function rolloutToWire(rollout: Rollout, counts: Counts): MessageInitShape<typeof RolloutSchema> {
  const count = (...states: readonly TargetState[]): number =>
    states.reduce((sum, state) => sum + (counts.get(state) ?? 0), 0);
  return {
    rolloutId: rollout.id,
    spec: specToWire(rollout.spec, rollout.expiresAt - rollout.requestedAt),
    state: (ROLLOUT_STATES.indexOf(rollout.state) + 1) as WireState,
    because: rollout.because,
    requestedBy: rollout.requestedBy,
    requestedAt: timestampFromMs(rollout.requestedAt),
    changedAt: timestampFromMs(rollout.changedAt),
    expiresAt: timestampFromMs(rollout.expiresAt),
    planHash: rollout.planHash,
    approvalsNeeded: rollout.approvals,
    approvedBy: rollout.approvedBy.map(({ actor }) => actor),
    wave: rollout.wave,
    waves: rollout.waves,
    counts: {
      targets: count(...TARGET_STATES),
      planned: count("planned"),
      underWay: count("starting", "running"),
      succeeded: count("succeeded"),
      failed: count("failed"),
      drifted: count("drifted"),
      leftOut: count("left-out"),
      cancelled: count("cancelled"),
    },
    heldBecause: rollout.heldBecause,
  };
}

export function targetToWire(target: Target): MessageInitShape<typeof RolloutTargetSchema> {
  return {
    nodeId: target.nodeId,
    nodeName: target.nodeName,
    wave: target.wave,
    state: (TARGET_STATES.indexOf(target.state) + 1) as WireTargetState,
    because: target.because,
    commandId: target.commandId,
    planHash: target.planHash,
    planSummary: target.planSummary,
  };
}
