/** What must never be let through, over made-up fleets: nodes fail and come back, many actors act, people intervene. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Actor } from "../../kernel/actor.js";
import { nodeId } from "../../kernel/ids.js";
import { HOUR, type Instant, MINUTE, SECOND } from "../../kernel/time.js";
import {
  type ActionQuestion,
  type Brake,
  cooldownAfter,
  isExempt,
  judgeAction,
  type SafetyFacts,
} from "./judge-action.js";
import { DEFAULT_SAFETY, domainLabels, domainName, inFlightMax, type SafetyPolicy } from "./safety-policy.js";
import { CALM, isExceeded, nextStorm, type Storm } from "./storm.js";

const SEED = Number(process.env["MAINSTAY_PROPERTY_SEED"] ?? Date.now() % 1_000_000);
const WORLDS = 120;
const STEPS = 500;

const POLICY: SafetyPolicy = {
  ...DEFAULT_SAFETY,
  budget: { actionsPerHour: 25, failureRatio: 0.5, failuresMin: 4 },
  inFlight: [
    { label: "role", max: 3, share: 0.34 },
    { label: "zone", max: 4, share: 0.5 },
  ],
};

interface Taken {
  readonly target: string;
  readonly node: number;
  readonly automatic: boolean;
  readonly at: Instant;
  endedAt: Instant | undefined;
  failed: boolean;
}

interface WorldNode {
  readonly labels: Readonly<Record<string, string>>;
  healthy: boolean;
}

const RULE: Actor = { kind: "rule", name: "r" };
const ANN: Actor = { kind: "human", name: "ann" };

class World {
  now: Instant = 1_000 * HOUR;
  brake: Brake = { kind: "released", at: 0, by: ANN, because: "" };
  readonly nodes: WorldNode[];
  readonly taken: Taken[] = [];
  readonly storms = new Map<string, Storm>();
  /** Since when each target's case is open. */
  readonly cases = new Map<string, Instant>();
  readonly closed = new Map<string, Instant>();

  constructor(readonly draw: () => number) {
    const count = 1 + Math.floor(draw() * 20);
    this.nodes = Array.from({ length: count }, () => ({
      labels: {
        zone: `z${Math.floor(draw() * 3)}`,
        ...(draw() < 0.9 ? { role: `r${Math.floor(draw() * 2)}` } : {}),
      },
      healthy: true,
    }));
  }

  health(label: string, value: string) {
    const nodes = this.nodes.filter(({ labels }) => labels[label] === value);
    return { nodes: nodes.length, unhealthy: nodes.filter(({ healthy }) => !healthy).length };
  }

  /** How many nodes of a domain are acted upon, less one. */
  busy(label: string, value: string, except?: number): number {
    const open = this.taken.filter(
      ({ endedAt, node }) =>
        endedAt === undefined && node !== except && this.nodes[node]?.labels[label] === value,
    );
    return new Set(open.map(({ node }) => node)).size;
  }

  facts(node: number, target: string): SafetyFacts {
    const labels = this.nodes[node]?.labels ?? {};
    const since = Math.max(this.brake.kind === "released" ? this.brake.at : 0, this.now - HOUR);
    const ended = this.taken.filter(({ endedAt }) => endedAt !== undefined && endedAt > since);
    return {
      brake: this.brake,
      spent: {
        taken: this.taken.filter(({ at }) => at > since).length,
        ended: ended.length,
        failed: ended.filter(({ failed }) => failed).length,
      },
      domains: domainLabels(POLICY).flatMap((label) => {
        const value = labels[label];
        if (value === undefined) return [];
        const name = domainName(label, value);
        const health = this.health(label, value);
        const storm = nextStorm(this.storms.get(name) ?? CALM, health, POLICY.storm, this.now);
        return [{ label, name, health, storm, inFlight: this.busy(label, value, node) }];
      }),
      repeats: this.taken
        .filter((one) => one.target === target)
        .map(({ at }) => at)
        .filter((at) => at > Math.max(this.now - POLICY.cases.within, this.closed.get(target) ?? 0))
        .sort((a, b) => b - a),
      openCase: this.cases.has(target) ? "a case" : undefined,
    };
  }

  /** The look of the loop. */
  watch(): void {
    for (const label of POLICY.storm.domains) {
      for (const value of new Set(this.nodes.map(({ labels }) => labels[label]))) {
        if (value === undefined) continue;
        const name = domainName(label, value);
        const before = this.storms.get(name) ?? CALM;
        this.storms.set(name, nextStorm(before, this.health(label, value), POLICY.storm, this.now));
      }
    }
  }

  /** Someone asks, and takes what is clear. */
  ask(): "cleared" | "held" {
    const node = Math.floor(this.draw() * this.nodes.length);
    const action = this.draw() < 0.5 ? "restart-service" : "clean-directory";
    const automatic = this.draw() < 0.7;
    const labels = this.nodes[node]?.labels ?? {};
    const target = `${node}/${action}`;
    const question: ActionQuestion = {
      commandId: "",
      actor: automatic ? RULE : ANN,
      automatic,
      action,
      argumentsJson: "{}",
      node: { id: nodeId(`n${node}`), name: `n${node}`, labels },
      undo: false,
      now: this.now,
    };
    const facts = this.facts(node, target);
    const judged = judgeAction(question, facts, POLICY);
    if (judged.kind === "hold") {
      if (judged.because === "") throw new Error("held without a reason");
      if (judged.also?.kind === "trip")
        this.brake = { kind: "tripped", at: this.now, by: RULE, because: judged.also.because };
      if (judged.also?.kind === "open-case") this.cases.set(target, this.now);
      if (automatic || judged.verdict === "deny") return "held";
      // A person's own action goes on with another's approval.
    } else if (automatic) this.#mayBeAutomatic(node, target, facts);
    this.taken.push({ target, node, automatic, at: this.now, endedAt: undefined, failed: false });
    for (const limit of POLICY.inFlight) {
      const value = labels[limit.label];
      if (value === undefined) continue;
      const max = inFlightMax(limit, this.health(limit.label, value).nodes);
      if (this.busy(limit.label, value) > max) throw new Error(`more than ${max} in ${limit.label}=${value}`);
    }
    return "cleared";
  }

  /** Told from the world itself, and not from what the judge was given. */
  #mayBeAutomatic(node: number, target: string, facts: SafetyFacts): void {
    if (this.brake.kind === "tripped") throw new Error("automatic while the brake is tripped");
    if (this.cases.has(target)) throw new Error("automatic while a case is open");
    const labels = this.nodes[node]?.labels ?? {};
    for (const label of POLICY.storm.domains) {
      const value = labels[label];
      if (value === undefined) continue;
      if (isExceeded(this.health(label, value), POLICY.storm)) throw new Error("automatic in a sick domain");
      const storm = this.storms.get(domainName(label, value)) ?? CALM;
      if (storm.kind === "storm" && this.now < storm.exceededAt + POLICY.storm.cooldown)
        throw new Error("automatic before the storm's cooldown was over");
    }
    const since = Math.max(this.brake.at, this.now - HOUR);
    if (this.taken.filter(({ at }) => at > since).length >= POLICY.budget.actionsPerHour)
      throw new Error("automatic beyond the hour's budget");
    const day = this.taken.filter(
      (one) =>
        one.target === target &&
        one.at > Math.max(this.now - POLICY.cases.within, this.closed.get(target) ?? 0),
    );
    if (day.length >= POLICY.cases.at - 1) throw new Error(`time ${day.length + 1} within a day`);
    const last = facts.repeats[0];
    if (last !== undefined && this.now < last + cooldownAfter(day.length, POLICY))
      throw new Error("automatic before its cooldown was over");
  }

  step(): "cleared" | "held" | undefined {
    const what = this.draw();
    this.now += Math.floor(this.draw() * (what < 0.02 ? 3 * HOUR : 40 * SECOND));
    this.watch();
    if (what < 0.45) return this.ask();
    if (what < 0.7) {
      const open = this.taken.filter(({ endedAt }) => endedAt === undefined);
      const one = open[Math.floor(this.draw() * open.length)];
      if (one !== undefined) {
        one.endedAt = this.now;
        one.failed = this.draw() < 0.25;
      }
    } else if (what < 0.85) {
      const node = this.nodes[Math.floor(this.draw() * this.nodes.length)];
      if (node !== undefined) node.healthy = this.draw() < 0.85;
    } else if (what < 0.87) {
      // A zone goes dark at once.
      const zone = `z${Math.floor(this.draw() * 3)}`;
      for (const node of this.nodes) if (node.labels["zone"] === zone) node.healthy = false;
    } else if (what < 0.9) {
      for (const node of this.nodes) node.healthy = true;
    } else if (what < 0.93 && this.brake.kind === "tripped") {
      this.brake = { kind: "released", at: this.now, by: ANN, because: "looked at" };
    } else if (what < 0.94) {
      this.brake = { kind: "tripped", at: this.now, by: ANN, because: "odd" };
    } else if (what < 0.97) {
      for (const target of this.cases.keys()) {
        this.cases.delete(target);
        this.closed.set(target, this.now);
      }
    }
    return undefined;
  }
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

