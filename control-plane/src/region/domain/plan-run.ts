/** What moving a region would do now: in which order, how long it takes, what would be lost, and what speaks against it. */
import { type Duration, formatDuration, type Instant } from "../../kernel/time.js";
import { strictest, type Topology } from "../../topology/domain/component.js";
import type { Missing, Question } from "./cascade.js";
import { tellLoss } from "./next-cascade.js";
import type { RegionPlan, RegionStep } from "./region-plan.js";
import { missingOf, SEEN_WITHIN, type Standing } from "./standing.js";

export interface PlannedStep {
  readonly step: RegionStep;
  readonly standing: Standing | undefined;
  /** What it took when it was last done; undefined: never. */
  readonly tookMs: Duration | undefined;
  /** When it would end, from the beginning, by what was measured, else by its budget. */
  readonly endsAfterMs: Duration;
  readonly missingMs: Missing | undefined;
  readonly rpo: Duration | undefined;
}

export interface RunPlan {
  readonly region: string;
  readonly to: string;
  readonly epoch: number;
  /** `move`: the region is there, and is left as planned. */
  readonly kind: "loss" | "move" | "doubtful";
  readonly lostAt: Instant;
  readonly lost: readonly string[];
  readonly steps: readonly PlannedStep[];
  /** Along the longest way through the plan. */
  readonly totalMs: Duration;
  readonly totalBudgetMs: Duration;
  readonly rtoMs: Duration;
  readonly doubts: readonly Question[];
  readonly against: readonly string[];
}

export interface PlanRunInput {
  readonly plan: RegionPlan;
  readonly topology: Topology;
  /** By step. */
  readonly standings: ReadonlyMap<string, Standing>;
  /** By step. */
  readonly took: ReadonlyMap<string, Duration>;
  /** The highest that was ever taken; 0 before the first. */
  readonly epochTaken: number;
  readonly openEpoch: number | undefined;
  readonly now: Instant;
}

/** The RPO of a step: its own, else its component's strictest. */
export function rpoOf(step: RegionStep, topology: Topology): Duration | undefined {
  if (step.rpo !== undefined) return step.rpo;
  const component = topology.find(({ id }) => id === step.component);
  return component === undefined ? undefined : strictest(component).rpo;
}

export function planRun(input: PlanRunInput): RunPlan {
  const { plan, topology, standings, epochTaken, now } = input;
  const ends = new Map<string, Duration>();
  const budgets = new Map<string, Duration>();
  const steps = plan.steps.map((step): PlannedStep => {
    const standing = standings.get(step.id);
    const tookMs = input.took.get(step.id);
    const after = (of: ReadonlyMap<string, Duration>): Duration =>
      step.needs.reduce((latest, needed) => Math.max(latest, of.get(needed) ?? 0), 0);
    const endsAfterMs = after(ends) + (tookMs ?? step.budget);
    ends.set(step.id, endsAfterMs);
    budgets.set(step.id, after(budgets) + step.budget);
    const missingMs = standing === undefined ? undefined : missingOf(standing);
    return { step, standing, tookMs, endsAfterMs, missingMs, rpo: rpoOf(step, topology) };
  });
  const lost = steps.filter(({ standing }) => standing?.from === "lost");
  const alive = steps.filter(({ standing }) => standing?.from === "alive" && standing.to !== "active");
  const kind = lost.length === 0 ? "move" : alive.length === 0 ? "loss" : "doubtful";
  const lostAt = lost.reduce((first, { standing }) => Math.min(first, standing?.lostSince ?? now), now);
  return {
    region: plan.id,
    to: plan.to,
    epoch: epochTaken + 1,
    kind,
    lostAt,
    lost: lost.map(({ step }) => step.id),
    steps,
    totalMs: Math.max(...ends.values()),
    totalBudgetMs: Math.max(...budgets.values()),
    rtoMs: plan.rto,
    doubts: doubtsOf(plan, steps, lost, alive),
    against: againstOf(input, steps),
  };
}

function doubtsOf(
  plan: RegionPlan,
  steps: readonly PlannedStep[],
  lost: readonly PlannedStep[],
  alive: readonly PlannedStep[],
): readonly Question[] {
  const doubts: Question[] = [];
  if (plan.approval === "always")
    doubts.push({ step: "", about: "policy", says: "the plan wants another person's yes, always" });
  for (const { step, standing } of lost.length === 0 ? [] : alive) {
    const others = lost.map((one) => one.step.id).join(", ");
    const says = `${step.id} still works in ${plan.id} (${standing?.because ?? ""}), while ${others} ${lost.length === 1 ? "is" : "are"} lost`;
    doubts.push({ step: step.id, about: "evidence", says });
  }
  for (const { step, missingMs, rpo, standing } of steps) {
    const isPair =
      (step.target.kind === "redis" || step.target.kind === "vault") && step.target.from !== undefined;
    if (isPair && standing?.from === "alive" && standing.to === "active") {
      const says = `${step.id} works in ${plan.id} and in ${plan.to} at once: ${standing.because}`;
      doubts.push({ step: step.id, about: "evidence", says });
    }
    const loss = tellLoss(missingMs, rpo);
    if (loss !== undefined) doubts.push({ step: step.id, about: "loss", says: `${step.id}: ${loss}` });
    if (standing?.to !== "not-ready") continue;
    const says = `${step.id} is not ready in ${plan.to}: ${standing.because}`;
    doubts.push({ step: step.id, about: "evidence", says });
  }
  return doubts;
}

function againstOf(input: PlanRunInput, steps: readonly PlannedStep[]): readonly string[] {
  const { plan, topology, openEpoch, now } = input;
  const against: string[] = [];
  if (openEpoch !== undefined) against.push(`run ${openEpoch} of ${plan.id} is open`);
  for (const { step, standing } of steps) {
    if (standing === undefined) against.push(`${step.id}: nobody has looked at it yet`);
    else if (now - standing.at > SEEN_WITHIN)
      against.push(`${step.id}: last looked at ${formatDuration(Math.round(now - standing.at))} ago`);
    const component = topology.find(({ id }) => id === step.component);
    if (step.component === undefined) continue;
    if (component === undefined) {
      against.push(`${step.id}: component "${step.component}" is not in the components file`);
      continue;
    }
    for (const needed of component.dependsOn) {
      const others = plan.steps.filter((one) => one.component === needed && !step.needs.includes(one.id));
      for (const other of others)
        against.push(`${step.id} does not wait for ${other.id}, and ${component.id} needs ${needed}`);
    }
  }
  return against;
}

/** What must be the same when it is asked for; what is seen moves on and is left out. */
export const boundOf = (
  plan: RegionPlan,
  { epoch, kind, lost, doubts }: RunPlan,
): Readonly<Record<string, unknown>> => ({
  plan,
  epoch,
  kind,
  lost,
  doubts: doubts.map(({ step, about }) => `${step} ${about}`),
});
