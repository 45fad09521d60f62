/** Alerts, and the rules that raise them. */
import { readFile } from "node:fs/promises";
import { toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  AlertState,
  type Firing,
  ListAlertsResponseSchema,
  ListRuleGroupsResponseSchema,
  ListRulesResponseSchema,
  PutRuleGroupResponseSchema,
  ReplayRulesResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { messageOf } from "#src/kernel/errors";
import { formatDuration, parseDuration, SECOND } from "#src/kernel/time";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { enumWords, labelsText, printable, render, table, timeText } from "../output.js";
import { why } from "./alert-why.js";
import { REASON, REASON_HELP, reasonOf } from "./reason.js";

async function alerts(invocation: Invocation): Promise<ExitCode> {
  const { alerts: service } = await invocation.controlPlane();
  const since = textFlag(invocation, "since");
  const back = since === undefined ? 0 : parseDuration(since);
  if (back === undefined) throw new Failure(`--since is "${since}", expected a duration such as 12h`);
  const answer = await service.listAlerts({
    rule: textFlag(invocation, "rule") ?? "",
    resolvedWithinSeconds: Math.round(back / SECOND),
  });
  invocation.write(
    render(invocation.form, toJson(ListAlertsResponseSchema, answer), () =>
      table(
        ["STATE", "RULE", "ID", "ACTIVE SINCE", "VALUE", "LABELS"],
        answer.alerts.map((alert) => [
          enumWords(AlertState, alert.state),
          alert.rule,
          alert.alertId,
          timeText(alert.activeAt),
          String(alert.value),
          labelsText(alert.labels),
        ]),
      ),
    ),
  );
  return answer.alerts.some(({ state }) => state === AlertState.FIRING) ? EXIT.degraded : EXIT.ok;
}

async function rules(invocation: Invocation): Promise<ExitCode> {
  const { alerts: service } = await invocation.controlPlane();
  const answer = await service.listRules({});
  invocation.write(
    render(invocation.form, toJson(ListRulesResponseSchema, answer), () =>
      table(
        ["GROUP", "RULE", "STATE", "HEALTH", "LAST JUDGED", "FOR", "EXPRESSION"],
        answer.rules.map((rule) => [
          rule.group,
          rule.name,
          rule.state === "" ? "recording" : rule.state,
          rule.health,
          timeText(rule.lastEvaluationAt),
          formatDuration(Number(rule.forMs)),
          rule.lastError === "" ? rule.expr : `${rule.expr} (${rule.lastError})`,
        ]),
      ),
    ),
  );
  for (const fault of answer.faults) invocation.warn(`not in force: ${printable(fault)}`);
  const sound = answer.faults.length === 0 && answer.rules.every(({ health }) => health !== "err");
  return sound ? EXIT.ok : EXIT.degraded;
}

/** Over how long rules are replayed when nothing is said. */
const REPLAY_DEFAULT = "6h";
const REPLAY_TIMEOUT_MS = 120_000;

async function replay(invocation: Invocation): Promise<ExitCode> {
  const { alerts: service } = await invocation.controlPlane();
  const since = textFlag(invocation, "since") ?? REPLAY_DEFAULT;
  const back = parseDuration(since);
  const step = parseDuration(textFlag(invocation, "step") ?? "0");
  if (back === undefined || back === 0 || step === undefined)
    throw new Failure(
      `--since is "${since}", --step "${textFlag(invocation, "step") ?? ""}", expected durations`,
    );
  const content = await readContent(invocation.positionals[0] ?? "");
  const to = invocation.now();
  const answer = await service.replayRules(
    { content, from: timestampFromMs(to - back), to: timestampFromMs(to), stepMs: BigInt(step) },
    { timeoutMs: REPLAY_TIMEOUT_MS },
  );
  invocation.write(
    render(invocation.form, toJson(ReplayRulesResponseSchema, answer), () =>
      table(
        ["RULE", "", "FIRED", "RESOLVED", "VALUE", "LABELS"],
        answer.rules.flatMap((rule) => {
          const rows = (what: string, firings: readonly Firing[]) =>
            firings.map((firing) => [
              rule.name,
              what,
              timeText(firing.firedAt),
              timeText(firing.resolvedAt),
              String(firing.value),
              labelsText(firing.labels),
            ]);
          return [...rows("would have", rule.wouldHaveFired), ...rows("did", rule.didFire)];
        }),
      ),
    ),
  );
  for (const { name, fault, notes } of answer.rules)
    for (const text of [...(fault === "" ? [] : [fault]), ...notes])
      invocation.warn(printable(`${name}: ${text}`));
  return answer.rules.every(({ fault }) => fault === "") ? EXIT.ok : EXIT.degraded;
}

async function putGroup(invocation: Invocation): Promise<ExitCode> {
  const { alerts: service } = await invocation.controlPlane();
  const [name = "", file = ""] = invocation.positionals;
  const content = await readContent(file);
  const answer = await service.putRuleGroup({ name, content, ...changeOf(invocation) });
  invocation.write(
    render(invocation.form, toJson(PutRuleGroupResponseSchema, answer), () =>
      printable(`group ${name} is at version ${answer.group?.version ?? 0n}`),
    ),
  );
  return EXIT.ok;
}

async function deleteGroup(invocation: Invocation): Promise<ExitCode> {
  const { alerts: service } = await invocation.controlPlane();
  const name = invocation.positionals[0] ?? "";
  await service.deleteRuleGroup({ name, ...changeOf(invocation) });
  invocation.write(printable(`group ${name} is in force no more; its alerts resolve`));
  return EXIT.ok;
}

async function listGroups(invocation: Invocation): Promise<ExitCode> {
  const { alerts: service } = await invocation.controlPlane();
  const answer = await service.listRuleGroups({});
  invocation.write(
    render(invocation.form, toJson(ListRuleGroupsResponseSchema, answer), () =>
      table(
        ["GROUP", "VERSION", "CHANGED", "BY"],
        answer.groups.map((group) => [
          group.name,
          String(group.version),
          timeText(group.changedAt),
          `${group.changedBy?.kind ?? ""}:${group.changedBy?.name ?? ""}`,
        ]),
      ),
    ),
  );
  return EXIT.ok;
}

function changeOf(invocation: Invocation): { expectedVersion: bigint; reason: string } {
  const version = textFlag(invocation, "version") ?? "0";
  if (!/^\d{1,15}$/.test(version)) throw new Failure(`--version is "${version}", expected a whole number`);
  return { expectedVersion: BigInt(version), reason: reasonOf(invocation) };
}

async function readContent(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new Failure(messageOf(error));
  }
}

