/**
 * A rollout: one action on many targets, in waves.
 *
 *   planning ──► planned ──► awaiting-approval ──► running ⇄ paused
 *                   └────────────────────────────────▲ │ └──► stopped ──► running (a person resumes it)
 *                     (no plan asks for an approval)   └─────► succeeded
 *
 * and from any state before its end: aborted; from planned and awaiting-approval: rejected; with time: expired.
 *
 * A target:
 *
 *   planning ──► planned ──► starting ──► running ──► succeeded | failed
 *       └► left-out   └► cancelled   └────────┴──► drifted | cancelled
 *
 * `starting` is stored before the command is applied: after a crash in between it is applied again, which does nothing to
 * a command that goes already.
 */
import type { Approval, Command, CommandState } from "../../commands/domain/command.js";
import type { ApproverRole } from "../../commands/domain/policy.js";
import type { Actor } from "../../kernel/actor.js";
import type { Role } from "../../kernel/caller.js";
import { canonicalJson } from "../../kernel/canonical-json.js";
import type { NodeId } from "../../kernel/ids.js";
import { compareText, type Labels } from "../../kernel/labels.js";
import type { Duration, Instant } from "../../kernel/time.js";

/** How many targets a wave takes: a number, or a share (0..1, rounded up) of all of them. */
export type Wave =
  | { readonly kind: "count"; readonly count: number }
  | { readonly kind: "share"; readonly share: number };

/** Targets with the same value of a label that may be under way at once: the smaller of both, and at least one. */
export interface Limit {
  readonly label: string;
  readonly max: number;
  /** Of the rollout's targets with that value, 0..1. */
  readonly share: number;
}

export interface RolloutSpec {
  readonly action: string;
  /** A JSON object, canonical. */
  readonly argumentsJson: string;
  readonly reason: string;
  /** The last wave takes what is left. */
  readonly waves: readonly Wave[];
  readonly gate: {
    /** Empty: no critical alert has begun on a target that is done. */
    readonly expr: string;
    readonly settle: Duration;
    readonly within: Duration;
  };
  readonly stopAtFailures: number;
  /** 1: only the number counts. */
  readonly stopAtShare: number;
  readonly maxInFlight: number;
  readonly limits: readonly Limit[];
  readonly timeoutMs: number;
}

/** One, then a tenth, then the rest. */
export const DEFAULT_WAVES: readonly Wave[] = [
  { kind: "count", count: 1 },
  { kind: "share", share: 0.1 },
];

export const DEFAULT_LIMITS: readonly Limit[] = [
  { label: "role", max: Number.MAX_SAFE_INTEGER, share: 0.34 },
  { label: "zone", max: Number.MAX_SAFE_INTEGER, share: 0.5 },
];

export const ROLLOUT_STATES = [
  "planning",
  "planned",
  "awaiting-approval",
  "running",
  "paused",
  "stopped",
  "succeeded",
  "aborted",
  "rejected",
  "expired",
] as const;
export type RolloutState = (typeof ROLLOUT_STATES)[number];

/** States out of which nothing leads. */
const ENDED: readonly RolloutState[] = ["succeeded", "aborted", "rejected", "expired"];

export const hasEnded = (state: RolloutState): boolean => ENDED.includes(state);

export const TARGET_STATES = [
  "planning",
  "planned",
  "starting",
  "running",
  "succeeded",
  "failed",
  "drifted",
  "left-out",
  "cancelled",
] as const;
export type TargetState = (typeof TARGET_STATES)[number];

export interface Target {
  readonly nodeId: NodeId;
  readonly nodeName: string;
  readonly labels: Labels;
  /** From 1; 0 until it is planned. */
  readonly wave: number;
  readonly state: TargetState;
  readonly because: string;
  /** Empty until its command is requested. */
  readonly commandId: string;
  /** The plan that the rollout's own hash covers; empty until it is made. */
  readonly planHash: string;
  readonly planSummary: string;
  /** People that policy wants for it; 0 when it allows the plan. */
  readonly approvals: number;
  /** The role each of them must have. */
  readonly approver: ApproverRole;
}

