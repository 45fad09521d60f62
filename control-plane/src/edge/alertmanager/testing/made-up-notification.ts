/** Notification as the doors' tests make it up: alerts and silences in memory, with the room's own decisions. */
import { compileMatchers, type LabelMatcher } from "../../../notification/domain/matcher.js";
import {
  compileSilences,
  decideSilence,
  type Silence,
  silenceState,
} from "../../../notification/domain/silence.js";
import {
  type AlertFilter,
  fingerprintOf,
  type PostedAlert,
  type ShownAlert,
} from "../../../notification/notification.module.js";
import type { Clock } from "../../../platform/system.js";
import type { AlertmanagerDeps } from "../alertmanager-api.js";

const RESOLVE_AFTER = 300_000;

export const CONFIG = `route:
  receiver: people
  group_by: [alertname]
  routes:
    - receiver: database
      matchers: [team="database"]
receivers:
  - name: people
  - name: database
`;

export interface MadeUpNotification {
  readonly notification: AlertmanagerDeps["notification"];
  readonly posted: PostedAlert[];
  readonly asked: AlertFilter[];
  /** Who changed silences. */
  readonly by: string[];
}

export function madeUpNotification(clock: Clock): MadeUpNotification {
  const alerts = new Map<string, PostedAlert>();
  const silences = new Map<string, Silence>();
  const posted: PostedAlert[] = [];
  const asked: AlertFilter[] = [];
  const by: string[] = [];
  let ids = 0;

  const shown = (): ShownAlert[] => {
    const now = clock.now();
    const silencedBy = compileSilences([...silences.values()], now);
    return [...alerts.values()].map((alert) => {
      const ids = silencedBy(alert.labels);
      return {
        fingerprint: fingerprintOf(alert.labels),
        labels: alert.labels,
        annotations: alert.annotations,
        startsAt: alert.startsAt ?? now,
        endsAt: alert.endsAt ?? now + RESOLVE_AFTER,
        updatedAt: now,
        generatorUrl: alert.generatorUrl,
        receivers: [alert.labels["team"] === "database" ? "database" : "people"],
        status: {
          state: ids.length > 0 ? "suppressed" : "active",
          silencedBy: ids,
          inhibitedBy: [],
          mutedBy: [],
        },
      };
    });
  };
  const wanted = (filter: AlertFilter): ShownAlert[] => {
    asked.push(filter);
    const matches = compileMatchers(filter.matchers ?? []);
    return shown().filter(
      ({ labels, status, receivers }) =>
        matches(labels) &&
        (filter.silenced !== false || status.silencedBy.length === 0) &&
        (filter.active !== false || status.state !== "active") &&
        (filter.receiver === undefined ||
          receivers.some((name) => new RegExp(`^(?:${filter.receiver})$`).test(name))),
    );
  };
  const sameMatchers = (silence: Silence, matchers: readonly LabelMatcher[]): boolean =>
    matchers.every(({ name, value }) =>
      silence.matchers.some((its) => its.name === name && its.value === value),
    );

  return {
    posted,
    asked,
    by,
    notification: {
      listAlerts: async (filter) => wanted(filter),
      listGroups: async (filter) => {
        const found = wanted(filter);
        const names = [...new Set(found.map(({ labels }) => labels["alertname"] ?? ""))].sort();
        return names.map((alertname) => ({
          labels: { alertname },
          receiver: "people",
          alerts: found.filter(({ labels }) => labels["alertname"] === alertname),
        }));
      },
      postAlerts: async (given) => {
        const good = given.filter(({ labels }) => Object.keys(labels).length > 0);
        for (const alert of good) alerts.set(fingerprintOf(alert.labels), alert);
        posted.push(...good);
        return {
          stored: good.length,
          faults: good.length < given.length ? ["at least one label pair required"] : [],
        };
      },
      receivers: () => ["people", "database"],
      listSilences: async (matchers = []) =>
        [...silences.values()]
          .filter((silence) => sameMatchers(silence, matchers))
          .map((silence) => ({ ...silence, state: silenceState(silence, clock.now()) })),
      getSilence: async (id) => {
        const silence = silences.get(id);
        return silence && { ...silence, state: silenceState(silence, clock.now()) };
      },
      putSilence: async (request, actor) => {
        by.push(actor.name);
        const fresh = `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`;
        const known = request.id === undefined ? undefined : silences.get(request.id);
        const verdict = decideSilence(request, known, fresh, clock.now());
        if (verdict.kind === "invalid" || verdict.kind === "unknown") return verdict;
        if (verdict.kind === "created" && verdict.replaces !== undefined) {
          silences.set(verdict.replaces.id, { ...verdict.replaces, endsAt: clock.now() });
        }
        silences.set(verdict.silence.id, verdict.silence);
        return { kind: "stored", id: verdict.silence.id };
      },
      expireSilence: async (id, actor) => {
        by.push(actor.name);
        const silence = silences.get(id);
        if (silence === undefined) return false;
        silences.set(id, { ...silence, endsAt: clock.now() });
        return true;
      },
      status: () => ({
        configOriginal: CONFIG,
        faults: [],
        startedAt: clock.now(),
        resolveTimeout: RESOLVE_AFTER,
        because: "test",
        channels: [],
      }),
    },
  };
}
