/**
 * What a person is asked before a change. Our own words, and between them only values without blanks, of known letters
 * and bounded: no sentence of a host's, of an alert's or of the model that asks can stand in it. Whoever wants the plan
 * in full reads it under its id.
 */
import type { CommandView, CommandWholeView } from "../control-plane/commands.js";
import type { PlanView } from "../control-plane/plan.js";

/** Whether the plan waits for one approval, which the person at the requesting client may give. */
export function mayAskHere({ command, plan }: CommandWholeView): boolean {
  return command.state === "awaiting_approval" && plan?.elicitation === true && plan.approvals_needed <= 1;
}

const VALUE_MAX = 80;
const ARGUMENTS_MAX = 8;
const PLAIN = /^[A-Za-z0-9_./:@%+=,~*-]+$/;

/** A value as the prompt may show it. */
export function plainValue(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "string") return "(structured, see the plan)";
  if (value.length <= VALUE_MAX && PLAIN.test(value)) return value;
  return `(${value.length} characters that cannot be shown here, see the plan)`;
}

/** The question, at most about 1,500 characters. */
export function approvalPrompt(command: CommandView, plan: PlanView): string {
  const args = typeof command.arguments === "object" && command.arguments !== null ? command.arguments : {};
  const shown = Object.entries(args).slice(0, ARGUMENTS_MAX);
  const more = Object.keys(args).length - shown.length;
  const reach = plan.blast_radius;
  return [
    `Let "${plainValue(command.action)}" run on ${plainValue(command.node)}?`,
    ...shown.map(([name, value]) => `  ${plainValue(name)}: ${plainValue(value)}`),
    ...(more > 0 ? [`  and ${more} more arguments`] : []),
    ...(reach === undefined
      ? []
      : [
          `Reach: ${reach.nodes.length} node(s), ${Math.round(reach.role_share * 100)} % of the role, ${reach.components.length} component(s) and ${reach.dependents.length} that depend on them${reach.criticality === "" ? "" : `, criticality ${plainValue(reach.criticality)}`}.`,
        ]),
    UNDO[plan.inverse_kind ?? ""] ?? "Whether it can be undone is not known.",
    `Plan ${plainValue(plan.hash).slice(0, 16)} of command ${plainValue(command.command_id)}. If you did not ask for this, decline.`,
  ].join("\n");
}

const UNDO: Readonly<Record<string, string>> = {
  action: "It can be undone (change_undo).",
  irreversible: "It CANNOT be undone.",
  "nothing-to-undo": "There will be nothing to undo.",
};

export const APPROVE_FORM = {
  type: "object" as const,
  properties: {
    approve: {
      type: "boolean" as const,
      title: "Approve",
      description: "Run exactly this plan, once, now",
      default: false,
    },
  },
  required: ["approve"],
};
