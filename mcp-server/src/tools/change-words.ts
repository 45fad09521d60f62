/** How plans, and where a command stands, are told: our own words, with numbers and ids. */
import { z } from "zod";
import type { CommandWholeView } from "../control-plane/commands.js";
import { count } from "./answer.js";

export const approvalSchema = z.object({
  who: z.string(),
  cli: z.string(),
  method: z.string(),
  path: z.string(),
  body: z.object({ planHash: z.string() }),
});
export type Approval = z.infer<typeof approvalSchema>;

/** How people let the plan run; undefined when there is nothing to approve. */
export function approvalOf({ command, plan }: CommandWholeView): Approval | undefined {
  if (command.state !== "awaiting_approval" || plan === undefined) return undefined;
  const { approvals_needed: needed, approver_role: role } = plan;
  const people = needed > 1 ? `${needed} different people` : "a person";
  return {
    who: `${people} with the role ${role === undefined || role === "admin" ? (role ?? "approver or admin") : `${role} or admin`}, other than who asked for it`,
    cli: `mainstay approve ${command.command_id} --plan ${plan.hash}`,
    method: "POST",
    path: `/api/mainstay/v1/commands/${encodeURIComponent(command.command_id)}:approve`,
    body: { planHash: plan.hash },
  };
}

export function wayToApprove({ who, cli, method, path, body }: Approval): string {
  return `To let it run, ${who}, runs \`${cli}\`, or sends ${method} ${path} with ${JSON.stringify(body)} to the control plane. Until then it waits; command_get shows how it stands.`;
}

/** Where the command stands. */
export function standing({ command, plan }: CommandWholeView): string {
  const what = `Command ${command.command_id} (${command.action} on ${JSON.stringify(command.node)})`;
  const verdict = `Policy's verdict: ${plan?.verdict ?? "none"}.`;
  switch (command.state) {
    case "planning":
      return `${what} is stored; the node has not yet said what it would do. Nothing was changed. Ask command_get in a while.`;
    case "planned":
      return `${what} is planned and held. Nothing was changed. ${verdict} change_apply with command_id and plan_hash ${plan?.hash ?? ""} goes on.`;
    case "awaiting_approval":
      return `${what} waits for ${count(Math.max(1, plan?.approvals_needed ?? 1), "approval")}. Nothing was changed. ${verdict}`;
    case "refused":
      return `${what} was refused. Nothing was changed.`;
    case "cancelled":
      return `${what} is cancelled.`;
    default:
      return `${what} is ${command.state}.`;
  }
}

/** What hosts and policy's writers said of it. */
export function planText({ command, plan }: CommandWholeView): string {
  if (plan === undefined) return `because: ${command.because ?? "-"}`;
  const reach = plan.blast_radius;
  return [
    `because: ${command.because ?? "-"}`,
    `plan: ${plan.summary}`,
    `verdict: ${plan.verdict} by ${plan.policy_rule ?? "no rule"} (${plan.verdict_because ?? "-"})`,
    ...(reach === undefined
      ? []
      : [
          `reach: nodes ${reach.nodes.join(" ") || "-"}; ${Math.round(reach.role_share * 100)} % of the role; components ${reach.components.join(" ") || "-"}; dependents ${reach.dependents.join(" ") || "-"}; criticality ${reach.criticality || "-"}`,
        ]),
    `undo: ${plan.inverse_kind ?? "unknown"}${plan.inverse === undefined ? "" : ` ${JSON.stringify(plan.inverse)}`}`,
    ...(plan.expected_effect === undefined ? [] : [`effect: ${plan.expected_effect}`]),
    ...(plan.drift ?? []).map((line) => `changed since: ${line}`),
    `hash: ${plan.hash}; good until ${plan.expires_at ?? "?"}`,
    `steps: ${JSON.stringify(plan.plan)}`,
  ].join("\n");
}
