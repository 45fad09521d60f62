/** The one tool that asks for a change. It asks; a person decides. */
import { z } from "zod";
import { type CommandWholeView, commandSchema, planSchema } from "../control-plane/commands.js";
import { OpsError } from "../errors.js";
import { taskOf } from "../tasks/command-tasks.js";
import { knownNode, noSuch } from "./known-node.js";
import { refusesChanges } from "./offer.js";
import { defineTool } from "./tool.js";

/** How long an answer waits for the agent's plan. */
const PLAN_WAIT_MS = 10_000;
const ARGUMENTS_CHARS_MAX = 8_192;

const approvalSchema = z.object({
  needed: z.boolean(),
  who: z.string(),
  method: z.string(),
  path: z.string(),
  body: z.object({ planHash: z.string() }),
});

export const remediationTools = [
  defineTool({
    name: "remediation_request",
    toolset: "commands",
    title: "Request a remediation",
    description:
      "Asks for an action on a node and answers with its plan: what exactly would be done and how much. Nothing is changed by this call: the plan runs only after a person has approved it, and this server cannot approve. node_get lists the actions a node offers. Give the same request_id again to repeat a request harmlessly; follow it with command_get.",
    input: z.strictObject({
      node: z.string().min(1).max(128).describe("name or id"),
      action: z.string().min(1).max(80).describe("one of the node's actions, such as clean-directory"),
      arguments: z.looseObject({}).default({}).describe("the action's arguments, as an object"),
      reason: z.string().min(3).max(500).describe("why, for the person who decides and for the journal"),
      request_id: z
        .string()
        .regex(/^[A-Za-z0-9._:-]{1,64}$/)
        .optional()
        .describe("makes a repeated request harmless; default: a new one"),
      alert_id: z.string().min(1).max(128).optional().describe("the alert this is for"),
    }),
    output: z.object({
      request_id: z.string().optional(),
      command: commandSchema,
      plan: planSchema.optional(),
      approval: approvalSchema.optional(),
    }),
    effect: "write",
    idempotent: false,
    hostMade: ["command.arguments", "command.reason", "command.because", "plan.summary", "plan.plan"],
    async run(input, { rooms, hex, offer, beginTask }) {
      const { node } = await knownNode(rooms, input.node);
      const refused = refusesChanges(offer, node);
      if (refused !== undefined) throw new OpsError("PERMISSION_DENIED", refused);
      if (node.actions.length > 0 && !node.actions.includes(input.action)) {
        throw new OpsError(
          "FAILED_PRECONDITION",
          noSuch(`action on ${JSON.stringify(node.name)} called`, input.action, node.actions, "node_get"),
        );
      }
      const argumentsJson = JSON.stringify(input.arguments);
      if (argumentsJson.length > ARGUMENTS_CHARS_MAX) {
        throw new OpsError(
          "INVALID_ARGUMENT",
          `arguments are ${argumentsJson.length} characters of JSON: expected at most ${ARGUMENTS_CHARS_MAX}`,
        );
      }
      const requestId = input.request_id ?? `mcp-${hex(32)}`;
      const asked = await rooms.commands.request({
        requestId,
        nodeId: node.node_id,
        action: input.action,
        argumentsJson,
        reason: input.reason,
        alertId: input.alert_id ?? "",
        // A task tells of the plan when it is there.
        waitMs: beginTask === undefined ? PLAN_WAIT_MS : 1,
      });
      const { command, plan } = asked;
      // It is stored by now: the task is as durable as the command.
      const task = taskOf(asked);
      if (task.status === "working") beginTask?.(task);
      const approval = approvalOf(asked);
      return {
        structured: {
          request_id: requestId,
          command,
          ...(plan === undefined ? {} : { plan }),
          ...(approval === undefined ? {} : { approval }),
        },
        summary: [standing(asked), approval === undefined ? "" : wayToApprove(approval)]
          .filter((part) => part !== "")
          .join(" "),
        data: [
          `because: ${command.because ?? "-"}`,
          ...(plan === undefined
            ? []
            : [
                `plan: ${plan.summary}`,
                `verdict: ${plan.verdict} (${plan.verdict_because ?? "-"})`,
                `steps: ${JSON.stringify(plan.plan)}`,
              ]),
        ].join("\n"),
      };
    },
  }),
];

type Approval = z.infer<typeof approvalSchema>;

/** How a person lets the plan run; undefined when there is nothing to approve. */
function approvalOf({ command, plan }: CommandWholeView): Approval | undefined {
  if (command.state !== "awaiting_approval" || plan === undefined) return undefined;
  return {
    needed: true,
    who: "a person with the role approver or admin, other than the one whose token made this request",
    method: "POST",
    path: `/api/mainstay/v1/commands/${encodeURIComponent(command.command_id)}:approve`,
    body: { planHash: plan.hash },
  };
}

function wayToApprove({ who, method, path, body }: Approval): string {
  return `To let it run, ${who}, sends ${method} ${path} with ${JSON.stringify(body)} to the control plane's REST address. Until then it waits; command_get shows how it stands.`;
}

/** Our own words for where the command stands. */
function standing({ command, plan }: CommandWholeView): string {
  const what = `Command ${command.command_id} (${command.action} on ${JSON.stringify(command.node)})`;
  switch (command.state) {
    case "planning":
      return `${what} is stored; the node has not yet said what it would do. Nothing was changed. Ask command_get in a while.`;
    case "awaiting_approval":
      return `${what} waits for a person's approval. Nothing was changed. Policy's verdict: ${plan?.verdict ?? "none"}.`;
    case "refused":
      return `${what} was refused. Nothing was changed.`;
    default:
      return `${what} is ${command.state}: this request_id was used before.`;
  }
}
