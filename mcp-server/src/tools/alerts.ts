import { z } from "zod";
import { ALERT_STATES, alertSchema, alertWhySchema } from "../control-plane/alerts.js";
import { count, seriesName, table } from "./answer.js";
import { listed, listInput, listOutput } from "./listed.js";
import { defineTool } from "./tool.js";

export const alertsTools = [
  defineTool({
    name: "alerts_list",
    toolset: "alerts",
    title: "List alerts",
    description: "Alerts, firing first, then by age. active is pending and firing.",
    input: z.strictObject({
      state: z.enum(ALERT_STATES).default("active"),
      rule: z.string().max(128).optional(),
      resolved_within_minutes: z.int().min(1).max(10_080).optional(),
      ...listInput(30),
    }),
    output: z.object({ alerts: z.array(alertSchema.partial()), total: z.number(), ...listOutput }),
    effect: "read",
    idempotent: true,
    hostMade: ["alerts[].labels", "alerts[].annotations", "alerts[].because", "counts"],
    async run(input, { rooms }) {
      const { state, rule, resolved_within_minutes: minutes } = input;
      const alerts = await rooms.alerts.listAlerts({
        state,
        rule: rule ?? "",
        resolvedWithinSeconds: (minutes ?? 0) * 60,
      });
      const { rows, rest, summary, data } = await listed(
        {
          noun: "alert",
          row: alertSchema,
          page: async () => ({ rows: alerts, nextToken: "" }),
          columns: {
            state: (row) => row.state,
            rule: (row) => row.rule,
            labels: (row) => seriesName(row.labels),
            value: (row) => row.value,
            since: (row) => row.fired_at ?? row.active_at,
            summary: (row) => row.annotations["summary"],
            alert_id: (row) => row.alert_id,
          },
        },
        input,
      );
      const firing = alerts.filter((alert) => alert.state === "firing").length;
      const pending = alerts.filter((alert) => alert.state === "pending").length;
      return {
        structured: { alerts: rows, total: alerts.length, ...rest },
        summary: `Of ${count(alerts.length, "alert")} ${firing} fire and ${pending} are pending. Here: ${summary}`,
        data,
      };
    },
  }),
  defineTool({
    name: "alert_why",
    toolset: "alerts",
    title: "Why an alert is as it is",
    description:
      "One alert and its account: expression, value, what it saw, changes of state with reasons, who was told, what hid it, and commands requested because of it.",
    input: z.strictObject({
      alert_id: z.string().min(1).max(128),
      chart: z.boolean().optional().describe("also a picture of the expression over time"),
    }),
    output: alertWhySchema,
    effect: "read",
    idempotent: true,
    hostMade: [
      ...["alert.labels", "alert.annotations", "alert.because", "transitions[].because"],
      ...["seen[].labels", "hidden_by[].what", "told[].answer"],
    ],
    async run({ alert_id: alertId, chart = false }, { rooms }) {
      const [why, picture] = await Promise.all([
        rooms.alerts.getAlert(alertId),
        chart ? rooms.alerts.getChart(alertId) : undefined,
      ]);
      const { alert } = why;
      const hidden = why.hidden_by.filter(({ now }) => now).length;
      return {
        structured: why,
        summary: `Alert of rule ${JSON.stringify(alert.rule)} is ${alert.state}; value ${alert.value}. It fires when its expression holds for ${why.for_seconds} s. ${count(why.command_ids.length, "command")} requested because of it${why.command_ids.length === 0 ? "" : `: ${why.command_ids.join(", ")}`}. ${why.told_to.length === 0 ? "Nobody hears of it now" : `${count(why.told_to.length, "receiver")} hear of it`}; ${count(why.told.length, "notice")} so far${hidden === 0 ? "" : `; hidden now by ${hidden}`}.`,
        ...(picture === undefined ? {} : { image: { data: picture, mimeType: "image/png" } }),
        data: [
          `${seriesName(alert.labels)}`,
          `expr: ${why.expr}`,
          `because: ${alert.because ?? "-"}`,
          ...Object.entries(alert.annotations).map(([name, text]) => `${name}: ${text}`),
          table(why.transitions, {
            at: (row) => row.at,
            to: (row) => row.to,
            value: (row) => row.value,
            because: (row) => row.because,
          }),
          table(why.seen, {
            seen: (row) => seriesName(row.labels),
            last_values: (row) => row.values.join(" "),
          }),
          table(why.told, {
            told_at: (row) => row.at,
            receiver: (row) => row.receiver,
            reason: (row) => row.reason,
            state: (row) => row.state,
            answer: (row) => row.answer,
          }),
          table(why.hidden_by, {
            hidden_by: (row) => `${row.kind} ${row.name}`,
            now: (row) => (row.now ? "yes" : "no"),
            since: (row) => row.since,
            notices: (row) => row.notices,
            what: (row) => row.what,
          }),
        ]
          .filter((part) => part !== "")
          .join("\n"),
      };
    },
  }),
];
