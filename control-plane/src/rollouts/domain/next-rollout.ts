/** One step of a rollout: what its commands' states, its gate and the time make of it. */
import { formatDuration, type Instant } from "../../kernel/time.js";
import { chooseStarts } from "./choose-starts.js";
import { followCommand } from "./follow-command.js";
import type { ReachVerdict } from "./judge-reach.js";
import {
  assignWaves,
  type CommandView,
  hasEnded,
  isUnderWay,
  planText,
  type Rollout,
  type Target,
} from "./rollout.js";

/** Whether the done part is well; `unknown` counts as not yet. */
export interface Health {
  readonly kind: "healthy" | "unhealthy" | "unknown";
  readonly because: string;
}

export interface RolloutFacts {
  /** By command id; a target whose command is not there has not been asked yet. */
  readonly commands: ReadonlyMap<string, CommandView>;
  readonly health: Health;
  /** Why the safety budget lets nothing be done on a target now: a tripped brake, a storm. */
  readonly holdOf: (target: Target) => string | undefined;
  /** What policy says to the targets that could be planned, taken together. */
  readonly judgeReach: (planned: readonly Target[]) => ReachVerdict;
  /** SHA-256 in hex. */
  readonly digest: (text: string) => string;
}

export interface RolloutStep {
  readonly rollout: Rollout;
  /** All targets, in the order given; those that did not change are the same objects. */
  readonly targets: readonly Target[];
}

/** Deterministic and repeatable: a second step on the same facts changes nothing more. */
export function nextRollout(
  rollout: Rollout,
  targets: readonly Target[],
  facts: RolloutFacts,
  now: Instant,
): RolloutStep {
  const followed = targets.map((target) => {
    const command = facts.commands.get(target.commandId);
    return command === undefined ? target : followCommand(target, command);
  });
  switch (rollout.state) {
    case "planning":
      return afterPlanning(rollout, followed, facts, now);
    case "planned":
    case "awaiting-approval":
      return now < rollout.expiresAt
        ? { rollout, targets: followed }
        : ended(rollout, followed, "expired", "nobody let it run in time", now);
    case "running":
      return afterRunning(rollout, followed, facts, now);
    case "paused":
    case "stopped": {
      const resting = followed.map((target) => unstarted(target, facts));
      return now < rollout.expiresAt || rollout.state === "stopped"
        ? { rollout, targets: resting }
        : { rollout: moved(rollout, "stopped", "it was paused for too long", now), targets: resting };
    }
    default:
      return {
        rollout,
        targets: followed.map((target) => withdrawn(unstarted(target, facts), rollout.because)),
      };
  }
}

/** A start that was decided and not yet carried out is taken back. Should it be carried out all the same, it is followed. */
function unstarted(target: Target, { commands }: RolloutFacts): Target {
  const state = commands.get(target.commandId)?.state;
  return target.state === "starting" && (state === "planned" || state === "awaiting-approval")
    ? { ...target, state: "planned", because: "it was stopped before it began" }
    : target;
}

/** Targets that have not begun will not. */
function withdrawn(target: Target, because: string): Target {
  return target.state === "planned" || target.state === "planning"
    ? { ...target, state: "cancelled", because }
    : target;
}

function moved(rollout: Rollout, state: Rollout["state"], because: string, now: Instant): Rollout {
  return { ...rollout, state, because, changedAt: now, heldBecause: "" };
}

/** The end of a rollout: what has not begun is withdrawn. */
export function ended(
  rollout: Rollout,
  targets: readonly Target[],
  state: Rollout["state"],
  because: string,
  now: Instant,
): RolloutStep {
  return {
    rollout: moved(rollout, state, because, now),
    targets: targets.map((target) => withdrawn(target, because)),
  };
}

function afterPlanning(
  rollout: Rollout,
  targets: readonly Target[],
  facts: RolloutFacts,
  now: Instant,
): RolloutStep {
  const waiting = targets.filter(({ state }) => state === "planning").length;
  if (waiting > 0) {
    return now < rollout.expiresAt
      ? { rollout, targets }
      : ended(rollout, targets, "expired", `${waiting} targets gave no plan in time`, now);
  }
  const planned = targets.filter(({ state }) => state === "planned");
  if (planned.length === 0)
    return ended(
      rollout,
      targets,
      "expired",
      `none of ${targets.length} targets could be planned: ${targets[0]?.because ?? "there are none"}`,
      now,
    );
  const reach = facts.judgeReach(planned);
  if (reach.verdict === "deny") return ended(rollout, targets, "rejected", reach.because, now);
  const assigned = assignWaves(targets, rollout.spec.waves);
  const waves = Math.max(...assigned.map(({ wave }) => wave));
  const leftOut = targets.length - planned.length;
  return {
    rollout: {
      ...moved(
        rollout,
        "planned",
        `${planned.length} targets in ${waves} waves${leftOut === 0 ? "" : `; ${leftOut} could not be planned`}${reach.verdict === "ask" ? `; ${reach.because}` : ""}`,
        now,
      ),
      planHash: facts.digest(planText(rollout, assigned)),
      approvals: Math.max(reach.approvals, ...planned.map(({ approvals }) => approvals)),
      approver: [reach, ...planned].some(({ approver }) => approver === "admin") ? "admin" : "approver",
      waves,
    },
    targets: assigned,
  };
}

