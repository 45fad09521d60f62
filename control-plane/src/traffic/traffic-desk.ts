/** What people ask of traffic: planned, asked for by the plan's hash, approved by another, all of it in the journal. */
import type { Actor } from "../kernel/actor.js";
import { canonicalJson } from "../kernel/canonical-json.js";
import { cleanText } from "../kernel/clean-text.js";
import { messageOf, OpsError } from "../kernel/errors.js";
import type { Database } from "../platform/postgres/database.js";
import { type System, sha256Hex } from "../platform/system.js";
import { judgePlace, newestDone, type PlaceVerdict } from "./domain/judge-place.js";
import type { HealthVerdict } from "./domain/judge-votes.js";
import type { TrafficObservation } from "./domain/observation.js";
import { planSteer, type SteerPlan } from "./domain/plan-steer.js";
import type { Steer } from "./domain/steer.js";
import type { TrafficPolicy, TrafficTarget } from "./domain/traffic-target.js";
import { insertSteer, moveSteer, readOpenSteers, readSteer, readSteers } from "./steers.store.js";
import { noteSteer } from "./traffic.loop.js";

const REASON_MAX = 1_000;
const OPEN_MAX = 500;
/** So many steerings of a target are looked through for one that was done. */
const STEERS_JUDGED = 20;

export interface TrafficDeskPorts {
  readonly database: Database;
  readonly system: System;
  readonly policy: () => TrafficPolicy;
  readonly observe: (target: TrafficTarget) => Promise<TrafficObservation>;
  /** By destination; only of those for which a rule speaks. */
  readonly healthOf: (target: TrafficTarget) => Promise<ReadonlyMap<string, HealthVerdict>>;
  /** Who owns a cluster; undefined when nobody is known to. */
  readonly ownerOf: (cluster: string) => Promise<string | undefined>;
  /** Something is to be taken up; on another replica it is found within a second. */
  readonly wake: () => void;
}

export type Seen = TrafficObservation | { readonly unseen: string };

export class TrafficDesk {
  readonly #ports: TrafficDeskPorts;

  constructor(ports: TrafficDeskPorts) {
    this.#ports = ports;
  }

  get targets(): readonly TrafficTarget[] {
    return this.#ports.policy().targets;
  }

  /** Throws NOT_FOUND. */
  need(id: string): TrafficTarget {
    const target = this.targets.find((one) => one.id === id);
    if (target === undefined)
      throw new OpsError(
        "NOT_FOUND",
        `there is no traffic target "${cleanText(id, 100)}" in the traffic file`,
      );
    return target;
  }

  /** Where it goes now, or why that cannot be seen. */
  async look(target: TrafficTarget): Promise<Seen> {
    return this.#ports
      .observe(target)
      .catch((error: unknown) => ({ unseen: cleanText(messageOf(error), REASON_MAX) }));
  }

  /** Where it goes, whether that is right, and what those say who look at its destinations. */
  async stand(target: TrafficTarget): Promise<{
    readonly seen: Seen;
    readonly place: PlaceVerdict;
    readonly health: ReadonlyMap<string, HealthVerdict>;
    readonly steers: readonly Steer[];
  }> {
    const { database, ownerOf } = this.#ports;
    const [seen, health, steers, owner] = await Promise.all([
      this.look(target),
      this.healthOf(target),
      readSteers(database, { target: target.id, limit: STEERS_JUDGED }),
      target.cluster === undefined ? undefined : ownerOf(target.cluster),
    ]);
    return { seen, health, steers, place: judgePlace(target, seen, { owner, last: newestDone(steers) }) };
  }

  healthOf(target: TrafficTarget): Promise<ReadonlyMap<string, HealthVerdict>> {
    return this.#ports.healthOf(target);
  }

