/** The tools that change something: a plan first, then, by its hash, exactly that plan, if policy or a person lets it. */
import { z } from "zod";
import { approvalPrompt, mayAskHere } from "../approval/prompt.js";
import type { Rooms } from "../control-plane/client.js";
import { type CommandWholeView, commandSchema } from "../control-plane/commands.js";
import { planSchema } from "../control-plane/plan.js";
import { OpsError } from "../errors.js";
import { taskOf } from "../tasks/command-tasks.js";
import { approvalOf, approvalSchema, planText, standing, wayToApprove } from "./change-words.js";
import { knownNode, noSuch } from "./known-node.js";
import { refusesChanges } from "./offer.js";
import { briefly } from "./schema-json.js";
import { type Answer, defineTool, Question, type ToolContext } from "./tool.js";

/** How long an answer waits for the agent's plan. */
const PLAN_WAIT_MS = 10_000;
const ARGUMENTS_CHARS_MAX = 8_192;

const reasonInput = z.string().min(3).max(500).describe("for the person who decides and the journal");
const requestIdInput = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,64}$/)
  .optional()
  .describe("makes a repeat harmless");
const commandIdInput = z.string().min(1).max(128);

const plannedSchema = z.object({
  request_id: z.string(),
  command: briefly(commandSchema),
  plan: briefly(planSchema).optional(),
});
const appliedSchema = z.object({
  command: briefly(commandSchema),
  plan: briefly(planSchema).optional(),
  approval: approvalSchema.optional(),
});
const HOST_MADE = [
  "command.arguments",
  "command.reason",
  "command.because",
  "plan.summary",
  "plan.plan",
  "plan.drift",
];

export const changesTools = [
  defineTool({
    name: "change_plan",
    toolset: "commands",
    title: "Plan a change",
    description:
      "Asks a node what an action would do and answers with the plan: steps, reach, undo, policy's verdict, hash. Changes nothing; change_apply runs it. node_get lists a node's actions.",
    input: z.strictObject({
      node: z.string().min(1).max(128),
      action: z.string().min(1).max(80),
      arguments: z.looseObject({}).default({}),
      reason: reasonInput,
      request_id: requestIdInput,
      alert_id: z.string().min(1).max(128).optional(),
    }),
    output: plannedSchema,
    effect: "write",
    destructive: false,
    idempotent: false,
    hostMade: HOST_MADE,
    async run(input, context) {
      const { rooms, hex } = context;
      const { node } = await knownNode(rooms, input.node);
      const refused = refusesChanges(context.offer, node);
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
      const whole = await rooms.commands.request({
        requestId,
        nodeId: node.node_id,
        action: input.action,
        argumentsJson,
        reason: input.reason,
        alertId: input.alert_id ?? "",
        waitMs: PLAN_WAIT_MS,
      });
      return planned(requestId, whole);
    },
  }),
  defineTool({
    name: "change_apply",
    toolset: "commands",
    title: "Apply a plan",
    description:
      "Runs a plan by its hash, once, if policy allows it or the person at this client, who is asked, approves. Otherwise the answer says who must approve, and how. Follow it with command_get.",
    input: z.strictObject({ command_id: commandIdInput, plan_hash: z.string().min(8).max(128) }),
    output: appliedSchema,
    effect: "write",
    idempotent: true,
    hostMade: HOST_MADE,
    async run({ command_id: commandId, plan_hash: planHash }, context) {
      const { rooms, person } = context;
      const before = await rooms.commands.getCommand(commandId, 0);
      await mayChange(context, before);
      if (before.plan !== undefined && before.plan.hash !== planHash) {
        throw new OpsError(
          "FAILED_PRECONDITION",
          `plan_hash is not the plan's: it is ${before.plan.hash} now; read it with command_get before you apply it`,
        );
      }
      const subject = { principal: await speaker(rooms), commandId, planHash };
      const decision = person.decision;
      if (decision !== undefined) {
        await person.takeState(rooms, subject);
        if (decision === "dismissed") return applied(before, context, DISMISSED);
        if (decision === "declined") {
          const ended = await rooms.commands.cancel(commandId, "the person at the MCP client declined it");
          return applied(ended, context, "The person at this client declined. Nothing was changed.");
        }
        return applied(await rooms.commands.approveElicited(commandId, planHash), context, APPROVED);
      }
      const whole =
        before.command.state === "planned" ? await rooms.commands.apply(commandId, planHash) : before;
      if (mayAskHere(whole) && context.beginTask === undefined) {
        const state = person.canBeAsked ? await stateFor(context, subject) : undefined;
        if (state !== undefined && whole.plan !== undefined)
          return new Question(approvalPrompt(whole.command, whole.plan), state);
      }
      return applied(whole, context);
    },
  }),
  defineTool({
    name: "change_undo",
    toolset: "commands",
    title: "Plan an undo",
    description: "Plans the inverse of a command that succeeded; change_apply runs it.",
    input: z.strictObject({
      command_id: commandIdInput,
      reason: reasonInput,
      request_id: requestIdInput,
    }),
    output: plannedSchema,
    effect: "write",
    destructive: false,
    idempotent: false,
    hostMade: HOST_MADE,
    async run({ command_id: commandId, reason, request_id: given }, context) {
      await mayChange(context, await context.rooms.commands.getCommand(commandId, 0));
      const requestId = given ?? `mcp-${context.hex(32)}`;
      const waitMs = PLAN_WAIT_MS;
      return planned(requestId, await context.rooms.commands.undo({ commandId, requestId, reason, waitMs }));
    },
  }),
];

const DISMISSED = "The person at this client closed the question without a decision. Nothing was changed.";
const APPROVED = "The person at this client approved it.";

/** Throws PERMISSION_DENIED where this server is not set up to change the command's node. */
async function mayChange({ rooms, offer }: ToolContext, { command }: CommandWholeView): Promise<void> {
  const { node } = await knownNode(rooms, command.node_id === "" ? command.node : command.node_id);
  const refused = refusesChanges(offer, node);
  if (refused !== undefined) throw new OpsError("PERMISSION_DENIED", refused);
}

async function speaker(rooms: Rooms): Promise<string> {
  return (await rooms.access.whoAmI()).name;
}

/** A sealed state; undefined when there is no key for this caller, and nobody is asked then. */
async function stateFor(
  { rooms, person }: ToolContext,
  subject: Parameters<ToolContext["person"]["giveState"]>[1],
): Promise<string | undefined> {
  try {
    return await person.giveState(rooms, subject);
  } catch (error) {
    if (error instanceof OpsError && error.code === "PERMISSION_DENIED") return undefined;
    throw error;
  }
}

function planned(requestId: string, whole: CommandWholeView): Answer<z.infer<typeof plannedSchema>> {
  const { command, plan } = whole;
  return {
    structured: { request_id: requestId, command, ...(plan === undefined ? {} : { plan }) },
    summary: standing(whole),
    data: planText(whole),
  };
}

function applied(
  whole: CommandWholeView,
  { beginTask }: ToolContext,
  said = "",
): Answer<z.infer<typeof appliedSchema>> {
  const { command, plan } = whole;
  // It is stored by now: the task is as durable as the command.
  const task = taskOf(whole);
  if (task.status === "working") beginTask?.(task);
  const approval = approvalOf(whole);
  return {
    structured: {
      command,
      ...(plan === undefined ? {} : { plan }),
      ...(approval === undefined ? {} : { approval }),
    },
    summary: [said, standing(whole), approval === undefined ? "" : wayToApprove(approval)]
      .filter((part) => part !== "")
      .join(" "),
    data: planText(whole),
  };
}
