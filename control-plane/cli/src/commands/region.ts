/** Failover of a region: what it would take now, begun by the plan's hash, answered, aborted, told step by step. */
import { readFile } from "node:fs/promises";
import { toJson } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type ExplainRegionResponse,
  ExplainRegionResponseSchema,
  ListRegionsResponseSchema,
  type MeasuredComponent,
  type PlanRegionResponse,
  PlanRegionResponseSchema,
  type RegionRunView,
  RegionRunViewSchema,
  type RegionStepView,
  type RegionView,
} from "@mainstay/proto/gen/mainstay/operator/v1/region_pb";
import { messageOf } from "#src/kernel/errors";
import { formatDuration } from "#src/kernel/time";
import { parseYamlText } from "#src/platform/yaml-text";
import { parseRegions } from "#src/region/domain/parse-regions";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { printable, render, table, timeText } from "../output.js";
import { REASON, REASON_HELP, reasonOf } from "./reason.js";

const time = (ms: bigint | undefined): string => (ms === undefined ? "-" : formatDuration(Number(ms)));
const missing = (one: {
  readonly missingMs?: bigint | undefined;
  readonly missingUnknown: boolean;
}): string => (one.missingUnknown ? "unknown" : one.missingMs === undefined ? "none" : time(one.missingMs));

const stepsTable = (steps: readonly RegionStepView[]): string =>
  table(
    [
      "STEP",
      "DO",
      "STATE",
      "NEEDS",
      "BUDGET",
      "TOOK",
      "ENDS AFTER",
      "HERE",
      "THERE",
      "MISSING",
      "RPO",
      "SEEN",
    ],
    steps.map((one) => [
      one.step,
      one.kind,
      one.state || "-",
      one.needs.join(" ") || "-",
      time(one.budgetMs),
      time(one.tookMs),
      time(one.endsAfterMs),
      one.from,
      one.to,
      missing(one),
      time(one.rpoMs),
      one.because,
    ]),
  );

const componentsTable = (components: readonly MeasuredComponent[]): string =>
  table(
    ["COMPONENT", "AWAY", "RTO", "MISSING", "RPO", "VERDICT"],
    components.map((one) => [
      one.component,
      time(one.rtoMs),
      time(one.rtoObjectiveMs),
      missing(one),
      time(one.rpoObjectiveMs),
      one.verdict,
    ]),
  );

function describeRun(run: RegionRunView): string {
  const facts = [
    `run ${run.epoch} of ${run.region} is ${run.phase}, begun ${timeText(run.startedAt)} by ${run.requestedBy}: ${run.reason}`,
    ...(run.asks === "" ? [] : [`a person is asked: ${run.asks}`]),
    ...(run.overBudget.length === 0 ? [] : [`over budget: ${run.overBudget.join(", ")}`]),
    ...(run.tookMs === undefined ? [] : [`everything was verified ${time(run.tookMs)} after the loss`]),
  ];
  return facts.map(printable).join("\n");
}

/** 4 where it waits for a person, 3 where one refused, 1 where it was aborted. */
function endOf(run: RegionRunView | undefined): ExitCode {
  if (run === undefined) return EXIT.ok;
  if (run.phase === "awaiting-approval" || run.asks !== "") return EXIT.waiting;
  if (run.phase === "refused") return EXIT.denied;
  return run.phase === "aborted" ? EXIT.failed : EXIT.ok;
}

function tellRun({ form, write }: Invocation, run: RegionRunView | undefined): ExitCode {
  if (run === undefined) throw new Failure("the control plane answered without the run");
  write(render(form, toJson(RegionRunViewSchema, run), () => describeRun(run)));
  return endOf(run);
}

