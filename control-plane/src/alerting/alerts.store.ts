/** Alerts in PostgreSQL: saved with their transitions' journal entries, in one transaction, before anyone hears of them. */

import type { NewEntry } from "../journal/domain/entry.js";
import { appendEntries } from "../journal/journal.module.js";
import { type AlertId, alertId } from "../kernel/ids.js";
import { type Labels, labelsKey } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import { sha256Hex } from "../platform/system.js";
import type { Alert, FlapTurn, Transition } from "./domain/evaluate-rule.js";

export interface StoredAlert extends Alert {
  readonly id: AlertId;
  readonly rule: string;
  readonly group: string;
}

/** Ids by the labels of an alert, which stay the same object as long as it lives. */
const ids = new WeakMap<Labels, { readonly ruleKey: string; readonly id: AlertId }>();

export function idOf(ruleKey: string, labels: Labels): AlertId {
  const known = ids.get(labels);
  if (known?.ruleKey === ruleKey) return known.id;
  const id = alertId(sha256Hex(`${ruleKey}\n${labelsKey(labels)}`).slice(0, 20));
  ids.set(labels, { ruleKey, id });
  return id;
}

interface Row {
  alert_id: string;
  rule_key: string;
  rule_name: string;
  group_name: string;
  labels: Labels;
  annotations: Labels;
  state: "pending" | "firing" | "resolved";
  because: string;
  value: number;
  active_at: Date;
  fired_at: Date | null;
  kept_since: Date | null;
  resolved_at: Date | null;
  turns: number[];
  flapping: boolean;
}

function stateOf(row: Row): Alert["state"] {
  const activeAt = row.active_at.getTime();
  const firedAt = row.fired_at?.getTime() ?? activeAt;
  if (row.state === "pending") return { kind: "pending", activeAt };
  if (row.state === "resolved") {
    return { kind: "resolved", activeAt, firedAt, resolvedAt: row.resolved_at?.getTime() ?? firedAt };
  }
  return {
    kind: "firing",
    activeAt,
    firedAt,
    ...(row.kept_since === null ? {} : { keptSince: row.kept_since.getTime() }),
  };
}

function toAlert(row: Row): StoredAlert {
  return {
    id: alertId(row.alert_id),
    ruleKey: row.rule_key,
    rule: row.rule_name,
    group: row.group_name,
    labels: row.labels,
    annotations: row.annotations,
    state: stateOf(row),
    value: row.value,
    because: row.because,
    turns: row.turns,
    flapping: row.flapping,
  };
}

/** Pending and firing alerts, and those resolved since `resolvedSince`. */
export async function readAlerts(db: Queryable, resolvedSince: Instant): Promise<readonly StoredAlert[]> {
  const rows = await db.query<Row>(sql`
    select * from alert where state <> 'resolved' or resolved_at >= ${new Date(resolvedSince)}
    order by case state when 'firing' then 0 when 'pending' then 1 else 2 end, active_at, alert_id`);
  return rows.map(toAlert);
}

export async function readAlert(db: Queryable, id: string): Promise<StoredAlert | undefined> {
  const [row] = await db.query<Row>(sql`select * from alert where alert_id = ${id}`);
  return row && toAlert(row);
}

/** The nodes, by their label `node`, for which an alert of this severity fires. */
export async function readNodesFiring(db: Queryable, severity: string): Promise<readonly string[]> {
  const rows = await db.query<{ node: string }>(sql`
    select distinct labels->>'node' as node from alert
    where state = 'firing' and labels->>'severity' = ${severity} and labels ? 'node'`);
  return rows.map(({ node }) => node);
}

/** Alerts of this severity that fire since `since` or later, by their label `node`. */
export async function readFiringSince(
  db: Queryable,
  severity: string,
  since: Instant,
): Promise<readonly { readonly node: string; readonly alert: string }[]> {
  return db.query<{ node: string; alert: string }>(sql`
    select labels->>'node' as node, rule_name as alert from alert
    where state = 'firing' and labels->>'severity' = ${severity} and labels ? 'node'
      and fired_at >= ${new Date(since)} order by fired_at limit 1000`);
}

/** What one rule's alerts have become. */
export interface AlertChanges {
  readonly rule: string;
  readonly group: string;
  /** Those of the rule's alerts that are to be written as they are now; who resolved comes with its transition. */
  readonly alerts: readonly Alert[];
  readonly transitions: readonly Transition[];
  readonly flaps: readonly FlapTurn[];
}

/**
 * Writes the alerts of any number of rules as they are now, and their changes into the journal: in as many statements for
 * a hundred rules as for one. Those that became inactive go; those that resolved before now are as they were.
 */
export async function saveChanges(
  tx: Transaction,
  changes: readonly AlertChanges[],
  now: Instant,
): Promise<void> {
  const rows = changes.flatMap(({ rule, group, alerts, transitions }) => {
    const resolvedNow = transitions.filter(({ to }) => to === "resolved").map(({ alert }) => alert);
    const live = alerts.filter(({ state }) => state.kind !== "resolved");
    return [...live, ...resolvedNow].map((alert): NamedAlert => ({ rule, group, alert }));
  });
  const gone = changes.flatMap(({ transitions }) =>
    transitions.filter(({ to }) => to === "inactive").map(({ alert }) => idOf(alert.ruleKey, alert.labels)),
  );
  if (rows.length > 0) await upsertAlerts(tx, rows);
  if (gone.length > 0) await tx.query(sql`delete from alert where alert_id = any(${gone})`);
  await appendEntries(
    tx,
    changes.flatMap(({ rule, transitions, flaps }) => [
      ...transitions.map((transition) => transitionEntry(rule, transition, now)),
      ...flaps.map((flap) => flapEntry(rule, flap, now)),
    ]),
  );
}

