/** Every change of a rollout goes through here: locked, decided, stored with its journal entries, told live. */

import { readCommandsById } from "../commands/commands.module.js";
import type { Policy } from "../commands/domain/policy.js";
import type { NewEntry } from "../journal/domain/entry.js";
import { appendEntries } from "../journal/journal.module.js";
import { type Actor, SYSTEM } from "../kernel/actor.js";
import type { Role } from "../kernel/caller.js";
import { OpsError } from "../kernel/errors.js";
import { labelsKey } from "../kernel/labels.js";
import type { Duration, Instant } from "../kernel/time.js";
import type { Database, Queryable, Transaction } from "../platform/postgres/database.js";
import type { Live } from "../platform/redis/live.js";
import { type System, sha256Hex } from "../platform/system.js";
import type { Safety } from "../safety/safety.module.js";
import type { Topology } from "../topology/domain/component.js";
import { ROLE_LABEL } from "../topology/domain/find-impact.js";
import {
  afterAbort,
  afterApply,
  afterApproval,
  afterPause,
  afterRejection,
  afterResume,
  type RolloutDecision,
  type RolloutVote,
} from "./domain/decide-rollout.js";
import { judgeReach, type ReachFacts } from "./domain/judge-reach.js";
import { type Health, isAtRest, nextRollout, type RolloutStep } from "./domain/next-rollout.js";
import { type CommandView, type Rollout, type RolloutSpec, type Target, viewOf } from "./domain/rollout.js";
import {
  insertRollout,
  lockRollout,
  readRollout,
  readRolloutByRequest,
  readTargets,
  saveRollout,
  saveTargets,
} from "./rollouts.store.js";

/** The live channel on which a rollout's news is told; the message is empty, the truth is in PostgreSQL. */
export const rolloutChannel = (id: string): string => `rollout:${id}`;
/** The live channel that says that there may be something to do. */
export const ROLLOUTS_CHANNEL = "rollouts";

export interface RolloutDeskPorts {
  readonly database: Database;
  readonly live: Live;
  readonly system: System;
  readonly safety: Pick<Safety, "judgeWorld">;
  readonly policy: () => Policy;
  readonly topology: () => Topology;
  /** How many nodes that are not revoked have a label of this value. */
  readonly countNodes: (db: Queryable, label: string, value: string) => Promise<number>;
}

export interface RolloutRequest {
  /** Makes a repeated request harmless; told apart by requester. */
  readonly requestId: string;
  readonly spec: RolloutSpec;
  readonly targets: readonly Pick<Target, "nodeId" | "nodeName" | "labels">[];
  readonly requestedBy: Actor;
  readonly roles: readonly Role[];
  readonly expiresInMs: Duration;
  readonly traceparent: string;
}

/** A rollout as stored, with its targets and what is known of their commands. */
export interface RolloutView {
  readonly rollout: Rollout;
  readonly targets: readonly Target[];
  readonly commands: ReadonlyMap<string, CommandView>;
}

export class RolloutDesk {
  readonly #ports: RolloutDeskPorts;

  constructor(ports: RolloutDeskPorts) {
    this.#ports = ports;
  }

  /** Stores a rollout, in state planning. The same request asked again gives the rollout as it is now. */
  async plan(request: RolloutRequest): Promise<Rollout> {
    const { database, system } = this.#ports;
    const { requestedBy, spec } = request;
    const requestKey = `${requestedBy.kind}/${requestedBy.name}/${request.requestId}`;
    const known = await readRolloutByRequest(database, requestKey);
    if (known !== undefined) return known;
    const now = system.clock.now();
    const rollout: Rollout = {
      id: system.draws.id(now),
      spec,
      state: "planning",
      because: "each target's agent is asked what it would do",
      requestedBy,
      requestedRoles: request.roles,
      requestedAt: now,
      changedAt: now,
      expiresAt: now + request.expiresInMs,
      traceparent: request.traceparent,
      planHash: "",
      approvals: 0,
      approver: "approver",
      approvedBy: [],
      appliedBy: undefined,
      wave: 0,
      waves: 0,
      startedAt: undefined,
      gateFrom: undefined,
      gateSince: undefined,
      forgiven: 0,
      heldBecause: "",
    };
    const targets = request.targets.map(
      (target): Target => ({
        ...target,
        wave: 0,
        state: "planning",
        because: "",
        commandId: "",
        planHash: "",
        planSummary: "",
        approvals: 0,
        approver: "approver",
      }),
    );
    const stored = await database.transaction(async (tx) => {
      if (!(await insertRollout(tx, rollout, requestKey, targets))) return false;
      const because = spec.reason || rollout.because;
      await appendEntries(tx, [entryOf("rollout.requested", rollout, targets, requestedBy, because, now)]);
      return true;
    });
    this.#tell(rollout.id);
    if (stored) return rollout;
    // Another replica stored the same request between our look and our insert.
    return (await readRolloutByRequest(database, requestKey)) ?? rollout;
  }

