/** A group as it is stored, and what a look at it makes of it. */
import type { Labels } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import type { NotifiedAlert } from "./alert.js";
import type { Receiver } from "./config.js";
import type { FlushPlan, TargetState } from "./flush-group.js";
import { type GroupName, groupId } from "./group.js";
import { type GroupNow, resolvedMembers } from "./group-members.js";
import type { Told } from "./needs-notice.js";
import type { NoticeData } from "./notice-data.js";

/** Alerts that one notice names; more are counted. */
const ALERTS_MAX = 5_000;

export interface GroupState extends GroupName {
  readonly labels: Labels;
  readonly createdAt: Instant;
  readonly flushedAt: Instant | undefined;
  readonly shadow: Told | undefined;
  /** What was told, by way to the receiver. */
  readonly told: ReadonlyMap<string, Told>;
}

/** A notice of a group that waits to be delivered. */
export interface WaitingNotice extends GroupName {
  readonly id: string;
  readonly integration: string;
  readonly untried: boolean;
  readonly before: Told | undefined;
}

export function newGroup({ place }: GroupNow, now: Instant): GroupState {
  const { groupKey, receiver, labels } = place;
  const untold = { flushedAt: undefined, shadow: undefined, told: new Map() };
  return { groupKey, receiver, labels, createdAt: now, ...untold };
}

/** Fingerprints that someone was told fire, or would have been told. */
export function toldOf({ shadow, told }: GroupState): ReadonlySet<string> {
  return new Set([...(shadow?.firing ?? []), ...[...told.values()].flatMap(({ firing }) => firing)]);
}

export function membersOf({ firing, resolved }: GroupNow, group: GroupState): readonly NotifiedAlert[] {
  if (resolved.length === 0) return firing;
  const since = group.flushedAt ?? group.createdAt;
  return [...firing, ...resolvedMembers(resolved, toldOf(group), since)];
}

export function targetsOf(
  group: GroupState,
  receiver: Receiver | undefined,
  queued: readonly WaitingNotice[],
): ReadonlyMap<string, TargetState> {
  const id = groupId(group);
  const own = queued.filter((notice) => groupId(notice) === id);
  return new Map(
    (receiver?.integrations ?? []).map(({ key }) => [
      key,
      { told: group.told.get(key), queued: own.find(({ integration }) => integration === key) },
    ]),
  );
}

export function afterFlush(group: GroupState, plan: FlushPlan, now: Instant): GroupState {
  const told = new Map(group.told);
  for (const [integration, next] of plan.told) {
    if (next === undefined) told.delete(integration);
    else told.set(integration, next);
  }
  return { ...group, flushedAt: now, shadow: plan.shadow, told };
}

/** Whether a look at a group has to be stored: looking once more after a restart says the same otherwise. */
export function isTouched(plan: FlushPlan, before: GroupState, anyResolved: boolean): boolean {
  return before.flushedAt === undefined || anyResolved || plan.told.size > 0 || plan.shadow !== before.shadow;
}

export function dataOf(group: GroupState, alerts: FlushPlan["notices"][number]["alerts"]): NoticeData {
  return {
    groupKey: group.groupKey,
    receiver: group.receiver,
    groupLabels: group.labels,
    alerts: alerts.slice(0, ALERTS_MAX).map(({ alert, resolved }) => ({
      fingerprint: alert.fingerprint,
      status: resolved ? ("resolved" as const) : ("firing" as const),
      labels: alert.labels,
      annotations: alert.annotations,
      startsAt: alert.startsAt,
      ...(resolved && alert.endsAt !== undefined ? { endsAt: alert.endsAt } : {}),
      generatorUrl: alert.generatorUrl,
    })),
    truncatedAlerts: Math.max(0, alerts.length - ALERTS_MAX),
  };
}
