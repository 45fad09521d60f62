/** Alerts, groups and silences as Alertmanager's API v2 writes them in JSON. */
import type { Instant } from "../../kernel/time.js";
import type {
  LabelMatcher,
  ShownAlert,
  ShownGroup,
  ShownSilence,
} from "../../notification/notification.module.js";

const iso = (at: Instant): string => new Date(at).toISOString();

const named = (name: string): object => ({ name });

export function alertShape(alert: ShownAlert): object {
  const { state, silencedBy, inhibitedBy, mutedBy } = alert.status;
  return {
    annotations: alert.annotations,
    endsAt: iso(alert.endsAt),
    fingerprint: alert.fingerprint,
    receivers: alert.receivers.map(named),
    startsAt: iso(alert.startsAt),
    status: { inhibitedBy, mutedBy, silencedBy, state },
    updatedAt: iso(alert.updatedAt),
    ...(alert.generatorUrl === "" ? {} : { generatorURL: alert.generatorUrl }),
    labels: alert.labels,
  };
}

export function groupShape(group: ShownGroup): object {
  return { alerts: group.alerts.map(alertShape), labels: group.labels, receiver: named(group.receiver) };
}

const matcherShape = ({ name, op, value }: LabelMatcher): object => ({
  isEqual: op === "=" || op === "=~",
  isRegex: op === "=~" || op === "!~",
  name,
  value,
});

export function silenceShape(silence: ShownSilence): object {
  return {
    id: silence.id,
    status: { state: silence.state },
    updatedAt: iso(silence.updatedAt),
    comment: silence.comment,
    createdBy: silence.createdBy,
    endsAt: iso(silence.endsAt),
    matchers: silence.matchers.map(matcherShape),
    startsAt: iso(silence.startsAt),
  };
}
