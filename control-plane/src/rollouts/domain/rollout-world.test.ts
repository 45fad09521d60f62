/** What must never happen in a rollout, over made-up worlds: a clock turned by hand, crashes at any step, two drivers. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CommandState } from "../../commands/domain/command.js";
import { isOpen } from "../../commands/domain/command.js";
import type { Actor } from "../../kernel/actor.js";
import { nodeId } from "../../kernel/ids.js";
import { MINUTE, SECOND } from "../../kernel/time.js";
import { chooseEffects, type Effect } from "./choose-effects.js";
import { limitMax } from "./choose-starts.js";
import {
  afterAbort,
  afterApply,
  afterApproval,
  afterPause,
  afterResume,
  type RolloutVote,
} from "./decide-rollout.js";
import { type Health, nextRollout, type RolloutFacts } from "./next-rollout.js";
import { type CommandView, isUnderWay, type Rollout, type Target, type TargetState } from "./rollout.js";

const ANN: Actor = { kind: "human", name: "ann" };
const BOB: Actor = { kind: "human", name: "bob" };
const SEED = Number(process.env["MAINSTAY_PROPERTY_SEED"] ?? Date.now() % 1_000_000);
const WORLDS = 250;
const STEPS = 400;

const vote = (by: Actor, planHash: string): RolloutVote => ({
  by,
  roles: ["approver"],
  planHash,
  reason: "",
});

interface WorldCommand {
  state: CommandState;
  planHash: string;
  approvals: number;
  /** How often its work began on the host. */
  runs: number;
  node: string;
}

const UNDER_WAY: readonly CommandState[] = ["approved", "sent", "running"];

/** The desk and the hosts: applying and approving move a command at most once, as the real desk does. */
class World {
  readonly commands = new Map<string, WorldCommand>();
  steps = 0;

  constructor(
    readonly asks: boolean,
    /** Draws in [0, 1). */
    readonly draw: () => number,
  ) {}

  request(node: string): string {
    const id = `c-${node}`;
    if (!this.commands.has(id)) {
      this.commands.set(id, {
        state: "planning",
        planHash: "",
        approvals: this.asks ? 1 : 0,
        runs: 0,
        node,
      });
    }
    return id;
  }

  carryOut(effect: Effect, approvals: number): void {
    const command = this.commands.get(effect.target.commandId);
    if (command === undefined) return;
    if (effect.kind === "apply" && command.state === "planned")
      command.state = command.approvals > approvals ? "awaiting-approval" : "approved";
    if (effect.kind === "cancel" && isOpen(command.state)) command.state = "cancelled";
  }

  /** One thing happens on some host. */
  happen(): void {
    const open = [...this.commands.values()].filter(({ state }) => isOpen(state));
    const command = open[Math.floor(this.draw() * open.length)];
    if (command === undefined) return;
    const chance = this.draw();
    switch (command.state) {
      case "planning":
        command.state = chance < 0.08 ? "failed" : "planned";
        command.planHash = `${command.node}-${chance < 0.5 ? 1 : 2}`;
        return;
      case "planned":
      case "awaiting-approval":
        if (chance < 0.03) command.planHash += "'";
        if (chance > 0.99) command.state = "cancelled";
        return;
      case "approved":
        command.state = "sent";
        return;
      case "sent":
        if (chance < 0.05) {
          // Its world has changed: planned anew.
          command.state = "planning";
          return;
        }
        command.state = "running";
        command.runs += 1;
        return;
      default:
        command.state = chance < 0.85 ? "succeeded" : chance < 0.95 ? "failed" : "interrupted";
    }
  }

  views(): ReadonlyMap<string, CommandView> {
    return new Map(
      [...this.commands].map(([id, { state, planHash, approvals }]) => [
        id,
        { id, state, planHash, approvals, approver: "approver", because: state, planSummary: "" },
      ]),
    );
  }
}

