/** What a notice says, as plain data, and as the value that templates see. */

import { compareText, type Labels } from "../../kernel/labels.js";
import { formatRfc3339, GoTime } from "../../kernel/template/go-time.js";
import type { TemplateMap, TemplateMethod, TemplateValue } from "../../kernel/template/value.js";
import { isList, TemplateObject } from "../../kernel/template/value.js";
import type { Instant } from "../../kernel/time.js";

export interface NoticeAlert {
  readonly fingerprint: string;
  readonly status: "firing" | "resolved";
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly startsAt: Instant;
  /** Only of resolved ones. */
  readonly endsAt?: Instant;
  readonly generatorUrl: string;
}

/** All that a channel needs, stored with the notice: the same at each attempt. */
export interface NoticeData {
  readonly groupKey: string;
  readonly receiver: string;
  readonly groupLabels: Labels;
  readonly alerts: readonly NoticeAlert[];
  /** Alerts left out because there were too many. */
  readonly truncatedAlerts: number;
}

export const statusOf = ({ alerts }: NoticeData): "firing" | "resolved" =>
  alerts.some(({ status }) => status === "firing") ? "firing" : "resolved";

/** What all have in common. */
export function common(all: readonly Labels[]): Labels {
  const [first, ...others] = all;
  if (first === undefined) return {};
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) =>
      others.every((other) => Object.hasOwn(other, name) && other[name] === value),
    ),
  );
}

/** Go's regexp.QuoteMeta: Alertmanager puts receivers' names into its links as expressions. */
export const quoteMeta = (text: string): string => text.replace(/[\\.+*?()|[\]{}^$]/g, "\\$&");

const sorted = (labels: Labels): Labels =>
  Object.fromEntries(Object.entries(labels).sort(([a], [b]) => compareText(a, b)));

/** Alertmanager's webhook payload, version 4, its fields in its order. `maxAlerts` 0: all; what is cut off counts for nothing else. */
export function webhookPayload(whole: NoticeData, externalUrl: string, maxAlerts = 0): string {
  const alerts = maxAlerts === 0 ? whole.alerts : whole.alerts.slice(0, maxAlerts);
  const data: NoticeData = { ...whole, alerts };
  return JSON.stringify({
    receiver: quoteMeta(data.receiver),
    status: statusOf(data),
    alerts: alerts.map((alert) => ({
      status: alert.status,
      labels: sorted(alert.labels),
      annotations: sorted(alert.annotations),
      startsAt: formatRfc3339(alert.startsAt),
      endsAt: formatRfc3339(alert.endsAt),
      generatorURL: alert.generatorUrl,
      fingerprint: alert.fingerprint,
    })),
    groupLabels: sorted(data.groupLabels),
    commonLabels: sorted(common(alerts.map(({ labels }) => labels))),
    commonAnnotations: sorted(common(alerts.map(({ annotations }) => annotations))),
    externalURL: externalUrl,
    version: "4",
    groupKey: data.groupKey,
    truncatedAlerts: whole.truncatedAlerts + whole.alerts.length - alerts.length,
  });
}

/** The value that a notice's templates are filled in with. */
export function templateValue(data: NoticeData, externalUrl: string): TemplateMap {
  return {
    Receiver: quoteMeta(data.receiver),
    Status: statusOf(data),
    Alerts: new AlertList(data.alerts),
    GroupLabels: new Pairs(data.groupLabels),
    CommonLabels: new Pairs(common(data.alerts.map(({ labels }) => labels))),
    CommonAnnotations: new Pairs(common(data.alerts.map(({ annotations }) => annotations))),
    ExternalURL: externalUrl,
    GroupKey: data.groupKey,
    TruncatedAlerts: data.truncatedAlerts,
  };
}

/** A list of alerts: `.Firing`, `.Resolved`. */
class AlertList extends TemplateObject {
  constructor(private readonly alerts: readonly NoticeAlert[]) {
    super();
  }

  override member(name: string): TemplateValue | undefined {
    if (name !== "Firing" && name !== "Resolved") return undefined;
    const wanted = name === "Firing" ? "firing" : "resolved";
    return new AlertList(this.alerts.filter(({ status }) => status === wanted));
  }

  override items(): readonly TemplateValue[] {
    return this.alerts.map(alertValue);
  }

  override show(): string {
    return `[${this.alerts.map(({ fingerprint }) => fingerprint).join(" ")}]`;
  }

  override plain(): TemplateValue {
    return this.items();
  }
}

function alertValue(alert: NoticeAlert): TemplateMap {
  return {
    Status: alert.status,
    Labels: new Pairs(alert.labels),
    Annotations: new Pairs(alert.annotations),
    StartsAt: new GoTime(alert.startsAt),
    EndsAt: new GoTime(alert.endsAt),
    GeneratorURL: alert.generatorUrl,
    Fingerprint: alert.fingerprint,
  };
}

/** Labels or annotations: by name, and in order with `alertname` first. */
class Pairs extends TemplateObject {
  constructor(private readonly labels: Labels) {
    super();
  }

  override member(name: string): TemplateValue | TemplateMethod | undefined {
    // A label may be named as a method is; in Go too the method wins.
    switch (name) {
      case "SortedPairs":
        return new PairList(this.#pairs());
      case "Names":
        return this.#pairs().map(([label]) => label);
      case "Values":
        return this.#pairs().map(([, value]) => value);
      case "Remove":
        return ([names]) => {
          if (names === undefined || !isList(names)) return undefined;
          const left = Object.entries(this.labels).filter(([label]) => !names.includes(label));
          return new Pairs(Object.fromEntries(left));
        };
      default:
        return Object.hasOwn(this.labels, name) ? this.labels[name] : "";
    }
  }

  #pairs(): readonly (readonly [string, string])[] {
    const rank = (name: string): string => (name === "alertname" ? "" : name);
    return Object.entries(this.labels).sort(([a], [b]) => compareText(rank(a), rank(b)));
  }

  override items(): readonly TemplateValue[] | undefined {
    return undefined;
  }

  override map(): TemplateMap {
    return this.labels;
  }

  override show(): string {
    return `map[${Object.entries(sorted(this.labels))
      .map(([name, value]) => `${name}:${value}`)
      .join(" ")}]`;
  }

  override plain(): TemplateValue {
    return this.labels;
  }
}

class PairList extends TemplateObject {
  constructor(private readonly pairs: readonly (readonly [string, string])[]) {
    super();
  }

  override member(name: string): TemplateValue | undefined {
    if (name === "Names") return this.pairs.map(([label]) => label);
    return name === "Values" ? this.pairs.map(([, value]) => value) : undefined;
  }

  override items(): readonly TemplateValue[] {
    return this.pairs.map(([Name, Value]) => ({ Name, Value }));
  }

  override show(): string {
    return `[${this.pairs.map(([name, value]) => `{${name} ${value}}`).join(" ")}]`;
  }

  override plain(): TemplateValue {
    return this.items();
  }
}
