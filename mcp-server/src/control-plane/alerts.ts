/** Alerts and why they are as they are, as the control plane tells it. */
import {
  type Alert,
  AlertState,
  type AlertsService,
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
