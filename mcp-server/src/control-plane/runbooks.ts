/** Runbooks and their runs, as the control plane tells it. */
import {
  type Runbook,
  type RunbookRun,
  RunbookRunState,
  RunbookStepState,
  type RunbooksService,
} from "@mainstay/proto/gen/mainstay/operator/v1/runbooks_pb";
import { z } from "zod";
import { cleanBlock, cleanJson, cleanLine } from "../clean-text.js";
import type { Line } from "./line.js";
import { defined, isoOf, nameOf, textOf } from "./wire.js";

export const runbookSchema = z.object({
  name: z.string(),
  summary: z.string(),
  owner: z.string().optional(),
  last_reviewed: z.string().optional(),
  stale: z.boolean(),
  cron: z.string().optional(),
  parameters: z.array(
    z.object({
      name: z.string(),
      type: z.string(),
      required: z.boolean(),
      summary: z.string().optional(),
      allowed: z.string().optional(),
    }),
  ),
  steps: z.array(z.object({ id: z.string(), kind: z.string(), detail: z.string() })),
});
export type RunbookView = z.infer<typeof runbookSchema>;

export const runSchema = z.object({
  run_id: z.string(),
  runbook: z.string(),
  state: z.string(),
  dry_run: z.boolean(),
  because: z.string().optional(),
  requested_by: z.string(),
  started_at: z.string().optional(),
  ended_at: z.string().optional(),
  parameters: z.unknown(),
  steps: z.array(
    z.object({
      id: z.string(),
      kind: z.string(),
      state: z.string(),
      because: z.string().optional(),
      command_ids: z.array(z.string()),
      findings: z.array(z.string()),
      approver_role: z.string().optional(),
    }),
  ),
});
export type RunView = z.infer<typeof runSchema>;

const STEPS_MAX = 60;
const PARAMETERS_MAX = 30;
const FINDINGS_MAX = 5;
const TEXT_MAX = 65_536;

export function runbooksRoom(line: Line<typeof RunbooksService>) {
  return {
    async listRunbooks(): Promise<readonly RunbookView[]> {
      const { runbooks } = await line.ask((to, how) => to.listRunbooks({}, how));
      return runbooks.map(runbookView);
    },
    /** Throws NOT_FOUND. The text is the file's, with nothing in it that is not seen. */
    async getRunbook(name: string): Promise<{ readonly runbook: RunbookView; readonly text: string }> {
      const answer = await line.ask((to, how) => to.getRunbook({ name }, how));
      return { runbook: runbookView(answer.runbook), text: cleanBlock(answer.text.slice(0, TEXT_MAX)) };
    },
    async run(ask: {
      readonly name: string;
      readonly requestId: string;
      readonly parametersJson: string;
      readonly dryRun: boolean;
      readonly reason: string;
    }): Promise<RunView> {
      return runView((await line.ask((to, how) => to.runRunbook(ask, how))).run);
    },
    /** Throws NOT_FOUND. */
    async getRun(runId: string): Promise<RunView> {
      return runView((await line.ask((to, how) => to.getRunbookRun({ runId }, how))).run);
    },
  };
}

function runbookView(runbook: Runbook | undefined): RunbookView {
  return defined({
    name: cleanLine(runbook?.name ?? "", 80),
    summary: cleanLine(runbook?.summary ?? "", 300),
    owner: textOf(runbook?.owner, 80),
    last_reviewed: textOf(runbook?.lastReviewed, 20),
    stale: runbook?.stale ?? false,
    cron: textOf(runbook?.cron, 80),
    parameters: (runbook?.parameters ?? []).slice(0, PARAMETERS_MAX).map((parameter) =>
      defined({
        name: cleanLine(parameter.name, 80),
        type: cleanLine(parameter.type, 20),
        required: parameter.required,
        summary: textOf(parameter.summary, 200),
        allowed: textOf(parameter.allowed, 200),
      }),
    ),
    steps: (runbook?.steps ?? []).slice(0, STEPS_MAX).map(({ id, kind, detail }) => ({
      id: cleanLine(id, 80),
      kind: cleanLine(kind, 20),
      detail: cleanLine(detail, 200),
    })),
  });
}

function runView(run: RunbookRun | undefined): RunView {
  const by = run?.requestedBy;
  return defined({
    run_id: cleanLine(run?.runId ?? "", 128),
    runbook: cleanLine(run?.runbook ?? "", 80),
    state: nameOf(RunbookRunState, run?.state ?? 0),
    dry_run: run?.dryRun ?? false,
    because: textOf(run?.because),
    requested_by: by === undefined ? "unknown" : cleanLine(`${by.kind}:${by.name}`, 160),
    started_at: isoOf(run?.startedAt),
    ended_at: isoOf(run?.endedAt),
    parameters: cleanJson(run?.parametersJson ?? "", 2_000),
    steps: (run?.steps ?? []).slice(0, STEPS_MAX).map((step) =>
      defined({
        id: cleanLine(step.id, 80),
        kind: cleanLine(step.kind, 20),
        state: nameOf(RunbookStepState, step.state),
        because: textOf(step.because),
        command_ids: step.commandIds.slice(0, 50).map((id) => cleanLine(id, 128)),
        findings: step.findings.slice(0, FINDINGS_MAX).map((finding) => cleanLine(finding, 200)),
        approver_role: textOf(step.approverRole, 20),
      }),
    ),
  });
}
