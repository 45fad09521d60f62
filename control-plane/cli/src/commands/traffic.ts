/** Where traffic goes: what is declared and how it stands, and sending it elsewhere by plan. */
import { readFile } from "node:fs/promises";
import { toJson } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  GetTargetResponseSchema,
  ListSteersResponseSchema,
  ListTargetsResponseSchema,
  type PlanSteerResponse,
  PlanSteerResponseSchema,
  type Steer,
  SteerSchema,
  type TrafficTargetView,
} from "@mainstay/proto/gen/mainstay/operator/v1/traffic_pb";
import { messageOf } from "#src/kernel/errors";
import { formatDuration } from "#src/kernel/time";
import { parseYamlText } from "#src/platform/yaml-text";
import { lintRecords } from "#src/traffic/domain/lint-records";
import { parseTraffic } from "#src/traffic/domain/parse-traffic";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { printable, render, table, timeText } from "../output.js";
import { REASON, REASON_HELP, reasonOf } from "./reason.js";

const ENDS: Readonly<Record<string, ExitCode>> = {
  "waiting-for-approval": EXIT.waiting,
  refused: EXIT.denied,
  failed: EXIT.failed,
  superseded: EXIT.failed,
  lapsed: EXIT.failed,
};

/** It goes where it should, and whoever has a vote does not find that unhealthy. */
function stands({ place, goesTo, destinations }: TrafficTargetView): boolean {
  if (place !== "right") return false;
  return destinations.every(
    ({ destination, health }) => !goesTo.includes(destination) || health !== "unhealthy",
  );
}

function moving({ last }: TrafficTargetView, now: number): string {
  if (last === undefined) return "-";
  if (last.state !== "moving" || last.allMovedAt === undefined) return last.state;
  const left = timestampMs(last.allMovedAt) - now;
  return left > 0 ? `moving, all clients in ${formatDuration(Math.ceil(left / 1_000) * 1_000)}` : "moving";
}

async function list({ controlPlane, form, write, now }: Invocation): Promise<ExitCode> {
  const { traffic } = await controlPlane();
  const answer = await traffic.listTargets({});
  write(
    render(form, toJson(ListTargetsResponseSchema, answer), () =>
      answer.targets.length === 0
        ? "no traffic target is declared"
        : table(
            ["TARGET", "KIND", "CLUSTER", "GOES TO", "IS", "EPOCH", "LAST", "WHY"],
            answer.targets.map((target) => [
              target.target,
              target.kind,
              target.cluster || "-",
              target.goesTo.join(", ") || "-",
              target.place,
              target.epoch === undefined ? "-" : String(target.epoch),
              moving(target, now()),
              target.place === "astray" ? target.placeBecause : target.because,
            ]),
          ),
    ),
  );
  return answer.targets.every(stands) ? EXIT.ok : EXIT.degraded;
}

async function show({ controlPlane, positionals, form, write, now }: Invocation): Promise<ExitCode> {
  const { traffic } = await controlPlane();
  const answer = await traffic.getTarget({ target: positionals[0] ?? "" });
  const { target } = answer;
  if (target === undefined) throw new Failure("the control plane answered without the target");
  write(
    render(form, toJson(GetTargetResponseSchema, answer), () =>
      [
        printable(
          `${target.target} (${target.kind}): traffic goes to ${target.goesTo.join(", ") || "nowhere that is known"}`,
        ),
        printable(`  ${target.because}`),
        ...(target.place === "astray" ? [printable(`  ASTRAY: ${target.placeBecause}`)] : []),
        ...(target.cluster === "" ? [] : [printable(`  it follows the owner of ${target.cluster}`)]),
        printable(`  clients may keep what they are told for ${formatDuration(Number(target.holdMs))}`),
        ...(target.last === undefined
          ? []
          : [printable(`  last: ${target.last.to}, ${moving(target, now())}; ${target.last.because}`)]),
        table(
          ["  DESTINATION", "HEALTH", "VOTES", "WHY"],
          target.destinations.map(({ destination, health, votes, because }) => [
            `  ${destination}`,
            health || "-",
            votes.map(({ vantage, vote }) => `${vantage} ${vote}`).join(", ") || "-",
            because || "no rule speaks for it",
          ]),
        ),
      ].join("\n"),
    ),
  );
  return stands(target) ? EXIT.ok : EXIT.degraded;
}