describe("the safety budget in made-up fleets", () => {
  test(`lets nothing through that it must not (seed ${SEED})`, () => {
    const outcomes = { cleared: 0, held: 0 };
    let steps = 0;
    fc.assert(
      fc.property(fc.nat(), (chance) => {
        const world = new World(drawsFrom(chance));
        for (let step = 0; step < STEPS; step++) {
          const outcome = world.step();
          if (outcome !== undefined) outcomes[outcome] += 1;
          steps += 1;
        }
      }),
      { seed: SEED, numRuns: WORLDS, endOnFailure: true },
    );
    expect(steps).toBe(WORLDS * STEPS);
    // Much is let through and much is held: neither a wall nor an open door.
    expect(outcomes.cleared).toBeGreaterThan(1_000);
    expect(outcomes.held).toBeGreaterThan(1_000);
  });

  test(`more simultaneous failures than the share: no automatic action at all (seed ${SEED})`, () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 200 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (nodes, part) => {
          const sick = Math.max(2, Math.floor(POLICY.storm.share * nodes) + 1);
          const unhealthy = sick + Math.floor(part * (nodes - sick));
          let storm: Storm = CALM;
          let actions = 0;
          for (let node = 0; node < unhealthy; node++) {
            const now = node * 100;
            storm = nextStorm(storm, { nodes, unhealthy }, POLICY.storm, now);
            const judged = judgeAction(
              {
                commandId: "",
                actor: RULE,
                automatic: true,
                action: "restart-service",
                argumentsJson: "{}",
                node: { id: nodeId(`n${node}`), name: `n${node}`, labels: { zone: "a" } },
                undo: false,
                now,
              },
              {
                brake: { kind: "released", at: 0, by: ANN, because: "" },
                spent: { taken: 0, ended: 0, failed: 0 },
                domains: [
                  { label: "zone", name: "zone=a", health: { nodes, unhealthy }, storm, inFlight: 0 },
                ],
                repeats: [],
                openCase: undefined,
              },
              POLICY,
            );
            if (judged.kind === "clear") actions += 1;
          }
          expect(actions).toBe(0);
        },
      ),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("what takes back and what only looks is exempt", () => {
    expect(isExempt({ action: "restart-service", undo: true }, POLICY)).toBe(true);
    expect(isExempt({ action: "netcheck", undo: false }, POLICY)).toBe(true);
    expect(isExempt({ action: "restart-service", undo: false }, POLICY)).toBe(false);
  });
});

