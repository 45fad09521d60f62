import { z } from "zod";
import { clusterSchema, decisionSchema, objectiveSchema } from "../control-plane/recovery.js";
import { count, table } from "./answer.js";
import { defineTool } from "./tool.js";

const DECISIONS = { default: 20, max: 100 } as const;

export const recoveryTools = [
  defineTool({
    name: "recovery_objectives",
    toolset: "recovery",
    title: "Recovery objectives",
    description:
      "RTO and RPO of each component beside what was last measured, its trend, and what a failover would cost now, with evidence and age.",
    input: z.strictObject({}),
    output: z.object({ objectives: z.array(objectiveSchema) }),
    effect: "read",
    idempotent: true,
    hostMade: ["objectives[].because", "objectives[].live_because"],
    async run(_input, { rooms }) {
      const objectives = [...(await rooms.recovery.objectives())];
      const missed = objectives.filter(({ verdict }) => verdict === "missed");
      const unmeasured = objectives.filter(({ verdict }) => verdict === "not-measured").length;
      return {
        structured: { objectives },
        summary: `${count(objectives.length, "component")}: ${missed.length} missed their objective, ${unmeasured} were never measured.`,
        data: table(objectives, {
          component: (row) => row.component,
          rto_s: (row) => row.rto_seconds,
          rpo_s: (row) => row.rpo_seconds,
          verdict: (row) => row.verdict,
          measured_rto_ms: (row) => row.measured_rto_ms,
          measured_rpo_ms: (row) => row.measured_rpo_ms,
          trend: (row) => row.trend,
          live_rpo_ms: (row) => row.live_rpo_ms,
          because: (row) => row.because,
          now: (row) => row.live_because,
        }),
      };
    },
  }),
  defineTool({
    name: "failover_clusters",
    toolset: "recovery",
    title: "Clusters under failover",
    description:
      "Each database cluster under failover: its owner, whom may be promoted, what waits for a person, and its members as last heard.",
    input: z.strictObject({}),
    output: z.object({ clusters: z.array(clusterSchema) }),
    effect: "read",
    idempotent: true,
    hostMade: ["clusters[].because", "clusters[].awaits"],
    async run(_input, { rooms }) {
      const clusters = [...(await rooms.recovery.clusters())];
      const waiting = clusters.filter(({ awaits }) => awaits !== undefined).length;
      return {
        structured: { clusters },
        summary: `${count(clusters.length, "cluster")} under failover, ${waiting} waiting for a person.`,
        data: table(clusters, {
          cluster: (row) => row.cluster,
          primary: (row) => row.primary,
          epoch: (row) => row.epoch,
          relied_on: (row) => row.eligible.join(" "),
          paused: (row) => String(row.paused),
          phase: (row) => row.phase,
          members: (row) => row.members.map((member) => `${member.node}=${member.role}`).join(" "),
          because: (row) => row.awaits ?? row.because,
        }),
      };
    },
  }),
  defineTool({
    name: "failover_decisions",
    toolset: "recovery",
    title: "Failover decisions",
    description: "Failovers, reopenings and switchovers, newest first, with how long each took.",
    input: z.strictObject({
      cluster: z.string().max(63).optional().describe("Only of this cluster"),
      limit: z.int().min(1).max(DECISIONS.max).default(DECISIONS.default),
    }),
    output: z.object({ decisions: z.array(decisionSchema) }),
    effect: "read",
    idempotent: true,
    hostMade: ["decisions[].trigger"],
    async run({ cluster, limit }, { rooms }) {
      const decisions = [...(await rooms.recovery.decisions(cluster ?? "", limit))];
      return {
        structured: { decisions },
        summary: `${count(decisions.length, "decision")}, newest first. failover_explain tells one step by step.`,
        data: table(decisions, {
          started_at: (row) => row.started_at,
          cluster: (row) => row.cluster,
          epoch: (row) => row.epoch,
          kind: (row) => row.kind,
          from: (row) => row.from,
          to: (row) => row.to,
          outcome: (row) => row.outcome,
          rto_ms: (row) => row.rto_ms,
          missing_bytes: (row) => row.missing_bytes,
          trigger: (row) => row.trigger,
        }),
      };
    },
  }),
  defineTool({
    name: "failover_explain",
    toolset: "recovery",
    title: "Explain a failover",
    description:
      "One decision step by step with times, evidence and reasons, and whether the log it stands in holds.",
    input: z.strictObject({ cluster: z.string().min(1).max(63), epoch: z.int().min(1) }),
    output: z.object({
      decision: decisionSchema,
      steps: z.array(z.object({ at: z.string().optional(), kind: z.string(), says: z.string().optional() })),
      log_holds: z.boolean(),
      faults: z.array(z.string()),
    }),
    effect: "read",
    idempotent: true,
    hostMade: ["steps", "faults", "decision.trigger"],
    async run({ cluster, epoch }, { rooms }) {
      const { decision, steps, faults } = await rooms.recovery.explain(cluster, epoch);
      return {
        structured: { decision, steps: [...steps], log_holds: faults.length === 0, faults: [...faults] },
        summary: `The ${decision.kind} of epoch ${decision.epoch} ended ${decision.outcome}${decision.rto_ms === undefined ? "" : `, open again after ${decision.rto_ms} ms`}. The log ${faults.length === 0 ? "holds" : `does NOT hold: ${count(faults.length, "fault")}`}.`,
        data: [
          ...faults,
          table(steps, { at: (row) => row.at, step: (row) => row.kind, says: (row) => row.says }),
        ].join("\n"),
      };
    },
  }),
];