function toOf(invocation: Invocation): string {
  const to = textFlag(invocation, "to");
  if (to === undefined) throw new Failure("give --to DESTINATION");
  return to;
}

function describePlan(target: string, plan: PlanSteerResponse): string {
  const end =
    plan.against.length > 0
      ? plan.against.map((why) => `against it: ${why}`)
      : [
          plan.needsApproval ? "another person has to approve it" : "nobody else has to approve it",
          `nothing was begun; mainstay traffic steer ${target} --to ${plan.to} --plan ${plan.planHash} --reason TEXT asks for it`,
        ];
  return [
    printable(`traffic of ${target} from ${plan.from.join(", ") || "nowhere"} to ${plan.to}`),
    ...plan.steps.map((step, index) => printable(`${index + 1}. ${step}`)),
    ...end.map(printable),
  ].join("\n");
}

async function plan(invocation: Invocation): Promise<ExitCode> {
  const [target = ""] = invocation.positionals;
  const { traffic } = await invocation.controlPlane();
  const planned = await traffic.planSteer({ target, to: toOf(invocation) });
  invocation.write(
    render(invocation.form, toJson(PlanSteerResponseSchema, planned), () => describePlan(target, planned)),
  );
  return planned.against.length === 0 ? EXIT.ok : EXIT.denied;
}

function tell(invocation: Invocation, steer: Steer | undefined): ExitCode {
  if (steer === undefined) throw new Failure("the control plane answered without the steering");
  const { steerId, target, to, state, because } = steer;
  invocation.write(
    render(invocation.form, toJson(SteerSchema, steer), () =>
      printable(`${target} to ${to} is ${state}: steering ${steerId}${because === "" ? "" : `, ${because}`}`),
    ),
  );
  return ENDS[state] ?? EXIT.ok;
}

async function steer(invocation: Invocation): Promise<ExitCode> {
  const [target = ""] = invocation.positionals;
  const planHash = textFlag(invocation, "plan");
  if (planHash === undefined) return plan(invocation);
  const { traffic } = await invocation.controlPlane();
  const wish = { target, to: toOf(invocation), planHash, reason: reasonOf(invocation) };
  return tell(invocation, (await traffic.requestSteer(wish)).steer);
}

const answer =
  (said: "approve" | "refuse") =>
  async (invocation: Invocation): Promise<ExitCode> => {
    const [steerId = ""] = invocation.positionals;
    const { traffic } = await invocation.controlPlane();
    const decided = await traffic.decideSteer({ steerId, answer: said, reason: reasonOf(invocation) });
    return tell(invocation, decided.steer);
  };

async function steers({ controlPlane, positionals, form, write }: Invocation): Promise<ExitCode> {
  const { traffic } = await controlPlane();
  const listed = await traffic.listSteers({ target: positionals[0] ?? "" });
  write(
    render(form, toJson(ListSteersResponseSchema, listed), () =>
      table(
        ["ID", "TARGET", "TO", "BY", "AT", "STATE", "EPOCH", "ALL MOVED", "WHY"],
        listed.steers.map((one) => [
          one.steerId,
          one.target,
          one.to,
          one.origin === "" ? one.requestedBy : `${one.origin} in epoch ${one.originEpoch}`,
          timeText(one.requestedAt),
          one.state,
          one.epoch === 0n ? "-" : String(one.epoch),
          timeText(one.allMovedAt),
          one.because || one.reason,
        ]),
      ),
    ),
  );
  return EXIT.ok;
}

interface Finding {
  readonly place: string;
  readonly severity: "fault" | "warning";
  readonly what: string;
  readonly why: string;
  readonly instead: string;
}

