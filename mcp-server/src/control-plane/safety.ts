/** The safety budget and rollouts in waves, as the control plane tells it. */
import {
  type Rollout,
  RolloutState,
  type RolloutsService,
} from "@mainstay/proto/gen/mainstay/operator/v1/rollouts_pb";
import type { SafetyService } from "@mainstay/proto/gen/mainstay/operator/v1/safety_pb";
import { z } from "zod";
import { cleanLine } from "../clean-text.js";
import type { Page, PageAsk } from "./fleet.js";
import type { Line } from "./line.js";
import { defined, isoOf, nameOf, textOf } from "./wire.js";

export const safetySchema = z.object({
  automatic_allowed: z.boolean(),
  because: z.string().optional(),
  brake_tripped: z.boolean(),
  brake_because: z.string().optional(),
  actions_taken: z.number(),
  actions_per_hour: z.number(),
  failed: z.number(),
  spent_because: z.string().optional(),
  open_cases: z.number(),
  domains: z.array(
    z.object({
      label: z.string(),
      value: z.string(),
      nodes: z.number(),
      unhealthy: z.number(),
      in_flight: z.number(),
      storm: z.string(),
      because: z.string().optional(),
    }),
  ),
});
export type SafetyView = z.infer<typeof safetySchema>;

export const rolloutSchema = z.object({
  rollout_id: z.string(),
  action: z.string(),
  state: z.string(),
  because: z.string().optional(),
  requested_by: z.string(),
  requested_at: z.string().optional(),
  wave: z.number(),
  waves: z.number(),
  targets: z.number(),
  succeeded: z.number(),
  failed: z.number(),
  held_because: z.string().optional(),
});
export type RolloutView = z.infer<typeof rolloutSchema>;

const DOMAINS_MAX = 50;

export function safetyRoom(line: Line<typeof SafetyService>) {
  return {
    async get(): Promise<SafetyView> {
      const answer = await line.ask((to, how) => to.getSafety({}, how));
      const { brake, budget } = answer;
      return defined({
        automatic_allowed: answer.automaticAllowed,
        because: textOf(answer.because),
        brake_tripped: brake?.tripped ?? false,
        brake_because: textOf(brake?.because),
        actions_taken: budget?.taken ?? 0,
        actions_per_hour: budget?.actionsPerHour ?? 0,
        failed: budget?.failed ?? 0,
        spent_because: textOf(budget?.spentBecause),
        open_cases: answer.openCases,
        domains: answer.domains.slice(0, DOMAINS_MAX).map((domain) =>
          defined({
            label: cleanLine(domain.label, 80),
            value: cleanLine(domain.value, 128),
            nodes: domain.nodes,
            unhealthy: domain.unhealthy,
            in_flight: domain.inFlight,
            storm: cleanLine(domain.storm, 20),
            because: textOf(domain.because),
          }),
        ),
      });
    },
  };
}

export function rolloutsRoom(line: Line<typeof RolloutsService>) {
  return {
    /** Newest first. */
    async listRollouts(page: PageAsk): Promise<Page<RolloutView>> {
      const answer = await line.ask((to, how) => to.listRollouts({ page }, how));
      return { rows: answer.rollouts.map(rolloutView), nextToken: answer.nextToken };
    },
  };
}

function rolloutView(rollout: Rollout): RolloutView {
  const { requestedBy: by, counts } = rollout;
  return defined({
    rollout_id: cleanLine(rollout.rolloutId, 128),
    action: cleanLine(rollout.spec?.action ?? "", 80),
    state: nameOf(RolloutState, rollout.state),
    because: textOf(rollout.because),
    requested_by: by === undefined ? "unknown" : cleanLine(`${by.kind}:${by.name}`, 160),
    requested_at: isoOf(rollout.requestedAt),
    wave: rollout.wave,
    waves: rollout.waves,
    targets: counts?.targets ?? 0,
    succeeded: counts?.succeeded ?? 0,
    failed: counts?.failed ?? 0,
    held_because: textOf(rollout.heldBecause),
  });
}
