import { z } from "zod";
import type { Rooms } from "../control-plane/client.js";
import { runbookSchema, runSchema } from "../control-plane/runbooks.js";
import { OpsError } from "../errors.js";
import { count, table } from "./answer.js";
import { noSuch } from "./known-node.js";
import { listed, listInput, listOutput } from "./listed.js";
import { defineTool } from "./tool.js";

const nameInput = z.string().min(1).max(80);
const PARAMETERS_CHARS_MAX = 8_192;

export const runbooksTools = [
  defineTool({
    name: "runbooks_list",
    toolset: "runbooks",
    title: "List runbooks",
    description: "Runbooks in force: what each is for, its parameters and steps.",
    input: z.strictObject({ ...listInput(20) }),
    output: z.object({ runbooks: z.array(runbookSchema.partial()), ...listOutput }),
    effect: "read",
    idempotent: true,
    hostMade: [],
    async run(input, { rooms }) {
      const { rows, rest, summary, data } = await listed(
        {
          noun: "runbook",
          row: runbookSchema,
          page: async () => ({ rows: await rooms.runbooks.listRunbooks(), nextToken: "" }),
          columns: {
            name: (row) => row.name,
            summary: (row) => row.summary,
            parameters: (row) => row.parameters.map(({ name }) => name).join(" "),
            steps: (row) => row.steps.length,
            reviewed: (row) => (row.stale ? `${row.last_reviewed ?? "?"} (too long ago)` : row.last_reviewed),
          },
        },
        input,
      );
      return { structured: { runbooks: rows, ...rest }, summary, data };
    },
  }),
  defineTool({
    name: "runbook_run",
    toolset: "runbooks",
    title: "Run a runbook",
    description:
      "Runs a runbook; dry_run (the default) plans every action, asks every query and touches nothing. Each action of a real run is judged by policy and approved like any other. Follow it with runbook_run_get.",
    input: z.strictObject({
      name: nameInput,
      parameters: z.looseObject({}).default({}),
      dry_run: z.boolean().default(true),
      reason: z.string().min(3).max(500),
      request_id: z
        .string()
        .regex(/^[A-Za-z0-9._:-]{1,64}$/)
        .optional()
        .describe("makes a repeat harmless"),
    }),
    output: z.object({ run: runSchema }),
    effect: "write",
    idempotent: false,
    hostMade: ["run.because", "run.steps"],
    async run(input, { rooms, hex, offer }) {
      // A runbook chooses its nodes by itself, so a server that may change only some of them runs none for real.
      if (!input.dry_run && (limits(offer.nodes) || limits(offer.environments))) {
        throw new OpsError(
          "PERMISSION_DENIED",
          "this MCP server may change only some nodes, and a runbook chooses its own: run it with dry_run, or by hand",
        );
      }
      const parametersJson = JSON.stringify(input.parameters);
      if (parametersJson.length > PARAMETERS_CHARS_MAX) {
        throw new OpsError(
          "INVALID_ARGUMENT",
          `parameters are ${parametersJson.length} characters of JSON: expected at most ${PARAMETERS_CHARS_MAX}`,
        );
      }
      await mustExist(rooms, input.name);
      const { name, reason, dry_run: dryRun } = input;
      const requestId = input.request_id ?? `mcp-${hex(32)}`;
      const run = await rooms.runbooks.run({ name, requestId, parametersJson, dryRun, reason });
      return {
        structured: { run },
        summary: `Run ${run.run_id} of ${run.runbook}${run.dry_run ? " (dry: nothing is touched)" : ""} is ${run.state}.`,
        data: stepsOf(run),
      };
    },
  }),
  defineTool({
    name: "runbook_run_get",
    toolset: "runbooks",
    title: "Get a run",
    description: "One run of a runbook, step by step, with what was found.",
    input: z.strictObject({ run_id: z.string().min(1).max(128) }),
    output: z.object({ run: runSchema }),
    effect: "read",
    idempotent: true,
    hostMade: ["run.because", "run.steps"],
    async run({ run_id: runId }, { rooms }) {
      const run = await rooms.runbooks.getRun(runId);
      return {
        structured: { run },
        summary: `Run ${run.run_id} of ${run.runbook} is ${run.state}; ${count(run.steps.length, "step")}.`,
        data: stepsOf(run),
      };
    },
  }),
];

function limits({
  allow,
  deny,
}: {
  readonly allow: readonly string[] | undefined;
  readonly deny: readonly string[];
}) {
  return allow !== undefined || deny.length > 0;
}

async function mustExist(rooms: Rooms, name: string): Promise<void> {
  const known = (await rooms.runbooks.listRunbooks()).map((runbook) => runbook.name);
  if (!known.includes(name)) throw new OpsError("NOT_FOUND", noSuch("runbook", name, known, "runbooks_list"));
}

function stepsOf(run: z.infer<typeof runSchema>): string {
  return [
    `because: ${run.because ?? "-"}`,
    table(run.steps, {
      step: (row) => row.id,
      kind: (row) => row.kind,
      state: (row) => row.state,
      because: (row) => row.because,
      commands: (row) => row.command_ids.join(" "),
      findings: (row) => row.findings.join("; "),
    }),
  ].join("\n");
}