function afterRunning(
  rollout: Rollout,
  targets: readonly Target[],
  facts: RolloutFacts,
  now: Instant,
): RolloutStep {
  const { spec } = rollout;
  const taking = targets.filter(({ wave }) => wave > 0);
  const failed = taking.filter(({ state }) => state === "failed").length - rollout.forgiven;
  if (failed >= spec.stopAtFailures || failed >= spec.stopAtShare * taking.length) {
    const forgiven = rollout.forgiven === 0 ? "" : ` since it was resumed`;
    const because = `${failed} of ${taking.length} targets failed${forgiven}, and it stops at ${threshold(rollout)}`;
    return { rollout: moved(rollout, "stopped", because, now), targets };
  }
  if (now >= rollout.expiresAt)
    return { rollout: moved(rollout, "stopped", "its time is over", now), targets };
  const ofWave = taking.filter(({ wave }) => wave === rollout.wave);
  if (ofWave.some(({ state }) => state === "planned")) return started(rollout, targets, facts, now);
  if (ofWave.some(isUnderWay)) return { rollout: unheld(rollout), targets };
  return { rollout: afterWave(rollout, taking, facts.health, now), targets };
}

const unheld = (rollout: Rollout): Rollout =>
  rollout.heldBecause === "" ? rollout : { ...rollout, heldBecause: "" };

function threshold({ spec }: Rollout): string {
  const share = spec.stopAtShare >= 1 ? "" : ` or ${Math.round(spec.stopAtShare * 100)} %`;
  return `${spec.stopAtFailures}${share}`;
}

function started(
  rollout: Rollout,
  targets: readonly Target[],
  facts: RolloutFacts,
  now: Instant,
): RolloutStep {
  const starts = chooseStarts(rollout.spec, targets, rollout.wave, facts.holdOf);
  const chosen = new Set(starts.targets.map(({ nodeId }) => nodeId));
  const because = `wave ${rollout.wave} of ${rollout.waves}`;
  return {
    rollout: {
      ...(rollout.heldBecause === starts.heldBecause
        ? rollout
        : { ...rollout, heldBecause: starts.heldBecause }),
      ...(chosen.size === 0 ? {} : { changedAt: now }),
    },
    targets: targets.map((target) =>
      chosen.has(target.nodeId) ? { ...target, state: "starting", because } : target,
    ),
  };
}

/** The gate behind a wave: it has to hold for a while without a break, and to begin within a time. */
function afterWave(rollout: Rollout, taking: readonly Target[], health: Health, now: Instant): Rollout {
  const { gate } = rollout.spec;
  const gateFrom = rollout.gateFrom ?? now;
  if (health.kind !== "healthy") {
    const because = `after wave ${rollout.wave} of ${rollout.waves}: ${health.because}`;
    if (now >= gateFrom + gate.within)
      return { ...moved(rollout, "stopped", because, now), gateSince: undefined };
    return { ...rollout, gateFrom, gateSince: undefined, heldBecause: because };
  }
  const gateSince = rollout.gateSince ?? now;
  if (now < gateSince + gate.settle) {
    const rest = formatDuration(gateSince + gate.settle - now);
    const heldBecause = `wave ${rollout.wave} of ${rollout.waves} is done and well; the next may begin in ${rest}`;
    // The rest is counted in whole steps, so that waiting is not a change every time.
    return rollout.gateSince === undefined ? { ...rollout, gateFrom, gateSince, heldBecause } : rollout;
  }
  if (rollout.wave >= rollout.waves) {
    const done = taking.filter(({ state }) => state === "succeeded").length;
    const because = `${done} of ${taking.length} targets are done, in ${rollout.waves} waves`;
    return moved(rollout, done === 0 ? "stopped" : "succeeded", because, now);
  }
  return {
    ...rollout,
    wave: rollout.wave + 1,
    gateFrom: undefined,
    gateSince: undefined,
    heldBecause: "",
    because: `wave ${rollout.wave + 1} of ${rollout.waves}`,
    changedAt: now,
  };
}

/** Whether nothing will change any more unless a person does something. */
export function isAtRest(rollout: Rollout, targets: readonly Target[]): boolean {
  return (hasEnded(rollout.state) || rollout.state === "stopped") && !targets.some(isUnderWay);
}
