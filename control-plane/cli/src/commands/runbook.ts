/** Runbooks of the control plane: read, run, watched, decided upon. */
import { toJson } from "@bufbuild/protobuf";
import {
  GetRunbookResponseSchema,
  ListRunbookRunsResponseSchema,
  ListRunbooksResponseSchema,
  type RunbookRun,
  RunbookRunSchema,
  RunbookRunState,
  RunbookStepState,
} from "@mainstay/proto/gen/mainstay/operator/v1/runbooks_pb";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { enumWords, printable, render, table, timeText } from "../output.js";
import { requestId } from "../system.js";
import { REASON, REASON_HELP, reasonOf } from "./reason.js";
import { runbookLint } from "./runbook-lint.js";

const RUNS_MAX = 100;

const ENDS: ReadonlyMap<RunbookRunState, ExitCode> = new Map([
  [RunbookRunState.SUCCEEDED, EXIT.ok],
  [RunbookRunState.DEGRADED, EXIT.degraded],
  [RunbookRunState.FAILED, EXIT.failed],
  [RunbookRunState.CANCELLED, EXIT.failed],
]);

const exitOf = (run: RunbookRun | undefined): ExitCode =>
  run?.state === RunbookRunState.WAITING
    ? EXIT.waiting
    : (ENDS.get(run?.state ?? RunbookRunState.UNSPECIFIED) ?? EXIT.ok);

function describe(run: RunbookRun): string {
  const steps = table(
    ["STEP", "KIND", "STATE", "BECAUSE"],
    run.steps.map((step) => [
      step.attempt > 1 ? `${step.id} (attempt ${step.attempt})` : step.id,
      step.kind,
      enumWords(RunbookStepState, step.state),
      step.because,
    ]),
  );
  const findings = run.steps.flatMap((step) => step.findings.map((finding) => `${step.id}: ${finding}`));
  return [
    printable(
      `${run.runId}: ${run.runbook}${run.dryRun ? ", a dry run," : ""} is ${enumWords(RunbookRunState, run.state)}, because ${run.because}`,
    ),
    printable(
      `asked for by ${run.requestedBy?.kind ?? ""}:${run.requestedBy?.name ?? ""} at ${timeText(run.startedAt)}; parameters ${run.parametersJson}`,
    ),
    "",
    steps,
    ...(findings.length === 0 ? [] : ["", ...findings.map(printable)]),
  ].join("\n");
}

function told(invocation: Invocation, run: RunbookRun | undefined): ExitCode {
  if (run === undefined) throw new Failure("the control plane answered without a run");
  invocation.write(render(invocation.form, toJson(RunbookRunSchema, run), () => describe(run)));
  return exitOf(run);
}

async function list(invocation: Invocation): Promise<ExitCode> {
  const { runbooks } = await invocation.controlPlane();
  const answer = await runbooks.listRunbooks({ staleOnly: invocation.flags["stale"] === true });
  invocation.write(
    render(invocation.form, toJson(ListRunbooksResponseSchema, answer), () =>
      table(
        ["NAME", "STEPS", "OWNER", "REVIEWED", "NEXT RUN", "SUMMARY"],
        answer.runbooks.map((book) => [
          book.name,
          `${book.steps.length}`,
          book.owner,
          book.stale ? `${book.lastReviewed} (overdue)` : book.lastReviewed,
          timeText(book.nextRunAt),
          book.summary,
        ]),
      ),
    ),
  );
  for (const said of answer.faults) invocation.warn(printable(`not in force: ${said}`));
  return answer.faults.length > 0 ? EXIT.degraded : EXIT.ok;
}

