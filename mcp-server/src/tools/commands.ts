import { z } from "zod";
import {
  COMMAND_STATES,
  commandSchema,
  isOpen,
  outputSchema,
  outputText,
} from "../control-plane/commands.js";
import { planSchema } from "../control-plane/plan.js";
import { knownNode } from "./known-node.js";
import { listed, listInput, listOutput } from "./listed.js";
import { defineTool, type ToolContext } from "./tool.js";

export const commandsTools = [
  defineTool({
    name: "commands_list",
    toolset: "commands",
    title: "List commands",
    description:
      "Commands, newest first: what was asked of which node, by whom, and how it went. State awaiting_approval: what waits for a person.",
    input: z.strictObject({
      node: z.string().min(1).max(128).optional(),
      state: z.enum(COMMAND_STATES).optional(),
      alert_id: z.string().min(1).max(128).optional(),
      ...listInput(30),
    }),
    output: z.object({ commands: z.array(commandSchema.partial()), ...listOutput }),
    effect: "read",
    idempotent: true,
    hostMade: [
      "commands[].arguments",
      "commands[].reason",
      "commands[].summary",
      "commands[].result",
      "commands[].because",
      "counts",
    ],
    async run(input, { rooms }) {
      const { node, state, alert_id: alertId } = input;
      const nodeId = node === undefined ? "" : (await knownNode(rooms, node)).node.node_id;
      const { rows, rest, summary, data } = await listed(
        {
          noun: "command",
          row: commandSchema,
          page: (ask) => rooms.commands.listCommands(ask, { nodeId, state, alertId: alertId ?? "" }),
          columns: {
            requested_at: (row) => row.requested_at,
            state: (row) => row.state,
            action: (row) => row.action,
            node: (row) => row.node,
            by: (row) => row.requested_by,
            summary: (row) => row.summary ?? row.because,
            command_id: (row) => row.command_id,
          },
        },
        input,
      );
      return { structured: { commands: rows, ...rest }, summary, data };
    },
  }),
  defineTool({
    name: "command_get",
    toolset: "commands",
    title: "Get a command",
    description:
      "One command, whole: its plan and policy's verdict, who asked and who approved, its state and why, its result, what verification found after it, and its output (the first and the last part).",
    input: z.strictObject({
      command_id: z.string().min(1).max(128),
      wait_ms: z
        .int()
        .min(0)
        .max(30_000)
        .default(0)
        .describe("how long to wait for its end, if it has not ended"),
      output_chars: z.int().min(0).max(8_000).default(3_000).describe("characters of output wanted"),
    }),
    output: z.object({
      command: commandSchema,
      plan: planSchema.optional(),
      output: z.array(outputSchema),
    }),
    effect: "read",
    idempotent: true,
    hostMade: [
      "command.arguments",
      "command.reason",
      "command.summary",
      "command.result",
      "plan.summary",
      "plan.plan",
      "output",
    ],
    async run({ command_id: commandId, wait_ms: waitMs, output_chars: outputChars }, context) {
      await untilEnded(commandId, waitMs, context);
      const { command, plan, output } = await context.rooms.commands.getCommand(commandId, outputChars);
      return {
        structured: { command, ...(plan === undefined ? {} : { plan }), output: [...output] },
        summary: `Command ${command.command_id} (${command.action} on ${JSON.stringify(command.node)}) is ${command.state}${command.exit_code === undefined ? "" : `, exit code ${command.exit_code}`}${command.verification === undefined ? "" : `; verification: ${command.verification}`}.`,
        data: [
          `because: ${command.because ?? "-"}`,
          `requested by ${command.requested_by} at ${command.requested_at ?? "?"}: ${command.reason ?? "-"}`,
          `approved by ${command.approved_by ?? "nobody"}`,
          ...(plan === undefined
            ? ["plan: none yet"]
            : [
                `plan: ${plan.summary}`,
                `verdict: ${plan.verdict} (${plan.verdict_because ?? "-"})`,
                `plan hash: ${plan.hash}`,
              ]),
          ...(command.summary === undefined ? [] : [`summary: ${command.summary}`]),
          ...(output.length === 0 ? [] : ["output:", outputText(output, outputChars + 500)]),
        ].join("\n"),
      };
    },
  }),
];

const LOOK_MS = 500;

/** Looks at intervals until the command has ended or the time is over; each new state is told to a client that asked for progress. */
async function untilEnded(
  commandId: string,
  waitMs: number,
  { rooms, sleep, progress }: Pick<ToolContext, "rooms" | "sleep" | "progress">,
): Promise<void> {
  let told = "";
  for (let left = waitMs; left > 0; left -= LOOK_MS) {
    const { command } = await rooms.commands.getCommand(commandId, 0);
    if (!isOpen(command.state)) return;
    if (command.state !== told) await progress(`Command ${commandId} is ${command.state}.`);
    told = command.state;
    await sleep(Math.min(left, LOOK_MS));
  }
}
