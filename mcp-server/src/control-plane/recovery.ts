/** Recovery as the control plane tells it: objectives, clusters under failover, decisions. */
import type {
  JudgedObjective,
  RecoveryClusterView,
  RecoveryDecision,
  RecoveryService,
} from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import { z } from "zod";
import { cleanLine } from "../clean-text.js";
import type { Line } from "./line.js";
import { defined, isoOf, textOf } from "./wire.js";

export const objectiveSchema = z.object({
  component: z.string(),
  criticality: z.string(),
  rto_seconds: z.number().optional(),
  rpo_seconds: z.number().optional(),
  verdict: z.string(),
  because: z.string().optional(),
  measured_rto_ms: z.number().optional(),
  measured_rpo_ms: z.number().optional(),
  measured_at: z.string().optional(),
  trend: z.string(),
  live_rpo_ms: z.number().optional(),
  live_rpo_bytes: z.number().optional(),
  live_because: z.string().optional(),
  live_at: z.string().optional(),
});
export type ObjectiveView = z.infer<typeof objectiveSchema>;

export const clusterSchema = z.object({
  cluster: z.string(),
  primary: z.string(),
  epoch: z.number(),
  mode: z.string(),
  eligible: z.array(z.string()),
  paused: z.boolean(),
  phase: z.string().optional(),
  awaits: z.string().optional(),
  because: z.string().optional(),
  observed_at: z.string().optional(),
  members: z.array(
    z.object({
      node: z.string(),
      role: z.string(),
      streaming: z.boolean(),
      silent_ms: z.number().optional(),
    }),
  ),
});
export type ClusterView = z.infer<typeof clusterSchema>;

export const decisionSchema = z.object({
  cluster: z.string(),
  epoch: z.number(),
  kind: z.string(),
  from: z.string(),
  to: z.string().optional(),
  outcome: z.string(),
  trigger: z.string().optional(),
  started_at: z.string().optional(),
  rto_ms: z.number().optional(),
  missing_bytes: z.number().optional(),
});
export type DecisionView = z.infer<typeof decisionSchema>;

export interface DecisionStory {
  readonly decision: DecisionView;
  readonly steps: readonly {
    readonly at?: string | undefined;
    readonly kind: string;
    readonly says?: string | undefined;
  }[];
  readonly faults: readonly string[];
}

const ROWS_MAX = 200;
const NAME_MAX = 80;
const name = (text: string): string => cleanLine(text, NAME_MAX);
const number = (value: bigint | undefined): number | undefined =>
  value === undefined ? undefined : Number(value);

export function recoveryRoom(line: Line<typeof RecoveryService>) {
  return {
    async objectives(): Promise<readonly ObjectiveView[]> {
      const answer = await line.ask((to, how) => to.listObjectives({}, how));
      return answer.objectives.slice(0, ROWS_MAX).map(objectiveView);
    },
    async clusters(): Promise<readonly ClusterView[]> {
      const answer = await line.ask((to, how) => to.listClusters({}, how));
      return answer.clusters.slice(0, ROWS_MAX).map(clusterView);
    },
    /** Newest first. */
    async decisions(cluster: string, limit: number): Promise<readonly DecisionView[]> {
      const answer = await line.ask((to, how) => to.listDecisions({ cluster, limit }, how));
      return answer.decisions.map(decisionView);
    },
    async explain(cluster: string, epoch: number): Promise<DecisionStory> {
      const ask = { cluster, epoch: BigInt(epoch) };
      const { decision, steps, faults } = await line.ask((to, how) => to.explainDecision(ask, how));
      return {
        decision:
          decision === undefined
            ? { cluster, epoch, kind: "unknown", from: "unknown", outcome: "unknown" }
            : decisionView(decision),
        steps: steps.slice(0, ROWS_MAX).map((step) => ({
          at: isoOf(step.at),
          kind: name(step.kind),
          says: textOf(step.says),
        })),
        faults: faults.slice(0, ROWS_MAX).map((fault) => cleanLine(fault, 300)),
      };
    },
  };
}

function objectiveView(one: JudgedObjective): ObjectiveView {
  return defined({
    component: name(one.component),
    criticality: name(one.criticality),
    rto_seconds: number(one.rtoSeconds),
    rpo_seconds: number(one.rpoSeconds),
    verdict: name(one.verdict),
    because: textOf(one.because),
    measured_rto_ms: number(one.measuredRtoMs ?? one.measuredOpenAfterMs),
    measured_rpo_ms: number(one.measuredRpoMs),
    measured_at: isoOf(one.measuredAt),
    trend: name(one.trend),
    live_rpo_ms: number(one.liveRpoMs),
    live_rpo_bytes: number(one.liveRpoBytes),
    live_because: textOf(one.liveBecause),
    live_at: isoOf(one.liveAt),
  });
}

function clusterView(one: RecoveryClusterView): ClusterView {
  return defined({
    cluster: name(one.cluster),
    primary: name(one.primary),
    epoch: Number(one.epoch),
    mode: name(one.mode),
    eligible: one.eligible.map(name),
    paused: one.paused,
    phase: textOf(one.phase),
    awaits: textOf(one.awaits),
    because: textOf(one.because),
    observed_at: isoOf(one.observedAt),
    members: one.members.map((member) =>
      defined({
        node: name(member.node),
        role: member.role === "" ? "never heard" : name(member.role),
        streaming: member.streaming,
        silent_ms: number(member.silentMs),
      }),
    ),
  });
}

function decisionView(one: RecoveryDecision): DecisionView {
  return defined({
    cluster: name(one.cluster),
    epoch: Number(one.epoch),
    kind: name(one.kind),
    from: name(one.from),
    to: textOf(one.candidate),
    outcome: name(one.outcome),
    trigger: textOf(one.trigger),
    started_at: isoOf(one.startedAt),
    rto_ms: number(one.rtoMs),
    missing_bytes: number(one.missingBytes),
  });
}