const CHANGE_HELP = `  --version N           the version this change was made against (default 0: there is none yet)
${REASON_HELP}`;

export const alertCommands: readonly Command[] = [
  {
    name: "alerts",
    usage: "[--rule NAME] [--since DURATION]",
    summary: "What is pending and firing; exit code 2 when anything fires.",
    help: `  --rule NAME           only this rule's
  --since DURATION      also what resolved so long ago or later`,
    options: { rule: { type: "string" }, since: { type: "string" } },
    positionals: { least: 0, most: 0 },
    run: alerts,
  },
  {
    name: "alerts why",
    usage: "ID [--chart FILE]",
    summary: "One alert: its expression, how it came to be as it is, who was told and what hid it.",
    help: "  --chart FILE          also draws its expression into a file, .svg or .png",
    options: { chart: { type: "string" } },
    positionals: { least: 1, most: 1 },
    run: why,
  },
  {
    name: "rules",
    usage: "",
    summary: "The rules in force; exit code 2 when one cannot be judged or a file is not in force.",
    help: "",
    options: {},
    positionals: { least: 0, most: 0 },
    run: rules,
  },
  {
    name: "rules replay",
    usage: "FILE [--since DURATION] [--step DURATION]",
    summary: "What the rules of a file would have fired over the past, beside what did fire.",
    help: `  --since DURATION      from so long ago until now (default ${REPLAY_DEFAULT})
  --step DURATION       judged every so long (default: each group's interval)`,
    options: { since: { type: "string" }, step: { type: "string" } },
    positionals: { least: 1, most: 1 },
    run: replay,
  },
  {
    name: "rules groups",
    usage: "",
    summary: "The groups that were put in force through the API.",
    help: "",
    options: {},
    positionals: { least: 0, most: 0 },
    run: listGroups,
  },
  {
    name: "rules put",
    usage: "GROUP FILE --reason TEXT [--version N]",
    summary: "Put a group of rules in force, beside those of the rule files.",
    help: CHANGE_HELP,
    options: { version: { type: "string" }, ...REASON },
    changes: true,
    positionals: { least: 2, most: 2 },
    run: putGroup,
  },
  {
    name: "rules delete",
    usage: "GROUP --reason TEXT --version N",
    summary: "Take a group that was put through the API out of force.",
    help: CHANGE_HELP,
    options: { version: { type: "string" }, ...REASON },
    changes: true,
    positionals: { least: 1, most: 1 },
    run: deleteGroup,
  },
];
