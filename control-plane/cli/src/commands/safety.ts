/** The safety budget: how things stand, the brake, and cases for people. */
import { toJson } from "@bufbuild/protobuf";
import { ListEffectsResponseSchema } from "@mainstay/proto/gen/mainstay/operator/v1/remediation_pb";
import {
  type Brake,
  BrakeSchema,
  GetSafetyResponseSchema,
  ListCasesResponseSchema,
  SafetyCaseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/safety_pb";
import type { Command, Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { printable, render, table, timeText } from "../output.js";
import { REASON, REASON_HELP, reasonOf } from "./reason.js";

const LIST_MAX = 200;

function brakeText(brake: Brake | undefined): string {
  if (brake === undefined) return "the brake: unknown";
  return printable(
    brake.tripped
      ? `the brake is TRIPPED since ${timeText(brake.at)} by ${brake.by?.kind}:${brake.by?.name}: ${brake.because}`
      : `the brake is released (${brake.because})`,
  );
}

async function show(invocation: Invocation): Promise<ExitCode> {
  const { safety } = await invocation.controlPlane();
  const answer = await safety.getSafety({});
  const { budget } = answer;
  const stormy = answer.domains.filter(({ storm }) => storm !== "calm");
  invocation.write(
    render(invocation.form, toJson(GetSafetyResponseSchema, answer), () =>
      [
        answer.automaticAllowed
          ? "automatic action is possible"
          : printable(`no automatic action: ${answer.because}`),
        brakeText(answer.brake),
        `within the hour: ${budget?.taken} of ${budget?.actionsPerHour} actions, ${budget?.failed} of ${budget?.ended} that ended failed`,
        `open cases: ${answer.openCases}`,
        ...(answer.domains.length === 0
          ? []
          : [
              table(
                ["DOMAIN", "NODES", "UNHEALTHY", "IN FLIGHT", "AT MOST", "STORM", "BECAUSE"],
                answer.domains.map((domain) => [
                  `${domain.label}=${domain.value}`,
                  `${domain.nodes}`,
                  `${domain.unhealthy}`,
                  `${domain.inFlight}`,
                  domain.inFlightMax === 0 ? "-" : `${domain.inFlightMax}`,
                  domain.storm,
                  domain.because || "-",
                ]),
              ),
            ]),
      ].join("\n"),
    ),
  );
  return answer.automaticAllowed && stormy.length === 0 && answer.openCases === 0 ? EXIT.ok : EXIT.degraded;
}

async function trip(invocation: Invocation): Promise<ExitCode> {
  const { safety } = await invocation.controlPlane();
  return told(invocation, (await safety.tripBrake({ reason: reasonOf(invocation) })).brake);
}

async function reset(invocation: Invocation): Promise<ExitCode> {
  const { safety } = await invocation.controlPlane();
  return told(invocation, (await safety.resetBrake({ reason: reasonOf(invocation) })).brake);
}

function told(invocation: Invocation, brake: Brake | undefined): ExitCode {
  if (brake === undefined) throw new Failure("the control plane answered without the brake");
  invocation.write(render(invocation.form, toJson(BrakeSchema, brake), () => brakeText(brake)));
  return EXIT.ok;
}

async function cases(invocation: Invocation): Promise<ExitCode> {
  const { safety } = await invocation.controlPlane();
  const answer = await safety.listCases({
    page: { size: LIST_MAX },
    includeClosed: invocation.flags["all"] === true,
  });
  invocation.write(
    render(invocation.form, toJson(ListCasesResponseSchema, answer), () =>
      table(
        ["ID", "OPENED", "CLOSED", "ACTION", "NODE", "BECAUSE"],
        answer.cases.map((one) => [
          one.caseId,
          timeText(one.openedAt),
          one.closedAt === undefined ? "-" : `${timeText(one.closedAt)} by ${one.closedBy?.name}`,
          one.action,
          one.nodeName,
          one.closedAt === undefined ? one.because : one.closedBecause,
        ]),
      ),
    ),
  );
  return answer.cases.some(({ closedAt }) => closedAt === undefined) ? EXIT.degraded : EXIT.ok;
}

async function closeCase(invocation: Invocation): Promise<ExitCode> {
  const { safety } = await invocation.controlPlane();
  const caseId = invocation.positionals[0] ?? "";
  const answer = await safety.closeCase({ caseId, reason: reasonOf(invocation) });
  const closed = answer.case;
  if (closed === undefined) throw new Failure("the control plane answered without the case");
  invocation.write(
    render(invocation.form, toJson(SafetyCaseSchema, closed), () =>
      printable(`case ${closed.caseId} is closed: ${closed.action} on ${closed.nodeName} may go on`),
    ),
  );
  return EXIT.ok;
}

async function effects(invocation: Invocation): Promise<ExitCode> {
  const { remediation } = await invocation.controlPlane();
  const answer = await remediation.listEffects({});
  invocation.write(
    render(invocation.form, toJson(ListEffectsResponseSchema, answer), () =>
      table(
        ["ALERT", "ACTION", "HELPED", "TRIES", "SCORE", "LAST", "BECAUSE"],
        answer.effects.map((effect) => [
          effect.alert,
          effect.action,
          `${effect.helped}`,
          `${effect.tries}`,
          `${Math.round(effect.score * 100)} %`,
          timeText(effect.lastTriedAt),
          effect.because,
        ]),
      ),
    ),
  );
  return answer.effects.some(({ demoted }) => demoted) ? EXIT.degraded : EXIT.ok;
}

export const safetyCommands: readonly Command[] = [
  {
    name: "safety",
    usage: "",
    summary: "The brake, the budget and each domain; exit code 2 when automatic action is held.",
    help: "",
    options: {},
    positionals: { least: 0, most: 0 },
    run: show,
  },
  {
    name: "brake trip",
    usage: "--reason TEXT",
    summary: "Stop all automatic action, everywhere, at once.",
    help: REASON_HELP,
    options: REASON,
    positionals: { least: 0, most: 0 },
    run: trip,
  },
  {
    name: "brake reset",
    usage: "--reason TEXT",
    summary: "Let automatic action go on.",
    help: REASON_HELP,
    options: REASON,
    changes: true,
    positionals: { least: 0, most: 0 },
    run: reset,
  },
  {
    name: "cases list",
    usage: "[--all]",
    summary: "What automatic action could not settle; exit code 2 when a case is open.",
    help: "  --all                 the closed ones too",
    options: { all: { type: "boolean" } },
    positionals: { least: 0, most: 0 },
    run: cases,
  },
  {
    name: "cases close",
    usage: "ID --reason TEXT",
    summary: "Close a case; automatic action on its target may go on.",
    help: REASON_HELP,
    options: REASON,
    changes: true,
    positionals: { least: 1, most: 1 },
    run: closeCase,
  },
  {
    name: "effects",
    usage: "",
    summary: "How often each action helped against each alert; exit code 2 when one is demoted.",
    help: "",
    options: {},
    positionals: { least: 0, most: 0 },
    run: effects,
  },
];