  async plan(id: string, to: string): Promise<SteerPlan & { readonly hash: string }> {
    const { database, ownerOf } = this.#ports;
    const target = this.need(id);
    const [seen, open, health] = await Promise.all([
      this.look(target),
      readOpenSteers(database, OPEN_MAX),
      this.healthOf(target),
    ]);
    const plan = planSteer({
      target,
      to,
      seen,
      open: open.find((one) => one.target === id && one.state !== "moving"),
      owner: target.cluster === undefined ? undefined : ((await ownerOf(target.cluster)) ?? ""),
      health: health.get(to),
    });
    return { ...plan, hash: sha256Hex(canonicalJson(plan.bound)) };
  }

  /** Throws ABORTED when `planHash` is not that of what would be done, FAILED_PRECONDITION when something is against it. */
  async request(
    wish: {
      readonly target: string;
      readonly to: string;
      readonly planHash: string;
      readonly reason: string;
    },
    by: Actor,
  ): Promise<Steer> {
    const { database, system, wake } = this.#ports;
    const reason = readReason(wish.reason);
    const plan = await this.plan(wish.target, wish.to);
    const what = `steering "${wish.target}" to "${cleanText(wish.to, 100)}"`;
    if (plan.hash !== wish.planHash)
      throw new OpsError("ABORTED", `${what}: the plan has another hash by now (${plan.hash})`);
    if (plan.against.length > 0)
      throw new OpsError("FAILED_PRECONDITION", `${what}: ${plan.against.join("; ")}`);
    const requestedAt = system.clock.now();
    const steer: Steer = {
      id: system.draws.id(requestedAt),
      target: wish.target,
      to: wish.to,
      origin: undefined,
      reason,
      requestedBy: by,
      requestedAt,
      state: plan.needsApproval ? "waiting-for-approval" : "waiting",
      because: plan.needsApproval ? "another person has to approve it" : "",
      decidedBy: undefined,
      planHash: plan.hash,
      begun: undefined,
      steeredAt: undefined,
      endedAt: undefined,
    };
    await database.transaction(async (tx) => {
      await insertSteer(tx, steer);
      await noteSteer(tx, system, "requested", steer, by, `${by.name}: ${reason}`);
    });
    wake();
    return steer;
  }

  /** Another person's yes or no. Throws PERMISSION_DENIED for the one who asked, ABORTED when the world is another by now. */
  async decide(id: string, approved: boolean, why: string, by: Actor): Promise<Steer> {
    const { database, system, wake } = this.#ports;
    const reason = readReason(why);
    const steer = await readSteer(database, id);
    if (steer === undefined) throw new OpsError("NOT_FOUND", `there is no steering "${cleanText(id, 100)}"`);
    if (steer.requestedBy.name === by.name)
      throw new OpsError(
        "PERMISSION_DENIED",
        `steering "${id}": ${by.name} asked for it: another person has to answer`,
      );
    if (approved) {
      // What was seen when it was planned is what is approved.
      const plan = await this.plan(steer.target, steer.to);
      const against = plan.against.filter((one) => !one.startsWith(`steering ${id} `));
      if (plan.hash !== steer.planHash || against.length > 0) {
        const because =
          against.length > 0 ? against.join("; ") : `the plan has another hash by now (${plan.hash})`;
        throw new OpsError("ABORTED", `steering "${id}" is not what was planned: ${because}`);
      }
    }
    const because = `${approved ? "approved" : "refused"} by ${by.name}: ${reason}`;
    await database.transaction(async (tx) => {
      const moved = await moveSteer(tx, id, "waiting-for-approval", {
        state: approved ? "waiting" : "refused",
        because,
        decidedBy: by,
        ...(approved ? {} : { endedAt: system.clock.now() }),
      });
      if (!moved)
        throw new OpsError(
          "FAILED_PRECONDITION",
          `steering "${id}" does not wait for approval: it is ${steer.state}`,
        );
      await noteSteer(tx, system, approved ? "approved" : "refused", steer, by, because);
    });
    wake();
    return (await readSteer(database, id)) ?? steer;
  }
}

function readReason(text: string): string {
  const reason = cleanText(text, REASON_MAX).trim();
  if (reason === "") throw new OpsError("INVALID_ARGUMENT", "reason: empty, expected why");
  return reason;
}