export interface Rollout {
  readonly id: string;
  readonly spec: RolloutSpec;
  readonly state: RolloutState;
  readonly because: string;
  readonly requestedBy: Actor;
  readonly requestedRoles: readonly Role[];
  readonly requestedAt: Instant;
  readonly changedAt: Instant;
  /** Nothing is started after this. */
  readonly expiresAt: Instant;
  readonly traceparent: string;
  /** Binds an approval to targets, action, arguments, shape and each target's plan; empty until all are planned. */
  readonly planHash: string;
  readonly approvals: number;
  /** The role that each approver must have: admin when any target asks for that. */
  readonly approver: ApproverRole;
  /** They count for each of its commands. */
  readonly approvedBy: readonly Approval[];
  /** Who let it run; undefined until then. */
  readonly appliedBy: Actor | undefined;
  /** From 1; 0 until it runs. */
  readonly wave: number;
  readonly waves: number;
  readonly startedAt: Instant | undefined;
  /** When the wave's last target ended; the gate is asked from then on. */
  readonly gateFrom: Instant | undefined;
  /** Since when the gate has held without a break. */
  readonly gateSince: Instant | undefined;
  /** Failures that a person forgave by resuming. */
  readonly forgiven: number;
  /** Why nothing is started now though it runs; empty otherwise. */
  readonly heldBecause: string;
}

export const isUnderWay = ({ state }: Target): boolean => state === "starting" || state === "running";

/** What is known of a target's command. */
export interface CommandView {
  readonly id: string;
  readonly state: CommandState;
  readonly because: string;
  readonly planHash: string;
  readonly planSummary: string;
  /** People that policy wants; 0 when it allows the plan. */
  readonly approvals: number;
  readonly approver: ApproverRole;
}

export function viewOf({ id, state, because, plan }: Command): CommandView {
  return {
    id,
    state,
    because,
    planHash: plan?.hash ?? "",
    planSummary: plan?.summary ?? "",
    approvals: plan?.verdict === "ask" ? Math.max(1, plan.approvals) : 0,
    approver: plan?.approver ?? "approver",
  };
}

/** How many targets each wave has, the last taking the rest; waves that would be empty are left out. */
export function waveSizes(targets: number, waves: readonly Wave[]): readonly number[] {
  const sizes: number[] = [];
  let left = targets;
  for (const wave of waves) {
    if (left === 0) break;
    const wanted = wave.kind === "count" ? wave.count : Math.ceil(wave.share * targets);
    const size = Math.min(left, Math.max(1, wanted));
    sizes.push(size);
    left -= size;
  }
  if (left > 0) sizes.push(left);
  return sizes;
}

/** The planned targets with their waves, in the order of their names; what could not be planned is in none. */
export function assignWaves(targets: readonly Target[], waves: readonly Wave[]): readonly Target[] {
  const planned = targets
    .filter(({ state }) => state === "planned")
    .sort((a, b) => compareText(a.nodeName, b.nodeName) || compareText(a.nodeId, b.nodeId));
  const waveOf = new Map<string, number>();
  let next = 0;
  waveSizes(planned.length, waves).forEach((size, index) => {
    for (const target of planned.slice(next, next + size)) waveOf.set(target.nodeId, index + 1);
    next += size;
  });
  return targets.map((target) => ({ ...target, wave: waveOf.get(target.nodeId) ?? 0 }));
}

/** What an approval of the rollout is an approval of. */
export function planText({ spec }: Pick<Rollout, "spec">, targets: readonly Target[]): string {
  return canonicalJson({
    action: spec.action,
    arguments: spec.argumentsJson,
    gate: { ...spec.gate },
    stopAt: [spec.stopAtFailures, spec.stopAtShare],
    inFlight: [spec.maxInFlight, spec.limits.map(({ label, max, share }) => [label, max, share])],
    timeoutMs: spec.timeoutMs,
    targets: targets
      .filter(({ wave }) => wave > 0)
      .sort((a, b) => compareText(a.nodeId, b.nodeId))
      .map(({ nodeId, wave, planHash }) => [nodeId, wave, planHash]),
  });
}