async function show(invocation: Invocation): Promise<ExitCode> {
  const { runbooks } = await invocation.controlPlane();
  const answer = await runbooks.getRunbook({ name: invocation.positionals[0] ?? "" });
  const { runbook } = answer;
  if (runbook === undefined) throw new Failure("the control plane answered without a runbook");
  invocation.write(
    render(invocation.form, toJson(GetRunbookResponseSchema, answer), () =>
      [
        printable(`${runbook.name}: ${runbook.summary}`),
        printable(
          `of ${runbook.owner}, reviewed ${runbook.lastReviewed}${runbook.cron === "" ? "" : `; by itself at ${runbook.cron} in ${runbook.timeZone}, next ${timeText(runbook.nextRunAt)}`}`,
        ),
        ...(runbook.parameters.length === 0
          ? []
          : [
              "",
              table(
                ["PARAMETER", "ALLOWED", "DEFAULT", "SUMMARY"],
                runbook.parameters.map(({ name, allowed, defaultJson, summary }) => [
                  name,
                  allowed,
                  defaultJson === "" ? "-" : defaultJson,
                  summary,
                ]),
              ),
            ]),
        "",
        table(
          ["STEP", "KIND", "ON FAILURE", "SUMMARY", "DETAIL"],
          runbook.steps.map(({ id, kind, onFailure, summary, detail }) => [
            id,
            kind,
            onFailure,
            summary,
            detail,
          ]),
        ),
      ].join("\n"),
    ),
  );
  return EXIT.ok;
}

