/** A plan: what a command would do, how far that reaches, and what policy says to it. */
import type { Plan } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { z } from "zod";
import { cleanJson, cleanLine } from "../clean-text.js";
import { defined, isoOf, textOf } from "./wire.js";

export const planSchema = z.object({
  hash: z.string(),
  summary: z.string(),
  plan: z.unknown(),
  verdict: z.string(),
  verdict_because: z.string().optional(),
  policy_rule: z.string().optional(),
  approvals_needed: z.number(),
  approver_role: z.string().optional(),
  /** Whether the person at the client may be the one who approves. */
  elicitation: z.boolean(),
  blast_radius: z
    .object({
      nodes: z.array(z.string()),
      components: z.array(z.string()),
      dependents: z.array(z.string()),
      role_share: z.number(),
      criticality: z.string(),
    })
    .optional(),
  inverse_kind: z.string().optional(),
  inverse: z.unknown().optional(),
  expected_effect: z.string().optional(),
  drift: z.array(z.string()).optional(),
  made_at: z.string().optional(),
  expires_at: z.string().optional(),
});
export type PlanView = z.infer<typeof planSchema>;

const PLAN_BUDGET = 6_000;
const INVERSE_BUDGET = 1_000;
const NAMES_MAX = 30;
const NAME_MAX = 128;
const DRIFT_MAX = 20;

export function planView(plan: Plan | undefined): PlanView | undefined {
  if (plan === undefined) return undefined;
  const reach = plan.blastRadius;
  const names = (all: readonly string[]): string[] =>
    all.slice(0, NAMES_MAX).map((name) => cleanLine(name, NAME_MAX));
  return defined({
    hash: cleanLine(plan.hash, 128),
    summary: cleanLine(plan.summary, 500),
    plan: cleanJson(plan.planJson, PLAN_BUDGET),
    verdict: cleanLine(plan.verdict, 20),
    verdict_because: textOf(plan.verdictBecause),
    policy_rule: textOf(plan.policyRule, 200),
    approvals_needed: plan.approvalsNeeded,
    approver_role: textOf(plan.approverRole, 40),
    elicitation: plan.elicitation,
    blast_radius:
      reach === undefined
        ? undefined
        : {
            nodes: names(reach.nodes),
            components: names(reach.components),
            dependents: names(reach.dependents),
            role_share: reach.roleShare,
            criticality: cleanLine(reach.criticality, 20),
          },
    inverse_kind: textOf(plan.inverseKind, 40),
    inverse: plan.inverseJson === "" ? undefined : cleanJson(plan.inverseJson, INVERSE_BUDGET),
    expected_effect: textOf(plan.expectedEffect),
    drift: plan.drift.length === 0 ? undefined : plan.drift.slice(0, DRIFT_MAX).map((l) => cleanLine(l, 200)),
    made_at: isoOf(plan.madeAt),
    expires_at: isoOf(plan.expiresAt),
  });
}
