/** Which targets of a wave may start now. */
import type { Labels } from "../../kernel/labels.js";
import { isUnderWay, type Limit, type RolloutSpec, type Target } from "./rollout.js";

export interface Starts {
  readonly targets: readonly Target[];
  /** Why a target whose turn it is does not start; empty when none waits. */
  readonly heldBecause: string;
}

/** How many of the rollout's targets in one domain may be under way at once. */
export function limitMax({ max, share }: Limit, targets: number): number {
  return Math.max(1, Math.min(max, Math.floor(share * targets)));
}

/** In the order of names; `holdOf` says why the world lets nothing be done on a target now. */
export function chooseStarts(
  spec: RolloutSpec,
  all: readonly Target[],
  wave: number,
  holdOf: (target: Target) => string | undefined,
): Starts {
  const taking = all.filter((target) => target.wave > 0);
  const underWay = taking.filter(isUnderWay);
  const total = underWay.length;
  const limits = spec.limits.map((limit) => ({
    limit,
    of: countBy(taking, limit.label),
    now: countBy(underWay, limit.label),
  }));
  const starts: Target[] = [];
  let heldBecause = "";
  for (const target of taking) {
    if (target.wave !== wave || target.state !== "planned") continue;
    if (total + starts.length >= spec.maxInFlight) {
      heldBecause ||= `${total + starts.length} targets are under way, at most ${spec.maxInFlight} at once`;
      break;
    }
    const full = limits.find(({ limit, of, now }) => {
      const value = domainOf(target.labels, limit.label);
      return value !== "" && (now.get(value) ?? 0) >= limitMax(limit, of.get(value) ?? 0);
    });
    if (full !== undefined) {
      const { label } = full.limit;
      const value = domainOf(target.labels, label);
      heldBecause ||= `${full.now.get(value) ?? 0} targets of ${label}=${value} are under way, at most ${limitMax(full.limit, full.of.get(value) ?? 0)} at once`;
      continue;
    }
    const hold = holdOf(target);
    if (hold !== undefined) {
      heldBecause ||= hold;
      continue;
    }
    starts.push(target);
    for (const { limit, now } of limits) {
      const value = domainOf(target.labels, limit.label);
      now.set(value, (now.get(value) ?? 0) + 1);
    }
  }
  return { targets: starts, heldBecause };
}

const domainOf = (labels: Labels, label: string): string => labels[label] ?? "";

function countBy(targets: readonly Target[], label: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { labels } of targets) {
    const value = domainOf(labels, label);
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}