function madeRollout(draw: () => number, count: number): { rollout: Rollout; targets: Target[] } {
  const roles = 1 + Math.floor(draw() * 3);
  const targets = Array.from(
    { length: count },
    (_, index): Target => ({
      nodeId: nodeId(`n${index}`),
      nodeName: `n${String(index).padStart(3, "0")}`,
      labels: { role: `r${Math.floor(draw() * roles)}` },
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
  const rollout: Rollout = {
    id: "r",
    spec: {
      action: "a",
      argumentsJson: "{}",
      reason: "",
      waves: [
        { kind: "count", count: 1 },
        { kind: "share", share: draw() * 0.5 },
      ],
      gate: { expr: "", settle: 10 * SECOND, within: 5 * MINUTE },
      stopAtFailures: 1 + Math.floor(draw() * 3),
      stopAtShare: draw() < 0.5 ? 1 : 0.3,
      maxInFlight: 1 + Math.floor(draw() * 4),
      limits: [{ label: "role", max: 3, share: 0.34 }],
      timeoutMs: MINUTE,
    },
    state: "planning",
    because: "",
    requestedBy: ANN,
    requestedRoles: ["operator"],
    requestedAt: 0,
    changedAt: 0,
    expiresAt: 60 * MINUTE,
    traceparent: "",
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
  return { rollout, targets };
}

/** Mulberry32: evenly spread draws, which a property's own numbers, drawn towards the edges, are not. */
function drawsFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const DONE: readonly TargetState[] = ["succeeded", "failed", "drifted", "cancelled", "left-out"];

/** One world to its end; answers how many steps it took, and throws at the first thing that must not be. */
function live(draw: () => number): { readonly steps: number; readonly state: Rollout["state"] } {
  const asks = draw() < 0.5;
  const crashes = draw() * 0.7;
  const world = new World(asks, draw);
  let { rollout, targets }: { rollout: Rollout; targets: readonly Target[] } = madeRollout(
    draw,
    1 + Math.floor(draw() * 25),
  );
  let now = 0;
  let health: Health = { kind: "healthy", because: "well" };
  let stormy = false;
  let sickAt = Number.NEGATIVE_INFINITY;
  // Another driver may carry out what was decided a while ago.
  let stale: readonly Effect[] = [];
  let step = 0;
  for (; step < STEPS; step++) {
    now += Math.floor(draw() * 4 * SECOND);
    const what = draw();
    if (what < 0.45) world.happen();
    else if (what < 0.5) {
      health = draw() < 0.3 ? { kind: "unhealthy", because: "sick" } : { kind: "healthy", because: "well" };
    } else if (what < 0.53) stormy = draw() < 0.4;
    else if (what < 0.6) {
      const person = draw();
      const decision =
        person < 0.4
          ? afterApply(rollout, targets, ANN, rollout.planHash, now)
          : person < 0.7
            ? afterApproval(rollout, targets, vote(draw() < 0.7 ? BOB : ANN, rollout.planHash), now)
            : person < 0.8
              ? afterPause(rollout, targets, BOB, "", now)
              : person < 0.99
                ? afterResume(rollout, targets, BOB, "", now)
                : afterAbort(rollout, targets, BOB, "", now);
      if (decision.kind === "change") ({ rollout, targets } = decision.step);
    } else {
      const holds = stormy;
      if (health.kind !== "healthy") sickAt = now;
      const facts: RolloutFacts = {
        commands: world.views(),
        health,
        judgeReach: () => ({ verdict: "allow", approvals: 0, approver: "approver", because: "" }),
        holdOf: () => (holds ? "storm" : undefined),
        digest: (text) => `#${text.length}/${text}`,
      };
      const before = { rollout, targets };
      const next = nextRollout(rollout, targets, facts, now);
      const again = nextRollout(next.rollout, next.targets, facts, now);
      // One look decides all that is known, but for the next wave and for what a stop takes back.
      if (rollout.state === next.rollout.state && rollout.state !== "running") expect(again).toEqual(next);
      ({ rollout, targets } = next);
      check(before, next, { holds, asks, now, sickAt });
      const effects = chooseEffects(rollout, targets, world.views());
      // Killed somewhere on the way, or not.
      const carried = draw() < crashes ? effects.slice(0, Math.floor(draw() * effects.length)) : effects;
      for (const effect of [...carried, ...(draw() < 0.3 ? stale : [])]) {
        if (effect.kind !== "request") {
          if (effect.kind === "apply" && effects.includes(effect) && rollout.state !== "running")
            throw new Error(`applied while ${rollout.state}`);
          // What was stale when the rollout stopped may still arrive; it only ever arrives for what had been decided.
          world.carryOut(effect, rollout.approvedBy.length);
          continue;
        }
        const id = world.request(effect.target.nodeId);
        // The request was made; whether its answer was stored is another matter.
        if (draw() < 0.9)
          targets = targets.map((target) =>
            target.nodeId === effect.target.nodeId ? { ...target, commandId: id } : target,
          );
      }
      stale = draw() < 0.5 ? carried.filter(({ kind }) => kind === "apply") : [];
    }
    for (const command of world.commands.values()) {
      if (command.runs > 1) throw new Error(`${command.node} was done ${command.runs} times`);
    }
    const busy = [...world.commands.values()].filter(({ state }) => UNDER_WAY.includes(state)).length;
    if (busy > rollout.spec.maxInFlight)
      throw new Error(`${busy} under way, at most ${rollout.spec.maxInFlight}`);
  }
  return { steps: step, state: rollout.state };
}

function check(
  before: { readonly rollout: Rollout; readonly targets: readonly Target[] },
  after: { readonly rollout: Rollout; readonly targets: readonly Target[] },
  world: { holds: boolean; asks: boolean; now: number; sickAt: number },
): void {
  const { rollout, targets } = after;
  const was = new Map(before.targets.map((target) => [target.nodeId, target]));
  const started = targets.filter(
    ({ nodeId: id, state }) => state === "starting" && was.get(id)?.state === "planned",
  );
  if (started.length > 0) {
    if (world.holds) throw new Error("started in a storm");
    if (rollout.state !== "running") throw new Error(`started while ${rollout.state}`);
    if (world.asks && rollout.approvedBy.length < 1) throw new Error("started without an approval");
    if (started.some(({ wave }) => wave !== rollout.wave)) throw new Error("started out of its wave");
  }
  for (const { wave, state } of targets) {
    if (wave > 0 && wave < rollout.wave && !DONE.includes(state))
      throw new Error(`wave ${rollout.wave} while a target of wave ${wave} is ${state}`);
  }
  if (rollout.wave > before.rollout.wave && before.rollout.wave > 0) {
    const doneAt = before.rollout.gateFrom ?? world.now;
    if (world.now - Math.max(doneAt, world.sickAt) < rollout.spec.gate.settle)
      throw new Error("the next wave began before the gate had settled");
  }
  const failed =
    targets.filter(({ state, wave }) => state === "failed" && wave > 0).length - rollout.forgiven;
  if (rollout.state === "running" && failed >= rollout.spec.stopAtFailures)
    throw new Error(`${failed} failed and it runs on`);
  for (const limit of rollout.spec.limits) {
    for (const value of new Set(targets.map(({ labels }) => labels[limit.label]))) {
      const of = targets.filter(({ labels, wave }) => labels[limit.label] === value && wave > 0);
      const busy = of.filter(isUnderWay).length;
      if (busy > limitMax(limit, of.length)) throw new Error(`${busy} under way in ${limit.label}=${value}`);
    }
  }
}

describe("a rollout in made-up worlds", () => {
  test(`does nothing twice, keeps its limits, and stops (seed ${SEED})`, () => {
    const states = new Map<string, number>();
    let steps = 0;
    fc.assert(
      fc.property(fc.nat(), (chance) => {
        const world = live(drawsFrom(chance));
        steps += world.steps;
        states.set(world.state, (states.get(world.state) ?? 0) + 1);
      }),
      { seed: SEED, numRuns: WORLDS, endOnFailure: true },
    );
    // The worlds are not all alike: some end well, some are stopped.
    expect(states.get("succeeded") ?? 0).toBeGreaterThan(0);
    expect(states.get("stopped") ?? 0).toBeGreaterThan(0);
    expect(steps).toBe(WORLDS * STEPS);
  });
});