interface NamedAlert {
  readonly rule: string;
  readonly group: string;
  readonly alert: Alert;
}

async function upsertAlerts(tx: Transaction, rows: readonly NamedAlert[]): Promise<void> {
  const alerts = rows.map(({ alert }) => alert);
  const date = (instant: Instant | undefined): Date | null =>
    instant === undefined ? null : new Date(instant);
  const firedAt = ({ state }: Alert): Date | null => (state.kind === "pending" ? null : date(state.firedAt));
  const keptSince = ({ state }: Alert): Date | null =>
    state.kind === "firing" ? date(state.keptSince) : null;
  const resolvedAt = ({ state }: Alert): Date | null =>
    state.kind === "resolved" ? date(state.resolvedAt) : null;
  await tx.query(sql`
    insert into alert (alert_id, rule_key, rule_name, group_name, labels, annotations, state, because, value,
      active_at, fired_at, kept_since, resolved_at, turns, flapping)
    select a.id, a.rule_key, a.rule_name, a.group_name, a.labels::jsonb, a.annotations::jsonb, a.state, a.because,
      a.value, a.active_at, a.fired_at, a.kept_since, a.resolved_at, a.turns::jsonb, a.flapping
    from unnest(
      ${alerts.map((a) => idOf(a.ruleKey, a.labels))}::text[], ${alerts.map((a) => a.ruleKey)}::text[],
      ${rows.map(({ rule }) => rule)}::text[], ${rows.map(({ group }) => group)}::text[],
      ${alerts.map((a) => JSON.stringify(a.labels))}::text[], ${alerts.map((a) => JSON.stringify(a.annotations))}::text[],
      ${alerts.map((a) => a.state.kind)}::text[], ${alerts.map((a) => a.because)}::text[],
      ${alerts.map((a) => a.value)}::float8[], ${alerts.map((a) => new Date(a.state.activeAt))}::timestamptz[],
      ${alerts.map(firedAt)}::timestamptz[], ${alerts.map(keptSince)}::timestamptz[],
      ${alerts.map(resolvedAt)}::timestamptz[], ${alerts.map((a) => JSON.stringify(a.turns ?? []))}::text[],
      ${alerts.map((a) => a.flapping ?? false)}::boolean[]
    ) as a (id, rule_key, rule_name, group_name, labels, annotations, state, because, value, active_at, fired_at,
      kept_since, resolved_at, turns, flapping)
    on conflict (alert_id) do update set annotations = excluded.annotations, state = excluded.state,
      because = excluded.because, value = excluded.value, active_at = excluded.active_at, fired_at = excluded.fired_at,
      kept_since = excluded.kept_since, resolved_at = excluded.resolved_at, turns = excluded.turns,
      flapping = excluded.flapping`);
}

/** Writes what alerts say at the moment: value, reason and texts. Where they stand is stored already. */
export async function saveSayings(tx: Transaction, alerts: readonly Alert[]): Promise<void> {
  await tx.query(sql`
    update alert set value = a.value, because = a.because, annotations = a.annotations::jsonb
    from unnest(
      ${alerts.map((a) => idOf(a.ruleKey, a.labels))}::text[], ${alerts.map((a) => a.value)}::float8[],
      ${alerts.map((a) => a.because)}::text[], ${alerts.map((a) => JSON.stringify(a.annotations))}::text[]
    ) as a (id, value, because, annotations)
    where alert.alert_id = a.id`);
}

/** What the journal calls a transition. */
const KINDS = {
  inactive: "alert.inactive",
  pending: "alert.pending",
  firing: "alert.fired",
  resolved: "alert.resolved",
} as const;

function transitionEntry(rule: string, { alert, from, to }: Transition, now: Instant): NewEntry {
  return {
    at: now,
    kind: KINDS[to],
    subject: `alert:${idOf(alert.ruleKey, alert.labels)}`,
    actor: { kind: "rule", name: rule },
    because: alert.because,
    facts: { from, to, labels: alert.labels, value: String(alert.value), activeAt: alert.state.activeAt },
  };
}

/** An alert that begins to flap goes on firing; the journal says why nothing more is told of it. */
function flapEntry(rule: string, { alert, begins, because }: FlapTurn, now: Instant): NewEntry {
  return {
    at: now,
    kind: begins ? "alert.flapping" : "alert.steady",
    subject: `alert:${idOf(alert.ruleKey, alert.labels)}`,
    actor: { kind: "rule", name: rule },
    because,
    facts: { labels: alert.labels, value: String(alert.value), turns: alert.turns?.length ?? 0 },
  };
}

/** Forgets alerts that resolved before `before`; the journal keeps their story. */
export async function pruneAlerts(db: Queryable, before: Instant): Promise<void> {
  await db.query(sql`delete from alert where state = 'resolved' and resolved_at < ${new Date(before)}`);
}

/** Alerts of rules that are no longer in any file. */
export async function readOrphans(
  db: Queryable,
  ruleKeys: readonly string[],
): Promise<readonly StoredAlert[]> {
  const rows = await db.query<Row>(sql`
    select * from alert where state <> 'resolved' and not (rule_key = any(${[...ruleKeys]}))`);
  return rows.map(toAlert);
}
