/** Drills: which there are, how each last went, which are overdue; beginning one, calling it off, and its report. */
import { toJson } from "@bufbuild/protobuf";
import {
  type DrillRun,
  DrillRunSchema,
  ListDrillRunsResponseSchema,
  type RestoreReport,
} from "@mainstay/proto/gen/mainstay/operator/v1/drills_pb";
import { ListDrillsResponseSchema } from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import { formatDuration } from "#src/kernel/time";
import type { Command, Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { printable, render, table, timeText } from "../output.js";
import { reasonOf } from "./reason.js";

async function list({ controlPlane, form, write }: Invocation): Promise<ExitCode> {
  const { recovery } = await controlPlane();
  const answer = await recovery.listDrills({});
  write(
    render(form, toJson(ListDrillsResponseSchema, answer), () =>
      table(
        ["DRILL", "EVERY", "BEGINS", "LAST", "AT", "SCORE", "DUE", "WHY"],
        answer.drills.map((drill) => [
          drill.drill,
          formatDuration(Number(drill.everySeconds) * 1_000),
          drill.begins,
          drill.last,
          timeText(drill.lastAt),
          String(drill.score),
          drill.overdue ? `OVERDUE ${timeText(drill.dueAt)}` : timeText(drill.dueAt),
          drill.because,
        ]),
      ),
    ),
  );
  return answer.drills.some(({ overdue }) => overdue) ? EXIT.degraded : EXIT.ok;
}

async function run(invocation: Invocation): Promise<ExitCode> {
  const [drill = ""] = invocation.positionals;
  const { drills } = await invocation.controlPlane();
  const answer = await drills.runDrill({ drill, reason: reasonOf(invocation) });
  return tellRun(invocation, answer.run);
}

async function abort(invocation: Invocation): Promise<ExitCode> {
  const [runId = ""] = invocation.positionals;
  const { drills } = await invocation.controlPlane();
  const answer = await drills.abortDrill({ runId, reason: reasonOf(invocation) });
  return tellRun(invocation, answer.run);
}

async function show(invocation: Invocation): Promise<ExitCode> {
  const [runId = ""] = invocation.positionals;
  const { drills } = await invocation.controlPlane();
  return tellRun(invocation, (await drills.getDrillRun({ runId })).run);
}

async function runs({ controlPlane, positionals, form, write }: Invocation): Promise<ExitCode> {
  const { drills } = await controlPlane();
  const answer = await drills.listDrillRuns({ drill: positionals[0] ?? "" });
  write(
    render(form, toJson(ListDrillRunsResponseSchema, answer), () =>
      table(
        ["RUN", "DRILL", "STATE", "BEGUN", "BY", "SCORE", "RTO", "RPO", "WHY"],
        answer.runs.map((one) => [
          one.runId,
          one.drill,
          one.state,
          timeText(one.begunAt),
          one.begunBy,
          String(one.score),
          duration(one.report?.rtoMs),
          duration(one.report?.rpoMs),
          one.because,
        ]),
      ),
    ),
  );
  return EXIT.ok;
}

const duration = (ms: bigint | undefined): string => (ms === undefined ? "-" : formatDuration(Number(ms)));

function tellRun({ form, write }: Invocation, told: DrillRun | undefined): ExitCode {
  if (told === undefined) throw new Failure("the control plane told nothing of the run");
  write(
    render(form, toJson(DrillRunSchema, told), () =>
      [
        `Run ${told.runId} of ${told.drill}: ${told.state}${told.because === "" ? "" : `: ${told.because}`}`,
        `Begun ${timeText(told.begunAt)} by ${told.begunBy}: ${told.reason}`,
        `It may touch: ${told.reach}`,
        ...(told.report === undefined ? [] : reportLines(told.report)),
        ...(told.endedAt === undefined ? [] : [`Ended ${timeText(told.endedAt)}, score ${told.score}.`]),
      ]
        .map(printable)
        .join("\n"),
    ),
  );
  return told.state === "failed" || told.state === "aborted" ? EXIT.failed : EXIT.ok;
}

const reportLines = (report: RestoreReport): readonly string[] => [
  `Backup ${report.backup} of repository ${report.repository}, to ${report.to || "the newest moment"}`,
  `Open for writes after ${duration(report.rtoMs)}, missing ${duration(report.rpoMs)}; newest ${report.newestAt || "unknown"} (${report.measuredBy || "nothing tells"})`,
  ...report.steps.map(({ step, tookMs }) => `  ${step}: ${duration(tookMs)}`),
  ...report.says.map((text) => `  ${text}`),
  ...report.probes.map(({ name, value }) => `  probe ${name}: ${value ?? "no number"}`),
  ...(report.failedAt === "" ? [] : [`Failed at ${report.failedAt}: ${report.because}`]),
  report.destroyed ? "Nothing of it is left on the host." : "Something of it was LEFT on the host.",
];

const REASON = {
  changes: true,
  help: "  --reason TEXT         written into the journal",
  options: { reason: { type: "string" } },
} as const;
const LOOKS = { help: "", options: {} } as const;

export const drillCommands: readonly Command[] = [
  {
    name: "drill list",
    usage: "",
    summary: "Drills, how each last went, and which are overdue.",
    ...LOOKS,
    positionals: { least: 0, most: 0 },
    run: list,
  },
  {
    name: "drill run",
    usage: "DRILL --reason TEXT",
    summary: "Begins a drill now; it is scored and reported when it has ended.",
    ...REASON,
    positionals: { least: 1, most: 1 },
    run,
  },
  {
    name: "drill start",
    usage: "DRILL --reason TEXT",
    summary: "The same as `drill run`.",
    ...REASON,
    positionals: { least: 1, most: 1 },
    run,
  },
  {
    name: "drill abort",
    usage: "RUN --reason TEXT",
    summary: "Calls a run off.",
    ...REASON,
    positionals: { least: 1, most: 1 },
    run: abort,
  },
  {
    name: "drill runs",
    usage: "[DRILL]",
    summary: "Runs of drills, newest first, with what they measured.",
    ...LOOKS,
    positionals: { least: 0, most: 1 },
    run: runs,
  },
  {
    name: "drill show",
    usage: "RUN",
    summary: "One run with its report.",
    ...LOOKS,
    positionals: { least: 1, most: 1 },
    run: show,
  },
];
