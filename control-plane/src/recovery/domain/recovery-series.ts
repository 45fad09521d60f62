/** What is seen of clusters under failover, as series: rules watch them as they watch anything else. */
import type { ClusterState } from "@mainstay/proto/failover/decision";
import type { FailoverPolicy } from "@mainstay/proto/failover/policy";
import type { Labels } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import type { DrillDefinition, DrillStanding } from "./drill.js";
import { inReach, lagBytes, type Observation } from "./observation.js";

interface Sample {
  readonly labels: Labels;
  readonly timestampMs: Instant;
  readonly value: number;
}

/** 1 for a node that has the role and was heard lately; holders that are relied on; what waits for a person. */
export function recoverySamples(
  cluster: string,
  policy: FailoverPolicy,
  state: ClusterState,
  seen: Observation,
  at: Instant,
): readonly Sample[] {
  const sample = (name: string, value: number, more: Labels = {}): Sample => ({
    labels: { __name__: `mainstay_failover_${name}`, cluster, ...more },
    timestampMs: at,
    value,
  });
  const heard = inReach(policy, seen);
  const lag = lagBytes(seen, state.primary, state.eligible.members);
  const waits =
    state.decision !== null && state.decision.ask !== null && state.decision.approval === null ? 1 : 0;
  return [
    sample(
      "owner_open",
      heard.some(({ node, role }) => node === state.primary && role === "primary") ? 1 : 0,
    ),
    sample("eligible_members", state.eligible.members.length),
    sample("members_heard", heard.length),
    sample("paused", state.paused ? 1 : 0),
    sample("awaits_person", waits),
    sample("decision_open", state.decision === null ? 0 : 1),
    sample("epoch", state.primaryEpoch),
    ...(seen.poolers ?? []).flatMap(({ node, to, holds }) => [
      sample("pooler_led", to === state.primary ? 1 : 0, { node }),
      sample("pooler_holds", holds ? 1 : 0, { node }),
    ]),
    ...(lag === undefined ? [] : [sample("lag_bytes", lag)]),
  ];
}

/** 1 for a drill that is overdue or whose last run failed, and how that was scored, 0 to 100. */
export function drillSamples(
  stood: readonly { readonly drill: DrillDefinition; readonly standing: DrillStanding }[],
  at: Instant,
): readonly Sample[] {
  return stood.flatMap(({ drill, standing }) => {
    const labels = { cluster: drill.cluster, drill: drill.id };
    return [
      {
        labels: { __name__: "mainstay_drill_overdue", ...labels },
        timestampMs: at,
        value: standing.overdue ? 1 : 0,
      },
      {
        labels: { __name__: "mainstay_drill_failed", ...labels },
        timestampMs: at,
        value: standing.last === "failed" ? 1 : 0,
      },
      { labels: { __name__: "mainstay_drill_score", ...labels }, timestampMs: at, value: standing.score },
    ];
  });
}
