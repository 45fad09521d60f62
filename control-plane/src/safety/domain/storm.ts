/**
 * Whether a domain is in a storm: so much of it is unhealthy that acting on single nodes would do harm.
 *
 *   calm ──► gathering ──► storm ──► calm
 *     ▲──────────┘ (it passed)  (only when the share was within the limit for the whole cooldown)
 */
import { formatDuration, type Instant } from "../../kernel/time.js";
import type { SafetyPolicy } from "./safety-policy.js";

export type Storm =
  | { readonly kind: "calm" }
  /** Above the share since then, not yet for long enough; action is held all the same. */
  | { readonly kind: "gathering"; readonly since: Instant; readonly exceededAt: Instant }
  | { readonly kind: "storm"; readonly since: Instant; readonly exceededAt: Instant };

export const CALM: Storm = { kind: "calm" };

/** The nodes of a domain, and those of them that do not live or have a critical alert. */
export interface DomainHealth {
  readonly nodes: number;
  readonly unhealthy: number;
}

export function isExceeded({ nodes, unhealthy }: DomainHealth, policy: SafetyPolicy["storm"]): boolean {
  return unhealthy >= policy.nodesMin && unhealthy > policy.share * nodes;
}

/** The state after a look at the domain. */
export function nextStorm(
  storm: Storm,
  health: DomainHealth,
  policy: SafetyPolicy["storm"],
  now: Instant,
): Storm {
  const exceeded = isExceeded(health, policy);
  if (storm.kind === "storm") {
    if (exceeded) return { ...storm, exceededAt: now };
    return now >= storm.exceededAt + policy.cooldown ? CALM : storm;
  }
  if (!exceeded) return CALM;
  const since = storm.kind === "gathering" ? storm.since : now;
  return { kind: now >= since + policy.after ? "storm" : "gathering", since, exceededAt: now };
}

/** The sentence for whoever asks why nothing is done in a domain that is not calm. */
export function explainStorm(
  domain: string,
  storm: Exclude<Storm, { kind: "calm" }>,
  health: DomainHealth,
  policy: SafetyPolicy["storm"],
  now: Instant,
): string {
  const share = `${health.unhealthy} of ${health.nodes} nodes of ${domain} are unhealthy`;
  const limit = `the limit is ${Math.floor(policy.share * 100)} %`;
  if (storm.kind === "gathering") return `${share}; ${limit}`;
  if (isExceeded(health, policy)) return `storm: ${share}; ${limit}`;
  const rest = Math.max(0, storm.exceededAt + policy.cooldown - now);
  return `storm: ${domain} was beyond its limit lately; it ends when it stays calm for another ${formatDuration(rest)}`;
}
