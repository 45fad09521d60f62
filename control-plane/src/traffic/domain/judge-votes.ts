/** Whether a destination is healthy, by the votes of those who look at it from different places. */
import { type Duration, formatDuration, type Instant } from "../../kernel/time.js";

/** How a destination's health is voted on. */
export interface HealthRule {
  /** Of the agents' probe: the label `probe` of `probe_success`. */
  readonly probe: string;
  /** Names of the nodes that have a vote; empty: whoever probes it. */
  readonly vantages: readonly string[];
  /** So many votes make it unhealthy. */
  readonly needed: number;
  /** So many failures in a row are a vote against it. @default 3 */
  readonly failures: number;
  /** How often each looks. @default 30 s */
  readonly every: Duration;
}

export const HEALTH_DEFAULTS = { failures: 3, every: 30_000 } as const;

/** What one vantage saw, oldest first. */
export interface VantageSamples {
  readonly vantage: string;
  readonly samples: readonly { readonly at: Instant; readonly ok: boolean }[];
}

export type Vote =
  | { readonly vantage: string; readonly kind: "healthy"; readonly because: string }
  | { readonly vantage: string; readonly kind: "unhealthy"; readonly because: string }
  /** It did not look, or not often enough to say. */
  | { readonly vantage: string; readonly kind: "none"; readonly because: string };

export interface HealthVerdict {
  readonly kind: "healthy" | "unhealthy" | "unknown";
  readonly because: string;
  readonly votes: readonly Vote[];
}

/** A look that is so many intervals old says nothing about now. */
const STALE_INTERVALS = 2.5;
const VOTES_TOLD_MAX = 100;

/** How far back samples are needed for a verdict. */
export const lookBack = ({ failures, every }: HealthRule): Duration => Math.ceil(every * (failures + 2));

/** One vantage's vote. A single failure is no vote against, and a success after failures is one for it. */
export function castVote({ failures, every }: HealthRule, seen: VantageSamples, now: Instant): Vote {
  const { vantage, samples } = seen;
  const last = samples.at(-1);
  if (last === undefined) return { vantage, kind: "none", because: "it has not looked" };
  const age = now - last.at;
  if (age > every * STALE_INTERVALS)
    return { vantage, kind: "none", because: `its last look is ${inWords(age)} old` };
  if (last.ok) return { vantage, kind: "healthy", because: "its last look found it healthy" };
  let failed = 0;
  for (let index = samples.length - 1; index >= 0 && samples[index]?.ok === false; index--) failed++;
  if (failed >= failures)
    return { vantage, kind: "unhealthy", because: `its last ${failed} looks found it unhealthy` };
  // What it was before counts until enough looks in a row say otherwise.
  if (failed < samples.length)
    return { vantage, kind: "healthy", because: `${failed} of ${failures} failed looks in a row` };
  return { vantage, kind: "none", because: `it has looked ${samples.length} times, ${failures} are needed` };
}

/**
 * Healthy, unhealthy, or unknown when those who have a vote and did vote could not have made it unhealthy: silence is
 * neither.
 */
export function judgeVotes(rule: HealthRule, seen: readonly VantageSamples[], now: Instant): HealthVerdict {
  const byVantage = new Map(seen.map((one) => [one.vantage, one]));
  const voters = rule.vantages.length > 0 ? rule.vantages : [...byVantage.keys()].sort();
  const votes = voters
    .slice(0, VOTES_TOLD_MAX)
    .map((vantage) => castVote(rule, byVantage.get(vantage) ?? { vantage, samples: [] }, now));
  const count = (kind: Vote["kind"]): number => votes.filter((vote) => vote.kind === kind).length;
  const against = count("unhealthy");
  const silent = count("none");
  const of = `of ${voters.length}`;
  if (against >= rule.needed)
    return {
      kind: "unhealthy",
      because: `${against} ${of} find it unhealthy, ${rule.needed} are needed`,
      votes,
    };
  if (voters.length - silent < rule.needed) {
    const because = `only ${voters.length - silent} ${of} have looked, ${rule.needed} are needed`;
    return { kind: "unknown", because, votes };
  }
  return { kind: "healthy", because: `${against} ${of} find it unhealthy, ${rule.needed} are needed`, votes };
}

const inWords = (duration: Duration): string => formatDuration(Math.round(duration / 1_000) * 1_000);