  apply(id: string, by: Actor, planHash: string): Promise<Rollout> {
    return this.#decide(id, "apply", by, (rollout, targets, now) =>
      afterApply(rollout, targets, by, planHash, now),
    );
  }

  approve(id: string, vote: RolloutVote): Promise<Rollout> {
    return this.#decide(id, "approve", vote.by, (rollout, targets, now) =>
      afterApproval(rollout, targets, vote, now),
    );
  }

  reject(id: string, by: Actor, reason: string): Promise<Rollout> {
    return this.#decide(id, "reject", by, (rollout, targets, now) =>
      afterRejection(rollout, targets, by, reason, now),
    );
  }

  pause(id: string, by: Actor, reason: string): Promise<Rollout> {
    return this.#decide(id, "pause", by, (rollout, targets, now) =>
      afterPause(rollout, targets, by, reason, now),
    );
  }

  resume(id: string, by: Actor, reason: string): Promise<Rollout> {
    return this.#decide(id, "resume", by, (rollout, targets, now) =>
      afterResume(rollout, targets, by, reason, now),
    );
  }

  abort(id: string, by: Actor, reason: string): Promise<Rollout> {
    return this.#decide(id, "abort", by, (rollout, targets, now) =>
      afterAbort(rollout, targets, by, reason, now),
    );
  }

  /**
   * What its commands, its gate and the time make of a rollout, stored before anything follows from it. Answers it as it
   * then is; undefined when there is none.
   */
  async step(id: string, health: Health): Promise<RolloutView | undefined> {
    const { database, system } = this.#ports;
    const { view, changed } = await database.transaction(async (tx) => {
      const rollout = await lockRollout(tx, id);
      if (rollout === undefined) return { view: undefined, changed: false };
      const now = system.clock.now();
      const targets = await readTargets(tx, id);
      const commands = await readViews(tx, targets);
      const reachFacts = await this.#reachFacts(tx, rollout, targets);
      const holds = await this.#holds(tx, rollout, targets, now);
      const step = nextRollout(
        rollout,
        targets,
        {
          commands,
          health,
          holdOf: ({ nodeId }) => holds.get(nodeId),
          judgeReach: (planned) => judgeReach(rollout, planned, reachFacts, now),
          digest: sha256Hex,
        },
        now,
      );
      const stored = await this.#store(tx, { rollout, targets }, step, SYSTEM, now);
      return { view: { ...step, commands }, changed: stored };
    });
    if (changed) this.#tell(id);
    return view;
  }

  async #reachFacts(tx: Transaction, { state }: Rollout, targets: readonly Target[]): Promise<ReachFacts> {
    const { policy, topology, countNodes } = this.#ports;
    const roleSizes = new Map<string, number>();
    // It is asked once: when the plans are there.
    const roles = state === "planning" ? new Set(targets.map(({ labels }) => labels[ROLE_LABEL] ?? "")) : [];
    for (const role of roles) if (role !== "") roleSizes.set(role, await countNodes(tx, ROLE_LABEL, role));
    return { policy: policy(), topology: topology(), roleSizes };
  }

  /** Why the brake or a storm lets nothing be done on targets whose turn it is, by node. */
  async #holds(
    tx: Transaction,
    rollout: Rollout,
    targets: readonly Target[],
    now: Instant,
  ): Promise<ReadonlyMap<string, string>> {
    const holds = new Map<string, string>();
    if (rollout.state !== "running") return holds;
    // Nodes with the same labels are in the same domains.
    const byLabels = new Map<string, string | undefined>();
    for (const { nodeId, labels, state, wave } of targets) {
      if (state !== "planned" || wave !== rollout.wave) continue;
      const key = labelsKey(labels);
      if (!byLabels.has(key)) {
        const verdict = await this.#ports.safety.judgeWorld(tx, { id: nodeId, labels }, now);
        byLabels.set(key, verdict.kind === "hold" ? verdict.because : undefined);
      }
      const because = byLabels.get(key);
      if (because !== undefined) holds.set(nodeId, because);
    }
    return holds;
  }

  async #decide(
    id: string,
    verb: string,
    by: Actor,
    decide: (rollout: Rollout, targets: readonly Target[], now: Instant) => RolloutDecision,
  ): Promise<Rollout> {
    const { database, system } = this.#ports;
    const next = await database.transaction(async (tx) => {
      const rollout = await lockRollout(tx, id);
      if (rollout === undefined) throw new OpsError("NOT_FOUND", `${verb} rollout "${id}": there is none`);
      const targets = await readTargets(tx, id);
      const now = system.clock.now();
      const decision = decide(rollout, targets, now);
      if (decision.kind === "keep") {
        throw new OpsError(
          decision.denied ? "PERMISSION_DENIED" : "FAILED_PRECONDITION",
          `${verb} rollout "${id}": ${decision.because}`,
        );
      }
      await this.#store(tx, { rollout, targets }, decision.step, by, now);
      return decision.step.rollout;
    });
    this.#tell(id);
    return next;
  }

  /** Writes what changed, and its entries; answers whether anything did. */
  async #store(
    tx: Transaction,
    before: RolloutStep,
    after: RolloutStep,
    by: Actor,
    now: Instant,
  ): Promise<boolean> {
    const changedTargets = after.targets.filter((target, index) => target !== before.targets[index]);
    const changed = after.rollout !== before.rollout || changedTargets.length > 0;
    const atRest = isAtRest(after.rollout, after.targets);
    if (!changed && !atRest) return false;
    await saveTargets(tx, after.rollout.id, changedTargets);
    await saveRollout(tx, after.rollout, atRest);
    const { rollout, targets } = after;
    const entry = (kind: string, because: string): NewEntry =>
      entryOf(kind, rollout, targets, by, because, now);
    const entries: NewEntry[] = [];
    if (rollout.state !== before.rollout.state)
      entries.push(entry(`rollout.${rollout.state}`, rollout.because));
    else if (rollout.approvedBy.length > before.rollout.approvedBy.length)
      entries.push(entry("rollout.approved", rollout.because));
    if (rollout.wave > before.rollout.wave)
      entries.push(entry("rollout.wave", `wave ${rollout.wave} of ${rollout.waves} begins`));
    for (const target of changedTargets) {
      if (target.state === "drifted")
        entries.push(entry("rollout.drifted", `${target.nodeName}: ${target.because}`));
    }
    await appendEntries(tx, entries);
    return changed;
  }

  #tell(id: string): void {
    this.#ports.live.publish(rolloutChannel(id), "");
    this.#ports.live.publish(ROLLOUTS_CHANNEL, id);
  }

  read(id: string): Promise<Rollout | undefined> {
    return readRollout(this.#ports.database, id);
  }
}

async function readViews(
  tx: Transaction,
  targets: readonly Target[],
): Promise<ReadonlyMap<string, CommandView>> {
  const ids = targets.flatMap(({ commandId }) => (commandId === "" ? [] : [commandId]));
  return new Map((await readCommandsById(tx, ids)).map((command) => [command.id as string, viewOf(command)]));
}

function entryOf(
  kind: string,
  rollout: Rollout,
  targets: readonly Target[],
  actor: Actor,
  because: string,
  at: Instant,
): NewEntry {
  const count = (state: Target["state"]): number => targets.filter((target) => target.state === state).length;
  return {
    at,
    kind,
    subject: `rollout:${rollout.id}`,
    actor,
    because,
    facts: {
      action: rollout.spec.action,
      state: rollout.state,
      targets: targets.length,
      wave: rollout.wave,
      succeeded: count("succeeded"),
      failed: count("failed"),
      ...(rollout.planHash === "" ? {} : { planHash: rollout.planHash }),
    },
    traceparent: rollout.traceparent,
  };
}
