/**
 * One group, looked at when its time has come: which notices are made, which that wait are overtaken, what was hidden,
 * and what would have been told without that. Nothing is carried out here.
 */
import { compareText, type Labels } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import type { NotifiedAlert } from "./alert.js";
import type { Integration, Route } from "./config.js";
import type { Muter } from "./mute-alert.js";
import { type NoticeNeed, type NoticeReason, needsNotice, type Told } from "./needs-notice.js";

export interface Member {
  readonly alert: NotifiedAlert;
  readonly resolved: boolean;
  /** Empty: it is heard. */
  readonly muters: readonly Muter[];
}

/** A notice that waits to be delivered. */
export interface QueuedNotice {
  readonly id: string;
  /** Nobody can have heard it. */
  readonly untried: boolean;
  /** What the receiver had been told before it. */
  readonly before: Told | undefined;
}

/** What is stored of one way to the receiver of a group. */
export interface TargetState {
  readonly told: Told | undefined;
  readonly queued: QueuedNotice | undefined;
}

export interface GroupFlush {
  readonly route: Route;
  readonly integrations: readonly Integration[];
  readonly members: readonly Member[];
  /** Windows that keep the whole group quiet. */
  readonly windows: readonly Muter[];
  readonly targets: ReadonlyMap<string, TargetState>;
  /** What would have been told if nothing had been hidden. */
  readonly shadow: Told | undefined;
}

export interface PlannedNotice {
  readonly integration: string;
  readonly reason: NoticeReason;
  readonly because: string;
  /** In Alertmanager's order; resolved ones only where they are wanted. */
  readonly alerts: readonly { readonly alert: NotifiedAlert; readonly resolved: boolean }[];
  readonly before: Told | undefined;
}

export interface Hidden {
  readonly alert: NotifiedAlert;
  readonly muter: Muter;
  readonly reason: NoticeReason;
}

export interface FlushPlan {
  readonly notices: readonly PlannedNotice[];
  /** Told from now on, by way; only what changes. */
  readonly told: ReadonlyMap<string, Told | undefined>;
  /** Waiting notices that a newer one takes the place of. */
  readonly superseded: readonly string[];
  /** Waiting notices that nobody heard and nobody needs any more. */
  readonly withdrawn: readonly string[];
  readonly shadow: Told | undefined;
  readonly hidden: readonly Hidden[];
}

/** Never throws. */
export function flushGroup(flush: GroupFlush, now: Instant): FlushPlan {
  const { members, windows, integrations, route } = flush;
  const heard = windows.length > 0 ? [] : members.filter(({ muters }) => muters.length === 0);
  const plan = {
    notices: [] as PlannedNotice[],
    told: new Map<string, Told | undefined>(),
    superseded: [] as string[],
    withdrawn: [] as string[],
  };
  for (const integration of integrations) {
    const state = flush.targets.get(integration.key) ?? { told: undefined, queued: undefined };
    planTarget(plan, integration, state, heard, route, now);
  }
  return { ...plan, ...shadowOf(flush, heard.length < members.length, now) };
}

interface Draft {
  readonly notices: PlannedNotice[];
  readonly told: Map<string, Told | undefined>;
  readonly superseded: string[];
  readonly withdrawn: string[];
}

function planTarget(
  draft: Draft,
  integration: Integration,
  { told, queued }: TargetState,
  heard: readonly Member[],
  { repeatInterval }: Route,
  now: Instant,
): void {
  const { firing, resolved } = split(heard);
  const wishes = { sendResolved: integration.sendResolved, repeatInterval };
  let need = needsNotice(told, firing, resolved, wishes, now);
  if (need.kind === "nothing") return;
  let before = told;
  if (queued !== undefined) {
    if (need.kind === "send" && need.reason === "undelivered") return;
    if (need.kind === "send" && need.reason === "repeat") {
      // The same again, while the last still waits, says nothing new: that one is the repetition.
      if (told !== undefined) draft.told.set(integration.key, { ...told, at: now });
      return;
    }
    if (queued.untried) {
      // It is as if the waiting notice had never been: what counts is what was told before it.
      before = queued.before;
      need = needsNotice(before, firing, resolved, wishes, now);
    }
    (need.kind === "send" ? draft.superseded : draft.withdrawn).push(queued.id);
  }
  if (need.kind === "nothing") {
    draft.told.set(integration.key, before);
    return;
  }
  draft.told.set(integration.key, { firing: [...firing], resolved: [...resolved], at: now });
  if (need.kind === "note") return;
  const alerts = heard
    .filter((member) => integration.sendResolved || !member.resolved)
    .map(({ alert, resolved: over }) => ({ alert, resolved: over }))
    .sort((a, b) => compareAlerts(a.alert.labels, b.alert.labels));
  draft.notices.push({
    integration: integration.key,
    reason: need.reason,
    because: need.because,
    alerts,
    before,
  });
}

/** The same decision in a world where nothing is hidden: what differs is what silences, inhibitions and windows did. */
function shadowOf(
  { integrations, members, windows, route, shadow }: GroupFlush,
  someHidden: boolean,
  now: Instant,
): Pick<FlushPlan, "shadow" | "hidden"> {
  const { firing, resolved } = split(members);
  const sendResolved = integrations.some((integration) => integration.sendResolved);
  const need: NoticeNeed = needsNotice(
    shadow,
    firing,
    resolved,
    { sendResolved, repeatInterval: route.repeatInterval },
    now,
  );
  if (need.kind === "nothing") return { shadow, hidden: [] };
  const next: Told = { firing: [...firing], resolved: [...resolved], at: now };
  if (!someHidden || need.kind === "note") return { shadow: next, hidden: [] };
  const { reason } = need;
  const hidden = members.flatMap(({ alert, muters }) =>
    [...muters, ...windows].map((muter): Hidden => ({ alert, muter, reason })),
  );
  return { shadow: next, hidden };
}

function split(members: readonly Member[]): { firing: ReadonlySet<string>; resolved: ReadonlySet<string> } {
  const of = (resolved: boolean): ReadonlySet<string> =>
    new Set(members.filter((member) => member.resolved === resolved).map(({ alert }) => alert.fingerprint));
  return { firing: of(false), resolved: of(true) };
}

/** Alertmanager's order: by job, by instance, then fewer labels first, then name by name. */
export function compareAlerts(a: Labels, b: Labels): number {
  for (const name of ["job", "instance"]) {
    const [x, y] = [a[name], b[name]];
    if (x === y) continue;
    if (x === undefined) return 1;
    return y === undefined ? -1 : compareText(x, y);
  }
  const [inA, inB] = [Object.keys(a), Object.keys(b)];
  if (inA.length !== inB.length) return inA.length - inB.length;
  for (const name of [...new Set([...inA, ...inB])].sort(compareText)) {
    const [x, y] = [a[name], b[name]];
    if (x === undefined) return -1;
    if (y === undefined) return 1;
    if (x !== y) return compareText(x, y);
  }
  return 0;
}