describe("a storm", () => {
  const policy = POLICY.storm;
  const well = { nodes: 4, unhealthy: 0 };
  const sick = { nodes: 4, unhealthy: 2 };

  test("is what lasts, and ends only after a whole cooldown within the limit", () => {
    const from = (storm: Storm, health: typeof well, now: number) => nextStorm(storm, health, policy, now);
    const gathering = from(CALM, sick, 0);
    expect(gathering).toEqual({ kind: "gathering", since: 0, exceededAt: 0 });
    expect(from(gathering, well, 1)).toBe(CALM);
    expect(from(gathering, sick, policy.after - 1).kind).toBe("gathering");
    const storm = from(gathering, sick, policy.after);
    expect(storm).toEqual({ kind: "storm", since: 0, exceededAt: policy.after });
    expect(from(storm, well, policy.after + policy.cooldown - 1)).toBe(storm);
    expect(from(storm, well, policy.after + policy.cooldown)).toBe(CALM);
    const again = from(storm, sick, 5 * MINUTE);
    expect(from(again, well, 5 * MINUTE + policy.cooldown - 1).kind).toBe("storm");
  });

  test.each([
    ["one node alone, however large its share", 1, 1, false],
    ["two of two", 2, 2, true],
    ["two of four, above 49 %", 4, 2, true],
    ["two of five, 40 %", 5, 2, false],
    ["49 of 100, not above the share", 100, 49, false],
    ["50 of 100", 100, 50, true],
    ["none of none", 0, 0, false],
  ])("%s", (_, nodes, unhealthy, exceeded) => {
    expect(isExceeded({ nodes, unhealthy }, policy)).toBe(exceeded);
  });
});

test("a cooldown doubles with each repeat, up to its bound", () => {
  const policy = { ...POLICY, cooldown: { first: MINUTE, max: HOUR } };
  expect([0, 1, 2, 3, 7, 500].map((times) => cooldownAfter(times, policy))).toEqual([
    0,
    MINUTE,
    2 * MINUTE,
    4 * MINUTE,
    HOUR,
    HOUR,
  ]);
});