async function lint({ positionals, form, write }: Invocation): Promise<ExitCode> {
  const findings: Finding[] = [];
  let seen = 0;
  for (const file of positionals) {
    const looked = await lintFile(file);
    findings.push(...looked.findings);
    seen += looked.seen;
  }
  const faults = findings.filter(({ severity }) => severity === "fault").length;
  write(
    render(form, { findings, seen }, () =>
      [
        ...findings.flatMap(({ place, severity, what, why, instead }) => [
          `${place}: ${severity}: ${printable(what)}`,
          ...(why === "" ? [] : [`    because ${printable(why)}`]),
          ...(instead === "" ? [] : [`    instead ${printable(instead)}`]),
        ]),
        `${faults} faults, ${findings.length - faults} warnings in ${seen} targets and record sets`,
      ].join("\n"),
    ),
  );
  if (seen === 0 && faults === 0) throw new Failure("there is no target and no record set in it");
  return faults > 0 ? EXIT.failed : findings.length > 0 ? EXIT.degraded : EXIT.ok;
}

/** A file with `targets` is a traffic file; in any other, record sets and health checks of Route 53 are looked for. */
async function lintFile(
  file: string,
): Promise<{ readonly findings: readonly Finding[]; readonly seen: number }> {
  const text = await readFile(file, "utf8").catch((error: unknown): never => {
    throw new Failure(messageOf(error));
  });
  let seen = 0;
  const found = parseYamlText<readonly Finding[]>(file, text, ({ value, lineOf }) => {
    if (typeof value === "object" && value !== null && "targets" in value) {
      const parsed = parseTraffic(value, lineOf);
      seen = Array.isArray(value.targets) ? value.targets.length : 0;
      return "faults" in parsed ? parsed : { value: [] };
    }
    const { found: records, remarks } = lintRecords(value);
    seen = records;
    return { value: remarks.map(({ path, ...remark }) => ({ ...remark, place: `${file}:${lineOf(path)}` })) };
  });
  if ("value" in found) return { findings: found.value, seen };
  const findings = found.faults.map((fault): Finding => {
    const [, place = file, what = fault] = /^(.*?:\d+): ?(.*)$/s.exec(fault) ?? [];
    return { place, severity: "fault", what, why: "", instead: "" };
  });
  return { findings, seen };
}

const ONE = { least: 1, most: 1 } as const;
const TO = { to: { type: "string" } } as const;
const TO_HELP = "  --to DESTINATION      one of those that are declared";

export const trafficCommands: readonly Command[] = [
  {
    name: "traffic list",
    usage: "",
    summary: "Where traffic goes, as whoever sends it says; exit code 2 when it does not go where it should.",
    help: "",
    options: {},
    positionals: { least: 0, most: 0 },
    run: list,
  },
  {
    name: "traffic show",
    usage: "TARGET",
    summary: "One target: where it goes, how long clients keep that, and the votes about each destination.",
    help: "",
    options: {},
    positionals: ONE,
    run: show,
  },
  {
    name: "traffic plan",
    usage: "TARGET --to DESTINATION",
    summary: "What sending its traffic elsewhere would do, and what is against it. Changes nothing.",
    help: TO_HELP,
    options: TO,
    positionals: ONE,
    run: plan,
  },
  {
    name: "traffic steer",
    usage: "TARGET --to DESTINATION [--plan HASH --reason TEXT]",
    summary: "Plans it; asks for it by the plan's hash.",
    changes: "with --plan",
    help: `${TO_HELP}\n  --plan HASH           ask for what was planned; without it nothing is begun\n${REASON_HELP}`,
    options: { ...TO, ...REASON, plan: { type: "string" } },
    positionals: ONE,
    run: steer,
  },
  {
    name: "traffic approve",
    usage: "STEERING --reason TEXT",
    summary: "Says yes to what another person asked.",
    changes: true,
    help: REASON_HELP,
    options: REASON,
    positionals: ONE,
    run: answer("approve"),
  },
  {
    name: "traffic refuse",
    usage: "STEERING --reason TEXT",
    summary: "Says no to it.",
    changes: true,
    help: REASON_HELP,
    options: REASON,
    positionals: ONE,
    run: answer("refuse"),
  },
  {
    name: "traffic steers",
    usage: "[TARGET]",
    summary: "What was asked, by people and by failovers, newest first.",
    help: "",
    options: {},
    positionals: { least: 0, most: 1 },
    run: steers,
  },
  {
    name: "traffic lint",
    usage: "FILE...",
    summary:
      "Whether targets, and record sets of Route 53 in any YAML or JSON, would work; exit code 2 for warnings alone.",
    help: "",
    options: {},
    positionals: { least: 1, most: 1_000 },
    needsContext: false,
    run: lint,
  },
];
