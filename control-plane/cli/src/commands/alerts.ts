/** Alerts, and the rules that raise them. */
import { toJson } from "@bufbuild/protobuf";
import {
  AlertState,
  GetAlertResponseSchema,
  ListAlertsResponseSchema,
  ListRulesResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { formatDuration, parseDuration, SECOND } from "#src/kernel/time";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { enumWords, labelsText, printable, render, table, timeText } from "../output.js";

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

async function why(invocation: Invocation): Promise<ExitCode> {
  const { alerts: service } = await invocation.controlPlane();
  const answer = await service.getAlert({ alertId: invocation.positionals[0] ?? "" });
  invocation.write(
    render(invocation.form, toJson(GetAlertResponseSchema, answer), () => {
      const { alert } = answer;
      const held = formatDuration(Number(answer.forMs));
      const lines = [
        `${alert?.rule ?? ""}: ${enumWords(AlertState, alert?.state ?? 0)}, because ${alert?.because ?? ""}`,
        `labels: ${labelsText(alert?.labels ?? {})}`,
        `value: ${alert?.value ?? ""}, active since ${timeText(alert?.activeAt)}`,
        `expression: ${answer.expr} (for ${held})`,
        ...Object.entries(alert?.annotations ?? {}).map(([name, text]) => `${name}: ${text}`),
      ].map(printable);
      const changes = answer.transitions.map((change) => [
        timeText(change.at),
        change.to === AlertState.UNSPECIFIED ? "inactive" : enumWords(AlertState, change.to),
        String(change.value),
        change.because,
      ]);
      return [...lines, "", table(["AT", "TO", "VALUE", "BECAUSE"], changes)].join("\n");
    }),
  );
  return EXIT.ok;
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
    usage: "ID",
    summary: "One alert: its expression, and how it came to be as it is.",
    help: "",
    options: {},
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
];
