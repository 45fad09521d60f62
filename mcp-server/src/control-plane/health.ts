/** One look at everything, as the control plane tells it. */
import { type HealthService, HealthStatus } from "@mainstay/proto/gen/mainstay/operator/v1/health_pb";
import { z } from "zod";
import { cleanLine } from "../clean-text.js";
import type { Line } from "./line.js";
import { defined, isoOf, nameOf, textOf } from "./wire.js";

export const overviewSchema = z.object({
  status: z.string(),
  at: z.string().optional(),
  nodes_live: z.number(),
  nodes_late: z.number(),
  nodes_lost: z.number(),
  alerts_firing: z.number(),
  alerts_pending: z.number(),
  commands_open: z.number(),
  components: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      because: z.string().optional(),
      figures: z.record(z.string(), z.number()),
    }),
  ),
  facts: z.array(z.string()),
});
export type OverviewView = z.infer<typeof overviewSchema>;

const COMPONENTS_MAX = 40;
const FIGURES_MAX = 20;
const FACTS_MAX = 20;

export function healthRoom(line: Line<typeof HealthService>) {
  return {
    async overview(): Promise<OverviewView> {
      const answer = await line.ask((to, how) => to.getOverview({}, how));
      return defined({
        status: nameOf(HealthStatus, answer.status),
        at: isoOf(answer.at),
        nodes_live: answer.nodesLive,
        nodes_late: answer.nodesLate,
        nodes_lost: answer.nodesLost,
        alerts_firing: answer.alertsFiring,
        alerts_pending: answer.alertsPending,
        commands_open: answer.commandsOpen,
        components: answer.components.slice(0, COMPONENTS_MAX).map((component) =>
          defined({
            name: cleanLine(component.name, 80),
            status: nameOf(HealthStatus, component.status),
            because: textOf(component.because),
            figures: Object.fromEntries(
              Object.entries(component.figures)
                .filter(([, figure]) => Number.isFinite(figure))
                .slice(0, FIGURES_MAX)
                .map(([name, figure]) => [cleanLine(name, 80), figure]),
            ),
          }),
        ),
        facts: answer.facts.slice(0, FACTS_MAX).map((fact) => cleanLine(fact, 300)),
      });
    },
  };
}
