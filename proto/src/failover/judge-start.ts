/** When the owner is lost: begin a decision, ask a person first, or hold; and why. */
import type { ClusterState, DecisionKind } from "./decision.js";
import { freshState, type Sightings } from "./detect-loss.js";
import { askedToKnowAll } from "./holders.js";
import type { FailoverPolicy } from "./policy.js";
import { type Rules, soundRules } from "./rules.js";
import { type Instant, majorityOf } from "./words.js";

export type StartJudgement =
  | {
      readonly kind: "start";
      readonly decision: DecisionKind;
      readonly ask: string | null;
      readonly because: string;
    }
  /** `page`: a person should know, for it does not end by itself. */
  | { readonly kind: "hold"; readonly because: string; readonly page: boolean };

export function judgeStart(
  policy: FailoverPolicy,
  cluster: ClusterState,
  seen: Sightings,
  because: string,
  now: Instant,
  rules: Rules = soundRules,
): StartJudgement {
  if (cluster.paused) return { kind: "hold", because: `${because}, but failover is paused`, page: true };
  const inReach = policy.members.filter((member) => freshState(policy, seen, member, now) !== null);
  const voters = policy.members.length + 1;
  // Without a majority nobody can have a lease: a decision would only burn an epoch.
  if (inReach.length + 1 < majorityOf(voters)) {
    return {
      kind: "hold",
      because: `${because}, but only ${inReach.length + 1} of ${voters} voters are in reach`,
      page: true,
    };
  }
  const owner = freshState(policy, seen, cluster.primary, now);
  const safe = inReach.filter((member) => cluster.eligible.members.includes(member));
  const enough =
    (cluster.eligible.members.length > 0 && safe.length >= askedToKnowAll(cluster.eligible)) ||
    (!rules.onlyEligible && inReach.some((member) => member !== cluster.primary));
  const burnt = cluster.promised > cluster.primaryEpoch;
  const ask = whyAsk(policy, cluster, now);
  // The owner has everything that was ever acknowledged. Opening it again is no failover and loses nothing.
  if (owner !== null && (burnt || ask !== null || !enough)) {
    return { kind: "start", decision: "reopen", ask: null, because };
  }
  if (enough) return { kind: "start", decision: "failover", ask, because };
  return { kind: "hold", because: `${because}, and nobody in reach has all that counts`, page: true };
}

function whyAsk(policy: FailoverPolicy, cluster: ClusterState, now: Instant): string | null {
  if (policy.manual) return "every failover needs approval";
  if (now < cluster.holdDownUntil) return "there was a failover, and redundancy has not come back since";
  const lately = cluster.failovers.filter((at) => now - at < 3_600_000).length;
  if (lately >= policy.failoversPerHourMax) return `${lately} failovers within the last hour`;
  return null;
}