function describePlan(plan: PlanRegionResponse): string {
  const what = {
    loss: "is lost",
    move: "is there, and would be left as planned",
    doubtful: "is lost in part",
  }[plan.kind];
  const within = plan.totalMs <= plan.rtoMs ? "within" : "BEYOND";
  const end =
    plan.against.length > 0
      ? plan.against.map((why) => `against it: ${why}`)
      : [
          ...plan.doubts.map((why) => `another person has to approve it: ${why}`),
          `nothing was begun; begin it with: mainstay dr run ${plan.region} --plan ${plan.planHash} --reason TEXT`,
        ];
  return [
    printable(`${plan.region} ${what ?? plan.kind}; run ${plan.epoch} would move it to ${plan.to}`),
    stepsTable(plan.steps),
    `about ${time(plan.totalMs)} by what was measured before (else by budgets), ${time(plan.totalBudgetMs)} by budgets alone: ${within} the RTO of ${time(plan.rtoMs)}`,
    ...end.map(printable),
  ].join("\n");
}

async function plan({ controlPlane, positionals, form, write }: Invocation): Promise<ExitCode> {
  const { region } = await controlPlane();
  const answer = await region.planRegion({ region: positionals[0] ?? "" });
  write(render(form, toJson(PlanRegionResponseSchema, answer), () => describePlan(answer)));
  return answer.against.length === 0 ? EXIT.ok : EXIT.denied;
}

async function run(invocation: Invocation): Promise<ExitCode> {
  const planHash = textFlag(invocation, "plan");
  if (planHash === undefined) return plan(invocation);
  const { region } = await invocation.controlPlane();
  const wish = { region: invocation.positionals[0] ?? "", planHash, reason: reasonOf(invocation) };
  return tellRun(invocation, (await region.runRegion(wish)).run);
}

function describeRegion(one: RegionView): string {
  const head = printable(`${one.region} to ${one.to}, within ${time(one.rtoMs)}`);
  return [head, stepsTable(one.steps), one.run === undefined ? "never moved" : describeRun(one.run)].join(
    "\n",
  );
}

async function status({ controlPlane, positionals, form, write, warn }: Invocation): Promise<ExitCode> {
  const { region } = await controlPlane();
  const answer = await region.listRegions({});
  const [wanted] = positionals;
  if (wanted !== undefined) answer.regions = answer.regions.filter((one) => one.region === wanted);
  for (const fault of answer.faults) warn(printable(`the regions file is not in force: ${fault}`));
  write(
    render(form, toJson(ListRegionsResponseSchema, answer), () =>
      answer.regions.length === 0
        ? "no region is declared in the regions file"
        : answer.regions.map(describeRegion).join("\n\n"),
    ),
  );
  const waiting = answer.regions.map((one) => endOf(one.run)).find((end) => end === EXIT.waiting);
  return waiting ?? (answer.faults.length > 0 ? EXIT.degraded : EXIT.ok);
}

function describeStory({ run: told, records, components, steps }: ExplainRegionResponse): string {
  const lostAt = told?.lostAt === undefined ? 0 : timestampMs(told.lostAt);
  const rows = records.map((one) => [
    one.at === undefined ? "-" : `+${timestampMs(one.at) - lostAt} ms`,
    one.kind,
    one.says,
  ]);
  return [
    told === undefined ? "" : describeRun(told),
    table(["AFTER", "RECORD", "WHAT"], rows),
    stepsTable(steps),
    ...(components.length === 0 ? [] : [componentsTable(components)]),
  ].join("\n");
}

async function explain({ controlPlane, positionals, form, write }: Invocation): Promise<ExitCode> {
  const [name = "", epoch] = positionals;
  const { region } = await controlPlane();
  const answer = await region.explainRegion({ region: name, epoch: epochOf(epoch ?? "0") });
  write(render(form, toJson(ExplainRegionResponseSchema, answer), () => describeStory(answer)));
  return endOf(answer.run);
}

const answered =
  (answer: "approve" | "refuse" | "continue") =>
  async (invocation: Invocation): Promise<ExitCode> => {
    const [name = "", epoch = ""] = invocation.positionals;
    const { region } = await invocation.controlPlane();
    const wish = { region: name, epoch: epochOf(epoch), answer, reason: reasonOf(invocation) };
    return tellRun(invocation, (await region.decideRegion(wish)).run);
  };

