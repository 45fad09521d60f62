import { z } from "zod";
import { overviewSchema } from "../control-plane/health.js";
import { count } from "./answer.js";
import { defineTool } from "./tool.js";

export const healthTools = [
  defineTool({
    name: "health_overview",
    toolset: "health",
    title: "Health overview",
    description:
      "The whole at one look: status (worst wins), nodes by liveness, alerts, open commands, components with reasons, facts worth knowing. Start here.",
    input: z.strictObject({}),
    output: overviewSchema,
    effect: "read",
    idempotent: true,
    hostMade: ["facts", "components[].because"],
    async run(_input, { rooms }) {
      const overview = await rooms.health.overview();
      const lines = [
        ...overview.facts,
        ...overview.components.map(
          ({ name, status, because }) => `${name}: ${status}${because === undefined ? "" : ` (${because})`}`,
        ),
      ];
      return {
        structured: overview,
        summary: `Overall ${overview.status}: ${count(overview.nodes_live, "node")} live, ${overview.nodes_late} late, ${overview.nodes_lost} lost; ${count(overview.alerts_firing, "alert")} firing, ${overview.alerts_pending} pending; ${count(overview.commands_open, "command")} open.`,
        data: lines.join("\n"),
      };
    },
  }),
];
