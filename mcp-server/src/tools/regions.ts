import { z } from "zod";
import { measuredSchema, regionRunSchema, regionSchema } from "../control-plane/region.js";
import { count, table } from "./answer.js";
import { defineTool } from "./tool.js";

export const regionTools = [
  defineTool({
    name: "regions_status",
    toolset: "recovery",
    title: "Regions and their failover",
    description:
      "Each region that can be moved: how its parts stand here and there, what would be lost, step budgets, and its newest run with what it asks.",
    input: z.strictObject({}),
    output: z.object({ regions: z.array(regionSchema) }),
    effect: "read",
    idempotent: true,
    hostMade: ["regions[].steps[].because", "regions[].run.asks"],
    async run(_input, { rooms }) {
      const regions = [...(await rooms.region.regions())];
      const asking = regions.filter(({ run }) => run?.asks !== undefined).length;
      return {
        structured: { regions },
        summary: `${count(regions.length, "region")}, ${asking} asking a person. region_explain tells a run step by step.`,
        data: regions
          .map(({ region, to, run, steps }) =>
            [
              `${region} to ${to}: ${run === undefined ? "never moved" : `run ${run.run} ${run.phase}`}`,
              table(steps, {
                step: (row) => row.step,
                do: (row) => row.kind,
                state: (row) => row.state,
                here: (row) => row.here,
                there: (row) => row.there,
                missing_ms: (row) => (row.missing_unknown ? "unknown" : row.missing_ms),
                budget_ms: (row) => row.budget_ms,
                took_ms: (row) => row.took_ms,
                because: (row) => row.because,
              }),
            ].join("\n"),
          )
          .join("\n"),
      };
    },
  }),
  defineTool({
    name: "region_explain",
    toolset: "recovery",
    title: "Explain a region's failover",
    description:
      "One run step by step with times and reasons, and how long each component was away and what it lost beside its objectives.",
    input: z.strictObject({
      region: z.string().min(1).max(63),
      run: z.int().min(0).default(0).describe("0: the newest"),
    }),
    output: z.object({
      run: regionRunSchema,
      records: z.array(
        z.object({ at: z.string().optional(), kind: z.string(), says: z.string().optional() }),
      ),
      components: z.array(measuredSchema),
    }),
    effect: "read",
    idempotent: true,
    hostMade: ["records", "run.asks"],
    async run({ region, run: wanted }, { rooms }) {
      const { run, records, components } = await rooms.region.explain(region, wanted);
      const missed = components.filter(({ verdict }) => verdict === "missed").length;
      return {
        structured: { run, records: [...records], components: [...components] },
        summary: `Run ${run.run} of ${run.region} is ${run.phase}${run.took_ms === undefined ? "" : `, everything verified ${run.took_ms} ms after the loss`}; ${missed} of ${count(components.length, "component")} missed their objective.`,
        data: [
          table(components, {
            component: (row) => row.component,
            away_ms: (row) => row.away_ms,
            rto_ms: (row) => row.rto_ms,
            missing_ms: (row) => (row.missing_unknown ? "unknown" : row.missing_ms),
            verdict: (row) => row.verdict,
          }),
          table(records, { at: (row) => row.at, record: (row) => row.kind, says: (row) => row.says }),
        ].join("\n"),
      };
    },
  }),
];
