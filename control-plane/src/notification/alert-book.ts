/**
 * All alerts there are, ours and posted ones, kept in memory and brought up to date from PostgreSQL: what is posted by
 * what changed, ours whole whenever the journal has grown.
 */
import { readAlerts, type StoredAlert } from "../alerting/alerting.module.js";
import { readEntries } from "../journal/journal.module.js";
import type { Labels } from "../kernel/labels.js";
import { DAY, type Duration, type Instant } from "../kernel/time.js";
import type { Database } from "../platform/postgres/database.js";
import { isResolved, type NotifiedAlert, unite } from "./domain/alert.js";
import { fingerprintOf } from "./domain/fingerprint.js";
import { sentLabels } from "./domain/own-alert.js";
import { readPostedSince } from "./posted-alerts.store.js";

export interface AlertBookPorts {
  readonly database: Database;
  /** Where a rule's alerts came from, for people: a link to its expression; may be empty. */
  readonly sourceOf: (ruleKey: string) => string;
  /** What every alert of ours is told with, unless it says otherwise itself. */
  readonly externalLabels: Labels;
}

/** How long alerts that ended are looked at: as long as someone may still have to hear of it. */
const ENDED_KEPT: Duration = DAY;

/** The alerts at one moment. The same object comes again until something changes. */
export interface AlertPage {
  /** Rises with each change. */
  readonly version: number;
  readonly alerts: readonly NotifiedAlert[];
  readonly byFingerprint: ReadonlyMap<string, NotifiedAlert>;
}

const EMPTY: AlertPage = { version: 0, alerts: [], byFingerprint: new Map() };

export class AlertBook {
  readonly #ports: AlertBookPorts;
  #posted = new Map<string, NotifiedAlert>();
  #revision = 0;
  #ours: readonly NotifiedAlert[] = [];
  /** Alerts are kept as the same objects while they are the same: what is known of an object is remembered elsewhere. */
  #known = new Map<string, { readonly source: string; readonly alert: NotifiedAlert }>();
  #journalHead = -1;
  #page: AlertPage = EMPTY;
  #nextEnd: Instant = Number.POSITIVE_INFINITY;
  #reading: Promise<AlertPage> | undefined;

  constructor(ports: AlertBookPorts) {
    this.#ports = ports;
  }

  /** Up to date with what is stored. Calls at the same time share one reading. */
  read(now: Instant): Promise<AlertPage> {
    this.#reading ??= this.#read(now).finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(now: Instant): Promise<AlertPage> {
    const changed = [await this.#readOurs(now), await this.#readPosted()];
    // An end that was foreseen comes without anyone writing it.
    if (!changed.includes(true) && now < this.#nextEnd) return this.#page;
    this.#forget(now);
    const alerts = unite([this.#ours, [...this.#posted.values()]], now);
    this.#page = {
      version: this.#page.version + 1,
      alerts,
      byFingerprint: new Map(alerts.map((alert) => [alert.fingerprint, alert])),
    };
    this.#nextEnd = Number.POSITIVE_INFINITY;
    for (const alert of alerts)
      if (alert.endsAt !== undefined && !isResolved(alert, now))
        this.#nextEnd = Math.min(this.#nextEnd, alert.endsAt);
    return this.#page;
  }

  async #readOurs(now: Instant): Promise<boolean> {
    const { database } = this.#ports;
    const [last] = await readEntries(database, { limit: 1, tail: true });
    const head = last?.position ?? 0;
    if (head === this.#journalHead) return false;
    const stored = await readAlerts(database, now - ENDED_KEPT);
    const known = new Map<string, { readonly source: string; readonly alert: NotifiedAlert }>();
    this.#ours = stored.flatMap((alert) => {
      if (alert.state.kind === "pending") return [];
      const source = JSON.stringify([alert.annotations, alert.state]);
      const before = this.#known.get(alert.id);
      const entry =
        before?.source === source ? before : { source, alert: this.#fromRule(alert, alert.state) };
      known.set(alert.id, entry);
      return [entry.alert];
    });
    this.#known = known;
    this.#journalHead = head;
    return true;
  }

  #fromRule(alert: StoredAlert, state: Exclude<StoredAlert["state"], { kind: "pending" }>): NotifiedAlert {
    const endsAt = state.kind === "resolved" ? state.resolvedAt : undefined;
    const labels = sentLabels(alert.labels, this.#ports.externalLabels);
    return {
      fingerprint: fingerprintOf(labels),
      labels,
      annotations: alert.annotations,
      startsAt: state.firedAt,
      endsAt,
      updatedAt: endsAt ?? state.firedAt,
      generatorUrl: this.#ports.sourceOf(alert.ruleKey),
    };
  }

  async #readPosted(): Promise<boolean> {
    const before = this.#revision;
    for (;;) {
      const rows = await readPostedSince(this.#ports.database, this.#revision);
      if (rows.length === 0) return this.#revision !== before;
      for (const { alert, revision } of rows) {
        this.#posted.set(alert.fingerprint, alert);
        this.#revision = revision;
      }
    }
  }

  #forget(now: Instant): void {
    for (const [fingerprint, { endsAt }] of this.#posted)
      if (endsAt !== undefined && endsAt < now - ENDED_KEPT) this.#posted.delete(fingerprint);
  }
}
