import { z } from "zod";
import { rolloutSchema, safetySchema } from "../control-plane/safety.js";
import { count, table } from "./answer.js";
import { listed, listInput, listOutput } from "./listed.js";
import { defineTool } from "./tool.js";

export const safetyTools = [
  defineTool({
    name: "safety_get",
    toolset: "safety",
    title: "Safety budget",
    description:
      "Whether automatic action is possible now and why not: the brake, the budget that all actors share, each failure domain, open cases.",
    input: z.strictObject({}),
    output: safetySchema,
    effect: "read",
    idempotent: true,
    hostMade: ["because", "brake_because", "spent_because", "domains"],
    async run(_input, { rooms }) {
      const safety = await rooms.safety.get();
      const storms = safety.domains.filter((domain) => domain.storm === "storm").length;
      return {
        structured: safety,
        summary: `Automatic action is ${safety.automatic_allowed ? "possible" : "held back"}. ${safety.actions_taken} of ${safety.actions_per_hour} actions taken within the hour, ${safety.failed} failed; ${count(storms, "storm")}; ${count(safety.open_cases, "open case")}.`,
        data: [
          `because: ${safety.because ?? safety.spent_because ?? safety.brake_because ?? "-"}`,
          table(safety.domains, {
            domain: (row) => `${row.label}=${row.value}`,
            nodes: (row) => row.nodes,
            unhealthy: (row) => row.unhealthy,
            in_flight: (row) => row.in_flight,
            storm: (row) => row.storm,
            because: (row) => row.because,
          }),
        ].join("\n"),
      };
    },
  }),
  defineTool({
    name: "rollouts_list",
    toolset: "rollouts",
    title: "List rollouts",
    description: "Changes in waves over many nodes, newest first, with how far each is and what holds it.",
    input: z.strictObject({ ...listInput(20) }),
    output: z.object({ rollouts: z.array(rolloutSchema.partial()), ...listOutput }),
    effect: "read",
    idempotent: true,
    hostMade: ["rollouts[].because", "rollouts[].held_because", "counts"],
    async run(input, { rooms }) {
      const { rows, rest, summary, data } = await listed(
        {
          noun: "rollout",
          row: rolloutSchema,
          page: (ask) => rooms.rollouts.listRollouts(ask),
          columns: {
            requested_at: (row) => row.requested_at,
            action: (row) => row.action,
            state: (row) => row.state,
            wave: (row) => `${row.wave}/${row.waves}`,
            done: (row) => `${row.succeeded}+${row.failed} failed of ${row.targets}`,
            because: (row) => row.held_because ?? row.because,
            rollout_id: (row) => row.rollout_id,
          },
        },
        input,
      );
      return { structured: { rollouts: rows, ...rest }, summary, data };
    },
  }),
];