async function abort(invocation: Invocation): Promise<ExitCode> {
  const [name = "", epoch = ""] = invocation.positionals;
  const { region } = await invocation.controlPlane();
  const wish = { region: name, epoch: epochOf(epoch), reason: reasonOf(invocation) };
  tellRun(invocation, (await region.abortRegion(wish)).run);
  return EXIT.ok;
}

function epochOf(text: string): bigint {
  if (/^\d{1,15}$/.test(text)) return BigInt(text);
  throw new Failure(`the run is "${text}", expected its number`);
}

async function lint({ positionals, write, warn }: Invocation): Promise<ExitCode> {
  const [path = ""] = positionals;
  const text = await readFile(path, "utf8").catch((error: unknown): never => {
    throw new Failure(`the regions file cannot be read: ${messageOf(error)}`);
  });
  const parsed = parseYamlText(path, text, ({ value, lineOf }) => parseRegions(value, lineOf));
  if ("faults" in parsed) {
    for (const fault of parsed.faults) warn(printable(fault));
    return EXIT.failed;
  }
  for (const { id, to, steps } of parsed.value) {
    write(printable(`${id} to ${to}: ${steps.map((step) => step.id).join(", ")}`));
  }
  return EXIT.ok;
}

const ONE = { least: 1, most: 1 } as const;
const TWO = { least: 2, most: 2 } as const;
const ANSWER = { changes: true, help: REASON_HELP, options: REASON, positionals: TWO } as const;

export const regionCommands: readonly Command[] = [
  {
    name: "dr plan",
    usage: "REGION",
    summary: "What moving a region would do now: order, budgets, estimates, losses. Touches nothing.",
    help: "",
    options: {},
    positionals: ONE,
    run: plan,
  },
  {
    name: "dr run",
    usage: "REGION --plan HASH --reason TEXT",
    summary: "Begins what was planned; without --plan it only plans.",
    changes: "with --plan",
    help: `  --plan HASH           of the plan that you have read\n${REASON_HELP}`,
    options: { ...REASON, plan: { type: "string" } },
    positionals: ONE,
    run,
  },
  {
    name: "dr status",
    usage: "[REGION]",
    summary: "The regions, how their parts stand here and there, and their newest runs.",
    help: "",
    options: {},
    positionals: { least: 0, most: 1 },
    run: status,
  },
  {
    name: "dr explain",
    usage: "REGION [RUN]",
    summary: "A run step by step with its reasons, and what was measured beside the objectives.",
    help: "",
    options: {},
    positionals: { least: 1, most: 2 },
    run: explain,
  },
  {
    name: "dr approve",
    usage: "REGION RUN --reason TEXT",
    summary: "Says yes to a run that somebody else asked for.",
    ...ANSWER,
    run: answered("approve"),
  },
  {
    name: "dr refuse",
    usage: "REGION RUN --reason TEXT",
    summary: "Says no to it.",
    ...ANSWER,
    run: answered("refuse"),
  },
  {
    name: "dr continue",
    usage: "REGION RUN --reason TEXT",
    summary: "Goes on with what a run asks; a loss beyond the RPO is another person's to accept.",
    ...ANSWER,
    run: answered("continue"),
  },
  {
    name: "dr abort",
    usage: "REGION RUN --reason TEXT",
    summary: "Ends a run where it stands: nothing more begins, nothing is taken back.",
    // Half of a region that has moved is a change: like a cancelled command, it is for who is armed.
    ...ANSWER,
    run: abort,
  },
  {
    name: "dr lint",
    usage: "FILE",
    summary: "What is wrong with a regions file, such as DNS before data, and why.",
    needsContext: false,
    help: "",
    options: {},
    positionals: ONE,
    run: lint,
  },
];
