/** What people make of a rollout: apply, approve, reject, pause, resume, abort. */
import type { Actor } from "../../kernel/actor.js";
import type { Role } from "../../kernel/caller.js";
import { isOnePerson } from "../../kernel/one-person.js";
import type { Instant } from "../../kernel/time.js";
import { ended, type RolloutStep } from "./next-rollout.js";
import { hasEnded, type Rollout, type Target } from "./rollout.js";

export type RolloutDecision =
  | { readonly kind: "change"; readonly step: RolloutStep }
  | {
      readonly kind: "keep";
      readonly because: string;
      /** It is this person that may not; another may. */
      readonly denied: boolean;
    };

const keep = (because: string, denied = false): RolloutDecision => ({ kind: "keep", because, denied });

/** `hash` names the plan that was looked at. */
function otherPlan(rollout: Rollout, hash: string): string | undefined {
  return rollout.planHash === hash
    ? undefined
    : `its plan is ${rollout.planHash.slice(0, 12)}…, not ${hash.slice(0, 12)}…`;
}

function running(
  rollout: Rollout,
  targets: readonly Target[],
  because: string,
  now: Instant,
): RolloutDecision {
  const next: Rollout = {
    ...rollout,
    state: "running",
    because,
    changedAt: now,
    wave: Math.max(1, rollout.wave),
    startedAt: rollout.startedAt ?? now,
    gateFrom: undefined,
    gateSince: undefined,
    heldBecause: "",
  };
  return { kind: "change", step: { rollout: next, targets } };
}

export function afterApply(
  rollout: Rollout,
  targets: readonly Target[],
  by: Actor,
  hash: string,
  now: Instant,
): RolloutDecision {
  if (rollout.state !== "planned") return keep(`it is ${rollout.state}, not planned`);
  const other = otherPlan(rollout, hash);
  if (other !== undefined) return keep(other);
  if (now >= rollout.expiresAt) return keep("it has expired");
  const applied = { ...rollout, appliedBy: by };
  if (rollout.approvals === 0) return running(applied, targets, `${by.name} applied it`, now);
  const people = rollout.approvals === 1 ? "another person" : `${rollout.approvals} other people`;
  return {
    kind: "change",
    step: {
      rollout: { ...applied, state: "awaiting-approval", because: `it waits for ${people}`, changedAt: now },
      targets,
    },
  };
}

/** Someone's yes to a plan that they have seen. */
export interface RolloutVote {
  readonly by: Actor;
  readonly roles: readonly Role[];
  readonly planHash: string;
  readonly reason: string;
}

export function afterApproval(
  rollout: Rollout,
  targets: readonly Target[],
  { by, roles, planHash, reason }: RolloutVote,
  now: Instant,
): RolloutDecision {
  if (rollout.state !== "awaiting-approval") return keep(`it is ${rollout.state}, not awaiting approval`);
  const other = otherPlan(rollout, planHash);
  if (other !== undefined) return keep(other);
  if (by.kind !== "human") return keep(`${by.kind} "${by.name}" is not a person`, true);
  if (isOnePerson(by, rollout.requestedBy))
    return keep(`${by.name} requested it, so another must approve it`, true);
  if (!roles.includes(rollout.approver) && !roles.includes("admin"))
    return keep(`it asks for role ${rollout.approver}; ${by.name} has ${roles.join(", ") || "none"}`, true);
  if (rollout.approvedBy.some(({ actor }) => isOnePerson(actor, by)))
    return keep(`${by.name} approved it already, so another must`, true);
  if (now >= rollout.expiresAt) return keep("it has expired");
  const approvedBy = [...rollout.approvedBy, { actor: by, at: now, reason, elicited: false }];
  const approved = { ...rollout, approvedBy };
  if (approvedBy.length >= rollout.approvals)
    return running(
      approved,
      targets,
      `${approvedBy.map(({ actor }) => actor.name).join(" and ")} approved it`,
      now,
    );
  const because = `${by.name} approved it; ${rollout.approvals - approvedBy.length} more must`;
  return { kind: "change", step: { rollout: { ...approved, because, changedAt: now }, targets } };
}

export function afterRejection(
  rollout: Rollout,
  targets: readonly Target[],
  by: Actor,
  reason: string,
  now: Instant,
): RolloutDecision {
  if (rollout.state !== "awaiting-approval" && rollout.state !== "planned")
    return keep(`it is ${rollout.state}, not awaiting approval`);
  const because = `${by.name} rejected it${said(reason)}`;
  return { kind: "change", step: ended(rollout, targets, "rejected", because, now) };
}

export function afterPause(
  rollout: Rollout,
  targets: readonly Target[],
  by: Actor,
  reason: string,
  now: Instant,
): RolloutDecision {
  if (rollout.state !== "running") return keep(`it is ${rollout.state}, not running`);
  const because = `${by.name} paused it${said(reason)}`;
  const next: Rollout = { ...rollout, state: "paused", because, changedAt: now, heldBecause: "" };
  return { kind: "change", step: { rollout: next, targets } };
}

/** After it stopped by itself, its failures so far are forgiven: the threshold counts from here. */
export function afterResume(
  rollout: Rollout,
  targets: readonly Target[],
  by: Actor,
  reason: string,
  now: Instant,
): RolloutDecision {
  if (rollout.state !== "paused" && rollout.state !== "stopped")
    return keep(`it is ${rollout.state}, not paused or stopped`);
  if (now >= rollout.expiresAt) return keep("it has expired");
  const forgiven =
    rollout.state === "stopped" ? targets.filter(({ state }) => state === "failed").length : rollout.forgiven;
  return running({ ...rollout, forgiven }, targets, `${by.name} resumed it${said(reason)}`, now);
}

export function afterAbort(
  rollout: Rollout,
  targets: readonly Target[],
  by: Actor,
  reason: string,
  now: Instant,
): RolloutDecision {
  if (hasEnded(rollout.state)) return keep(`it is ${rollout.state} already`);
  const because = `${by.name} aborted it${said(reason)}`;
  return { kind: "change", step: ended(rollout, targets, "aborted", because, now) };
}

const said = (reason: string): string => (reason === "" ? "" : `: ${reason}`);
