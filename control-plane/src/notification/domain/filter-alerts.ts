/** Alerts as they are shown: who hears of them, what hides them, and which of them were asked for. */

import { compareText, type Labels } from "../../kernel/labels.js";
import type { Duration, Instant } from "../../kernel/time.js";
import { compileRegexp } from "../../promql/regexp.js";
import { isResolved, type NotifiedAlert } from "./alert.js";
import type { NotificationConfig } from "./config.js";
import { groupId } from "./group.js";
import type { Router } from "./group-members.js";
import { compileMatchers } from "./matcher.js";
import { type MutePorts, mutersOf, windowsOf } from "./mute-alert.js";
import type { Place } from "./route-alert.js";
import type { AlertFilter, ShownAlert, ShownGroup } from "./shown-alert.js";

export interface ShowPorts extends MutePorts {
  readonly config: NotificationConfig;
  readonly router: Router;
}

interface Seen {
  readonly shown: ShownAlert;
  readonly places: readonly Place[];
}

/** All that fire and were asked for. Throws RegexpError for a receiver expression that is none. */
export function showAlerts(
  alerts: readonly NotifiedAlert[],
  filter: AlertFilter,
  ports: ShowPorts,
  now: Instant,
): readonly ShownAlert[] {
  return seenAlerts(alerts, filter, ports, now).map(({ shown }) => shown);
}

export function showGroups(
  alerts: readonly NotifiedAlert[],
  filter: AlertFilter,
  ports: ShowPorts,
  now: Instant,
): readonly ShownGroup[] {
  const wanted = receiverTest(filter);
  const groups = new Map<string, { labels: Labels; receiver: string; alerts: ShownAlert[] }>();
  for (const { shown, places } of seenAlerts(alerts, filter, ports, now)) {
    for (const place of places) {
      if (!wanted(place.receiver)) continue;
      const id = groupId(place);
      const group = groups.get(id);
      if (group === undefined)
        groups.set(id, { labels: place.labels, receiver: place.receiver, alerts: [shown] });
      else group.alerts.push(shown);
    }
  }
  return [...groups.values()].sort(
    (a, b) => compareLabelSets(a.labels, b.labels) || compareText(a.receiver, b.receiver),
  );
}

function receiverTest({ receiver }: AlertFilter): (name: string) => boolean {
  if (receiver === undefined || receiver === "") return () => true;
  const pattern = compileRegexp(receiver);
  return (name) => pattern.test(name);
}

function seenAlerts(
  alerts: readonly NotifiedAlert[],
  filter: AlertFilter,
  ports: ShowPorts,
  now: Instant,
): readonly Seen[] {
  const matches = compileMatchers(filter.matchers ?? []);
  const wanted = receiverTest(filter);
  const windows = new Map<Place["route"], readonly string[]>();
  const windowsAt = (place: Place): readonly string[] => {
    let names = windows.get(place.route);
    if (names === undefined) {
      names = windowsOf(place.route, ports.config.timeIntervals, now).map(({ name }) => name);
      windows.set(place.route, names);
    }
    return names;
  };
  const seen: Seen[] = [];
  for (const alert of alerts) {
    if (isResolved(alert, now) || !matches(alert.labels)) continue;
    const places = ports.router.places(alert);
    if (!places.some(({ receiver }) => wanted(receiver))) continue;
    const status = statusOf(alert, places.map(windowsAt), ports);
    if (!isWanted(status, filter)) continue;
    const receivers = [...new Set(places.map(({ receiver }) => receiver))];
    seen.push({ shown: shownOf(alert, receivers, status, ports.config.resolveTimeout, now), places });
  }
  return seen;
}

function statusOf(
  alert: NotifiedAlert,
  windows: readonly (readonly string[])[],
  ports: MutePorts,
): ShownAlert["status"] {
  const muters = mutersOf(alert, ports);
  const named = (kind: string): readonly string[] =>
    muters.filter((muter) => muter.kind === kind).map(({ name }) => name);
  const silencedBy = named("silence");
  const inhibitedBy = named("inhibition");
  // Muted by a window only where no route of it speaks.
  const mutedBy = windows.every((names) => names.length > 0) ? [...new Set(windows.flat())] : [];
  const hidden = silencedBy.length + inhibitedBy.length + mutedBy.length > 0;
  return { state: hidden ? "suppressed" : "active", silencedBy, inhibitedBy, mutedBy };
}

function isWanted(status: ShownAlert["status"], filter: AlertFilter): boolean {
  const { active = true, silenced = true, inhibited = true, muted = true } = filter;
  return (
    (active || status.state !== "active") &&
    (silenced || status.silencedBy.length === 0) &&
    (inhibited || status.inhibitedBy.length === 0) &&
    (muted || status.mutedBy.length === 0)
  );
}

function shownOf(
  alert: NotifiedAlert,
  receivers: readonly string[],
  status: ShownAlert["status"],
  resolveTimeout: Duration,
  now: Instant,
): ShownAlert {
  const { fingerprint, labels, annotations, startsAt, updatedAt, generatorUrl } = alert;
  const endsAt = alert.endsAt ?? now + resolveTimeout;
  return { fingerprint, labels, annotations, startsAt, endsAt, updatedAt, generatorUrl, receivers, status };
}

/** Fewer labels first, then name by name. */
function compareLabelSets(a: Labels, b: Labels): number {
  const text = (labels: Labels): string =>
    JSON.stringify(Object.entries(labels).sort(([x], [y]) => compareText(x, y)));
  return Object.keys(a).length - Object.keys(b).length || compareText(text(a), text(b));
}