/** `name=value` of the positionals after the runbook's name. */
function parametersOf(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw new Failure(`"${pair}" is no parameter, expected NAME=VALUE`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

const run = (invocation: Invocation): Promise<ExitCode> =>
  begin(invocation, invocation.flags["dry-run"] === true);
const plan = (invocation: Invocation): Promise<ExitCode> => begin(invocation, true);

async function begin(invocation: Invocation, dryRun: boolean): Promise<ExitCode> {
  const { runbooks } = await invocation.controlPlane();
  const [name = "", ...pairs] = invocation.positionals;
  const answer = await runbooks.runRunbook({
    name,
    requestId: textFlag(invocation, "request-id") ?? requestId(),
    parametersJson: JSON.stringify(parametersOf(pairs)),
    dryRun,
    reason: textFlag(invocation, "reason") ?? "",
  });
  if (answer.run === undefined) throw new Failure("the control plane answered without a run");
  if (invocation.flags["no-wait"] === true) return told(invocation, answer.run);
  invocation.warn(
    `run ${answer.run.runId} has begun; mainstay runbook cancel ${answer.run.runId} --reason TEXT stops it`,
  );
  return follow(invocation, answer.run.runId);
}

async function get(invocation: Invocation): Promise<ExitCode> {
  const { runbooks } = await invocation.controlPlane();
  return told(invocation, (await runbooks.getRunbookRun({ runId: invocation.positionals[0] ?? "" })).run);
}

const watch = (invocation: Invocation): Promise<ExitCode> =>
  follow(invocation, invocation.positionals[0] ?? "");

/** Tells of each step as it moves; ends with the run, or when only a person can move it on. */
async function follow(invocation: Invocation, runId: string): Promise<ExitCode> {
  const { runbooks } = await invocation.controlPlane();
  const said = new Map<string, string>();
  let last: RunbookRun | undefined;
  try {
    for await (const answer of runbooks.watchRunbookRun({ runId }, { signal: invocation.signal })) {
      last = answer.run;
      for (const step of last?.steps ?? []) {
        if (step.state === RunbookStepState.PENDING) continue;
        const line = `${step.id}: ${enumWords(RunbookStepState, step.state)}: ${step.because}`;
        if (said.get(step.id) !== line) invocation.warn(printable(line));
        said.set(step.id, line);
      }
      if (last !== undefined && (ENDS.has(last.state) || last.state === RunbookRunState.WAITING)) break;
    }
  } catch (error) {
    if (!invocation.signal.aborted) throw error;
  }
  return told(invocation, last);
}

async function runs(invocation: Invocation): Promise<ExitCode> {
  const { runbooks } = await invocation.controlPlane();
  const answer = await runbooks.listRunbookRuns({
    page: { size: RUNS_MAX },
    runbook: invocation.positionals[0] ?? "",
  });
  invocation.write(
    render(invocation.form, toJson(ListRunbookRunsResponseSchema, answer), () =>
      table(
        ["ID", "RUNBOOK", "STATE", "STARTED", "BY", "BECAUSE"],
        answer.runs.map((one) => [
          one.runId,
          one.dryRun ? `${one.runbook} (dry)` : one.runbook,
          enumWords(RunbookRunState, one.state),
          timeText(one.startedAt),
          one.requestedBy?.name ?? "",
          one.because,
        ]),
      ),
    ),
  );
  return EXIT.ok;
}

async function cancel(invocation: Invocation): Promise<ExitCode> {
  const { runbooks } = await invocation.controlPlane();
  const reason = reasonOf(invocation);
  const answer = await runbooks.cancelRunbookRun({ runId: invocation.positionals[0] ?? "", reason });
  told(invocation, answer.run);
  return EXIT.ok;
}

const decide =
  (approve: boolean) =>
  async (invocation: Invocation): Promise<ExitCode> => {
    const { runbooks } = await invocation.controlPlane();
    const [runId = "", stepId = ""] = invocation.positionals;
    const reason = reasonOf(invocation);
    const answer = await runbooks.decideRunbookRun({ runId, stepId, approve, reason });
    told(invocation, answer.run);
    return EXIT.ok;
  };

export const runbookCommands: readonly Command[] = [
  runbookLint,
  {
    name: "runbook list",
    usage: "[--stale]",
    summary: "The runbooks in force; exit code 2 when a file is not.",
    help: "  --stale               only those whose review is overdue",
    options: { stale: { type: "boolean" } },
    positionals: { least: 0, most: 0 },
    run: list,
  },
  {
    name: "runbook show",
    usage: "NAME",
    summary: "One runbook: its parameters and steps.",
    help: "",
    options: {},
    positionals: { least: 1, most: 1 },
    run: show,
  },
  {
    name: "runbook run",
    usage: "NAME [PARAMETER=VALUE...] [--dry-run] [--no-wait] [--reason TEXT]",
    summary:
      "Run it and follow it: exit code 0 all well, 1 failed, 2 some steps failed, 4 waits for approval.",
    help: `  --dry-run             plan every action, ask every query, touch nothing
  --no-wait             answer once it has begun
  --request-id ID       the same id gives the same run (default: a new one)
${REASON_HELP}`,
    changes: true,
    options: {
      "dry-run": { type: "boolean" },
      "no-wait": { type: "boolean" },
      "request-id": { type: "string" },
      ...REASON,
    },
    positionals: { least: 1, most: 100 },
    run,
  },
  {
    name: "runbook plan",
    usage: "NAME [PARAMETER=VALUE...] [--no-wait]",
    summary: "The same as run --dry-run: what it would do, and what policy says to it.",
    help: "",
    options: { "no-wait": { type: "boolean" } },
    positionals: { least: 1, most: 100 },
    run: plan,
  },
  {
    name: "runbook get",
    usage: "RUN",
    summary: "One run, step by step.",
    help: "",
    options: {},
    positionals: { least: 1, most: 1 },
    run: get,
  },
  {
    name: "runbook watch",
    usage: "RUN",
    summary: "Follow a run until it ends or waits for a person.",
    help: "",
    options: {},
    positionals: { least: 1, most: 1 },
    run: watch,
  },
  {
    name: "runbook runs",
    usage: "[NAME]",
    summary: "Runs, newest first.",
    help: "",
    options: {},
    positionals: { least: 0, most: 1 },
    run: runs,
  },
  {
    name: "runbook cancel",
    usage: "RUN --reason TEXT",
    summary: "Stop a run: what is under way is cancelled, nothing more is begun.",
    help: REASON_HELP,
    changes: true,
    options: REASON,
    positionals: { least: 1, most: 1 },
    run: cancel,
  },
  {
    name: "runbook approve",
    usage: "RUN STEP --reason TEXT",
    summary: "Say yes at an approval step.",
    help: REASON_HELP,
    changes: true,
    options: REASON,
    positionals: { least: 2, most: 2 },
    run: decide(true),
  },
  {
    name: "runbook reject",
    usage: "RUN STEP --reason TEXT",
    summary: "Say no at an approval step.",
    help: REASON_HELP,
    changes: true,
    options: REASON,
    positionals: { least: 2, most: 2 },
    run: decide(false),
  },
];
