/** Runs of the simulator: each from a seed of its own, trouble and calm in turn, until enough steps were made. */
import { checkTrace } from "../check-trace.js";
import { type FailoverPolicy, localPolicy } from "../policy.js";
import { type Rules, soundRules } from "../rules.js";
import { bringTrouble, endTrouble } from "./faults.js";
import { Rng } from "./rng.js";
import { World } from "./world.js";

/** Once everything works again, so long until a write is acknowledged, and until everyone is relied on again. */
const AVAILABLE_WITHIN_MS = 20_000;
const REDUNDANT_WITHIN_MS = 40_000;

export interface RunReport {
  readonly seed: number;
  readonly steps: number;
  readonly promotions: number;
  readonly decisions: number;
  readonly lost: number;
  readonly acknowledged: number;
  readonly simulatedMs: number;
  /** What must never happen and did; null when nothing did. */
  readonly violation: string | null;
}

/** What a run is, drawn from its seed. */
function drawPolicy(rng: Rng): FailoverPolicy {
  const members: readonly string[] = rng.chance(0.6) ? ["a", "b"] : ["a", "b", "c"];
  return localPolicy(members, {
    mode: rng.chance(0.5) ? "asynchronous" : "synchronous",
    required: members.length > 2 && rng.chance(0.4) ? 2 : 1,
    rpoBytes: 2 + rng.below(6),
    holdDownMs: rng.pick([0, 5_000, 60_000]),
    failoversPerHourMax: rng.pick([2, 50, 50]),
    approvalMs: 6_000,
    manual: rng.chance(0.1),
  });
}

export interface RunOptions {
  /** @default the rules that hold */
  readonly rules?: Rules;
  /** Told everything that happens. */
  readonly tell?: (line: string) => void;
  /** Only these faults, by name. @default all */
  readonly faults?: readonly string[];
  /** @default drawn */
  readonly mode?: FailoverPolicy["mode"];
}

/** One run. The same seed and options always give the same run. */
export function simulateRun(seed: number, options: RunOptions = {}): RunReport {
  const rng = new Rng(seed, 0);
  const rules = options.rules ?? soundRules;
  const tell = options.tell ?? null;
  const drawn = drawPolicy(rng);
  const policy = options.mode === undefined ? drawn : { ...drawn, mode: options.mode };
  // Drawn apart, so that all else of a seed is as it is without them.
  const pooled = new Rng(seed, 8).chance(0.3) ? { ...policy, poolers: ["pool"] } : policy;
  const world = new World({ policy: pooled, rules, seed, drift: 0.02, tell });
  const people = new Rng(seed, 5);
  world.onPage = (epoch) => {
    world.agenda.after(people.between(200, 4_000), () => {
      if (world.network.turbulent && people.chance(0.2)) {
        world.stepControl({ kind: "refuse", epoch, by: "simulated", reason: "not now" });
      } else {
        const acceptLoss = world.network.turbulent && people.chance(0.3);
        world.stepControl({ kind: "approve", epoch, by: "simulated", reason: "go on", acceptLoss });
      }
    });
  };
  world.run(5_000);
  for (let cycle = 0; cycle < 3 && world.watch.violation === null; cycle += 1) {
    bringTrouble(world, rng, world.agenda.now + 25_000, options.faults);
    world.run(25_000 + rng.between(0, 2_000));
    endTrouble(world);
    world.run(AVAILABLE_WITHIN_MS);
    const { watch } = world;
    watch.expect(
      world.agenda.now - watch.acknowledgedAt < 2_000,
      () => `no write was acknowledged ${AVAILABLE_WITHIN_MS} ms after all faults had ended`,
    );
    world.run(REDUNDANT_WITHIN_MS - AVAILABLE_WITHIN_MS);
    watch.expect(
      world.kept.eligible.members.length === policy.members.length - 1 && world.kept.decision === null,
      () => `not redundant ${REDUNDANT_WITHIN_MS} ms after all faults had ended`,
    );
    const astray = world.poolers.all.find((one) => one.holds || one.to !== world.kept.primary);
    watch.expect(
      astray === undefined,
      () => `clients of ${astray?.name} wait, or are not led to the owner, after all faults had ended`,
    );
  }
  const { watch } = world;
  if (watch.violation === null) {
    const [primary = ""] = policy.members;
    const [fault] = checkTrace(policy, primary, world.trace);
    watch.expect(fault === undefined, () => `the decision log does not hold: ${fault?.because}`);
  }
  return {
    seed,
    steps: world.steps,
    promotions: watch.promotions,
    decisions: world.trace.filter((record) => record.kind === "intended").length,
    lost: watch.lost,
    acknowledged: watch.acknowledgedCount,
    simulatedMs: world.agenda.now,
    violation: watch.violation,
  };
}

export interface SimulationReport {
  readonly runs: number;
  readonly steps: number;
  readonly promotions: number;
  readonly decisions: number;
  readonly acknowledged: number;
  readonly lost: number;
  readonly simulatedMs: number;
  /** The first run in which something happened that must not; no further run was made. */
  readonly failed: RunReport | null;
}

/** Runs with the seeds `seed`, `seed + 1`, ... until `steps` steps were made or something went wrong. */
export function simulate(
  options: RunOptions & { readonly seed: number; readonly steps: number },
): SimulationReport {
  const sum = { runs: 0, steps: 0, promotions: 0, decisions: 0, acknowledged: 0, lost: 0, simulatedMs: 0 };
  while (sum.steps < options.steps) {
    const report = simulateRun(options.seed + sum.runs, options);
    sum.runs += 1;
    sum.steps += report.steps;
    sum.promotions += report.promotions;
    sum.decisions += report.decisions;
    sum.acknowledged += report.acknowledged;
    sum.lost += report.lost;
    sum.simulatedMs += report.simulatedMs;
    if (report.violation !== null) return { ...sum, failed: report };
  }
  return { ...sum, failed: null };
}
