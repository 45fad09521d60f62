/** What the agents' probes saw, as samples of each vantage. */
import type { Instant } from "../kernel/time.js";
import { formatDuration } from "../kernel/time.js";
import type { Value } from "../promql/value.js";
import {
  type HealthRule,
  type HealthVerdict,
  judgeVotes,
  lookBack,
  type VantageSamples,
} from "./domain/judge-votes.js";
import type { TrafficPolicy, TrafficTarget } from "./domain/traffic-target.js";

export type Query = (expr: string, at: Instant) => Promise<Value>;

/** The verdict of one rule now. A store that does not answer is no vote: the verdict is unknown, and says why. */
export async function judgeRule(rule: HealthRule, query: Query, now: Instant): Promise<HealthVerdict> {
  const range = formatDuration(Math.ceil(lookBack(rule) / 1_000) * 1_000);
  try {
    const value = await query(`probe_success{probe="${rule.probe}"}[${range}]`, now);
    return judgeVotes(rule, samplesOf(value), now);
  } catch (error) {
    const because = `what was probed cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    return { kind: "unknown", because, votes: [] };
  }
}

/** By destination; only of those for which a rule speaks. */
export async function healthOf(
  target: TrafficTarget,
  { health }: TrafficPolicy,
  query: Query,
  now: Instant,
): Promise<ReadonlyMap<string, HealthVerdict>> {
  const judged = Object.entries(target.health).map(async ([destination, name]) => {
    const rule = health.find(({ probe }) => probe === name);
    return rule === undefined ? [] : [[destination, await judgeRule(rule, query, now)] as const];
  });
  return new Map((await Promise.all(judged)).flat());
}

function samplesOf(value: Value): readonly VantageSamples[] {
  if (value.kind !== "matrix") return [];
  const byVantage = new Map<string, { at: Instant; ok: boolean }[]>();
  for (const { labels, timestamps, values } of value.series) {
    const vantage = labels["node"];
    if (vantage === undefined) continue;
    const samples = byVantage.get(vantage) ?? [];
    for (const [index, at] of timestamps.entries()) samples.push({ at, ok: values[index] === 1 });
    byVantage.set(vantage, samples);
  }
  return [...byVantage].map(([vantage, samples]) => ({
    vantage,
    samples: samples.sort((a, b) => a.at - b.at),
  }));
}
