/** Alerts and why they are as they are, as the control plane tells it. */
import {
  type Alert,
  AlertState,
  type AlertsService,
  type GetAlertResponse,
} from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { z } from "zod";
import { cleanLine } from "../clean-text.js";
import type { Line } from "./line.js";
import { sampleText } from "./metrics.js";
import { cleanMap, defined, isoOf, nameOf, textOf } from "./wire.js";

export const ALERT_STATES = ["active", "pending", "firing", "resolved"] as const;

export const alertSchema = z.object({
  alert_id: z.string(),
  rule: z.string(),
  group: z.string().optional(),
  state: z.string(),
  value: z.string(),
  labels: z.record(z.string(), z.string()),
  annotations: z.record(z.string(), z.string()),
  active_at: z.string().optional(),
  fired_at: z.string().optional(),
  resolved_at: z.string().optional(),
  because: z.string().optional(),
});
export type AlertView = z.infer<typeof alertSchema>;

export const alertWhySchema = z.object({
  alert: alertSchema,
  expr: z.string(),
  for_seconds: z.number(),
  command_ids: z.array(z.string()),
  told_to: z.array(z.string()),
  told: z.array(
    z.object({
      at: z.string().optional(),
      receiver: z.string(),
      reason: z.string(),
      state: z.string(),
      attempts: z.number(),
      answer: z.string().optional(),
    }),
  ),
  hidden_by: z.array(
    z.object({
      kind: z.string(),
      name: z.string(),
      now: z.boolean(),
      since: z.string().optional(),
      notices: z.number(),
      what: z.string().optional(),
    }),
  ),
  seen: z.array(z.object({ labels: z.record(z.string(), z.string()), values: z.array(z.string()) })),
  history: z.array(z.object({ fired_at: z.string().optional(), resolved_at: z.string().optional() })),
  notes: z.array(z.string()).optional(),
  transitions: z.array(
    z.object({
      at: z.string().optional(),
      to: z.string(),
      value: z.string(),
      because: z.string().optional(),
    }),
  ),
});
export type AlertWhyView = z.infer<typeof alertWhySchema>;

const TRANSITIONS_MAX = 20;
const TOLD_MAX = 10;
const SEEN_MAX = 5;
const HISTORY_MAX = 10;
const COMMANDS_MAX = 20;
const ANNOTATION_MAX = 500;

export function alertsRoom(line: Line<typeof AlertsService>) {
  return {
    /** Firing first, then by age. */
    async listAlerts(filter: {
      readonly state: (typeof ALERT_STATES)[number];
      readonly rule: string;
      readonly resolvedWithinSeconds: number;
    }): Promise<readonly AlertView[]> {
      const { rule, resolvedWithinSeconds } = filter;
      const answer = await line.ask((to, how) =>
        to.listAlerts({ state: WIRE[filter.state], rule, resolvedWithinSeconds }, how),
      );
      return answer.alerts.map(alertView);
    },
    /** Throws NOT_FOUND. The newest 20 transitions, oldest of them first. */
    async getAlert(alertId: string): Promise<AlertWhyView> {
      const answer = await line.ask((to, how) => to.getAlert({ alertId }, how));
      return {
        alert: alertView(answer.alert),
        expr: cleanLine(answer.expr, 2_000),
        for_seconds: Number(answer.forMs) / 1_000,
        command_ids: answer.commandIds.slice(-COMMANDS_MAX).map((id) => cleanLine(id, 128)),
        ...accountOf(answer),
        transitions: answer.transitions.slice(-TRANSITIONS_MAX).map((transition) =>
          defined({
            at: isoOf(transition.at),
            to: nameOf(AlertState, transition.to),
            value: sampleText(transition.value),
            because: textOf(transition.because),
          }),
        ),
      };
    },
    /** In base64, as PNG. Throws NOT_FOUND, and FAILED_PRECONDITION for an alert whose rule is gone. */
    async getChart(alertId: string): Promise<string> {
      const { chart } = await line.ask((to, how) => to.getAlertChart({ alertId, file: "chart.png" }, how));
      return Buffer.from(chart?.data ?? new Uint8Array()).toString("base64");
    },
  };
}

/** Who was told and what hid it, what the expression saw last, and when the rule fired before. */
function accountOf(answer: GetAlertResponse) {
  const { notices, hiddenBy, seen, history, notes } = answer;
  return {
    told_to: answer.receivers.slice(0, TOLD_MAX).map((name) => cleanLine(name, 128)),
    told: notices.slice(0, TOLD_MAX).map((notice) =>
      defined({
        at: isoOf(notice.settledAt ?? notice.queuedAt),
        receiver: cleanLine(`${notice.receiver}/${notice.integration}`, 128),
        reason: cleanLine(notice.reason, 40),
        state: cleanLine(notice.state, 40),
        attempts: notice.attempts,
        answer: textOf(notice.lastAnswer),
      }),
    ),
    hidden_by: hiddenBy.slice(0, TOLD_MAX).map((hider) =>
      defined({
        kind: cleanLine(hider.kind, 40),
        name: cleanLine(hider.name, 128),
        now: hider.hidesNow,
        since: isoOf(hider.since),
        notices: Number(hider.notices),
        what: textOf(hider.what),
      }),
    ),
    seen: seen.slice(0, SEEN_MAX).map(({ labels, points }) => ({
      labels: cleanMap(labels),
      values: points.slice(-SEEN_MAX).map(({ value }) => sampleText(value)),
    })),
    history: history
      .slice(0, HISTORY_MAX)
      .map(({ firedAt, resolvedAt }) =>
        defined({ fired_at: isoOf(firedAt), resolved_at: isoOf(resolvedAt) }),
      ),
    ...(notes.length === 0 ? {} : { notes: notes.map((note) => cleanLine(note, 300)) }),
  };
}

const WIRE: Readonly<Record<(typeof ALERT_STATES)[number], AlertState>> = {
  active: AlertState.UNSPECIFIED,
  pending: AlertState.PENDING,
  firing: AlertState.FIRING,
  resolved: AlertState.RESOLVED,
};

function alertView(alert: Alert | undefined): AlertView {
  return defined({
    alert_id: cleanLine(alert?.alertId ?? "", 128),
    rule: cleanLine(alert?.rule ?? "", 128),
    group: textOf(alert?.group, 128),
    state: nameOf(AlertState, alert?.state ?? 0),
    value: sampleText(alert?.value ?? Number.NaN),
    labels: cleanMap(alert?.labels ?? {}),
    annotations: cleanMap(alert?.annotations ?? {}, ANNOTATION_MAX),
    active_at: isoOf(alert?.activeAt),
    fired_at: isoOf(alert?.firedAt),
    resolved_at: isoOf(alert?.resolvedAt),
    because: textOf(alert?.because),
  });
}
