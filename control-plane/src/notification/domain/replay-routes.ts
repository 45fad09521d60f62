/**
 * A file's routes over past alerts: who would have been told of what, decided as in force, group by group, by the same
 * functions. What is decided counts as heard at once.
 */
import { DAY, type Duration, type Instant } from "../../kernel/time.js";
import type { NotifiedAlert } from "./alert.js";
import type { NotificationConfig, Receiver } from "./config.js";
import { flushGroup, type Hidden, type Member, type PlannedNotice } from "./flush-group.js";
import { groupId } from "./group.js";
import type { GroupNow } from "./group-members.js";
import { afterFlush, type GroupState, membersOf, newGroup, targetsOf, toldOf } from "./group-state.js";
import { compileInhibition, type InhibitTest } from "./inhibit.js";
import { mutersOf, windowsOf } from "./mute-alert.js";
import { placesOf } from "./route-alert.js";
import { compileSilences, type Silence, type SilenceTest } from "./silence.js";
import { TimeQueue } from "./time-queue.js";

export interface RoutesPast {
  readonly config: NotificationConfig;
  /** Each firing of an alert: from `startsAt` to `endsAt`, or on. The same alert may stand here several times. */
  readonly firings: readonly NotifiedAlert[];
  /** All that were in force at some time. */
  readonly silences: readonly Silence[];
  readonly until: Instant;
}

/** What one look at a group came to. */
export interface ReplayedLook {
  readonly at: Instant;
  readonly receiver: string;
  readonly notices: readonly PlannedNotice[];
  readonly hidden: readonly Hidden[];
}

/** How long an alert that ended is still told of, as in force. */
const ENDED_KEPT: Duration = DAY;

/** The looks that came to something, in order of time; "pause" again and again between, for whoever has others to serve. */
export function* replayRoutes(past: RoutesPast): Generator<ReplayedLook | "pause"> {
  const replay = new Replay(past);
  for (let step = 1; ; step++) {
    const look = replay.next();
    if (look === "over") return;
    if (look !== undefined) yield look;
    if (step % STEPS_BETWEEN === 0) yield "pause";
  }
}

const STEPS_BETWEEN = 100;

interface ReplayedGroup {
  readonly place: GroupNow["place"];
  readonly firing: Map<string, NotifiedAlert>;
  readonly resolved: Map<string, NotifiedAlert>;
  state: GroupState;
  scheduled: boolean;
}

type Event =
  | { readonly kind: "begins" | "ends"; readonly alert: NotifiedAlert }
  | { readonly kind: "look"; readonly group: ReplayedGroup };

class Replay {
  readonly #past: RoutesPast;
  readonly #receivers: ReadonlyMap<string, Receiver>;
  readonly #events = new TimeQueue<Event>();
  readonly #groups = new Map<string, ReplayedGroup>();
  readonly #firing = new Map<string, NotifiedAlert>();
  #inhibitedBy: InhibitTest | undefined;
  #silences: { readonly until: Instant; readonly test: SilenceTest } | undefined;

  constructor(past: RoutesPast) {
    this.#past = past;
    this.#receivers = new Map(past.config.receivers.map((receiver) => [receiver.name, receiver]));
    for (const alert of past.firings) {
      // As long as it fires its end is not known.
      this.#events.push(alert.startsAt, { kind: "begins", alert: { ...alert, endsAt: undefined } });
      if (alert.endsAt !== undefined) this.#events.push(alert.endsAt, { kind: "ends", alert });
    }
  }

  next(): ReplayedLook | undefined | "over" {
    const next = this.#events.pop();
    if (next === undefined || next.at > this.#past.until) return "over";
    const { at, item } = next;
    if (item.kind === "look") return this.#look(item.group, at);
    this.#turn(item.kind, item.alert, at);
    return undefined;
  }

  #turn(kind: "begins" | "ends", alert: NotifiedAlert, now: Instant): void {
    const { fingerprint } = alert;
    this.#inhibitedBy = undefined;
    if (kind === "begins") this.#firing.set(fingerprint, alert);
    // Of two firings that overlap the later one counts.
    else if (this.#firing.get(fingerprint)?.startsAt === alert.startsAt) this.#firing.delete(fingerprint);
    else return;
    for (const place of placesOf(this.#past.config.route, alert.labels)) {
      const id = groupId(place);
      let group = this.#groups.get(id);
      if (group === undefined) {
        if (kind === "ends") continue;
        const state = newGroup({ place, firing: [], resolved: [] }, now);
        group = { place, firing: new Map(), resolved: new Map(), state, scheduled: false };
        this.#groups.set(id, group);
      }
      group.firing.delete(fingerprint);
      group.resolved.delete(fingerprint);
      (kind === "begins" ? group.firing : group.resolved).set(fingerprint, alert);
      this.#schedule(group, now);
    }
  }

  #schedule(group: ReplayedGroup, now: Instant): void {
    if (group.scheduled) return;
    group.scheduled = true;
    const { createdAt, flushedAt } = group.state;
    const { groupWait, groupInterval } = group.place.route;
    const due = flushedAt === undefined ? createdAt + groupWait : flushedAt + groupInterval;
    this.#events.push(Math.max(due, now), { kind: "look", group });
  }

  #look(group: ReplayedGroup, now: Instant): ReplayedLook | undefined {
    const { config } = this.#past;
    const { place } = group;
    group.scheduled = false;
    for (const [fingerprint, { endsAt }] of group.resolved)
      if (endsAt !== undefined && endsAt < now - ENDED_KEPT) group.resolved.delete(fingerprint);
    const members = membersOf(
      { place, firing: [...group.firing.values()], resolved: [...group.resolved.values()] },
      group.state,
    );
    if (members.length === 0) {
      if (toldOf(group.state).size === 0) this.#groups.delete(groupId(group.state));
      return undefined;
    }
    const tests = { silencedBy: this.#silencedBy(now), inhibitedBy: this.#inhibition(now) };
    const judged = members.map(
      (alert): Member => ({
        alert,
        resolved: !group.firing.has(alert.fingerprint),
        muters: mutersOf(alert, tests),
      }),
    );
    const receiver = this.#receivers.get(place.receiver);
    const plan = flushGroup(
      {
        route: place.route,
        integrations: receiver?.integrations ?? [],
        members: judged,
        windows: windowsOf(place.route, config.timeIntervals, now),
        targets: targetsOf(group.state, receiver, []),
        shadow: group.state.shadow,
      },
      now,
    );
    group.state = afterFlush(group.state, plan, now);
    this.#schedule(group, now);
    if (plan.notices.length === 0 && plan.hidden.length === 0) return undefined;
    return { at: now, receiver: place.receiver, notices: plan.notices, hidden: plan.hidden };
  }

  #silencedBy(now: Instant): SilenceTest {
    if (this.#silences === undefined || now >= this.#silences.until) {
      const turns = this.#past.silences.flatMap(({ startsAt, endsAt }) => [startsAt, endsAt]);
      const until = Math.min(Number.POSITIVE_INFINITY, ...turns.filter((at) => at > now));
      this.#silences = { until, test: compileSilences(this.#past.silences, now) };
    }
    return this.#silences.test;
  }

  #inhibition(now: Instant): InhibitTest {
    this.#inhibitedBy ??= compileInhibition(this.#past.config.inhibitRules, [...this.#firing.values()], now);
    return this.#inhibitedBy;
  }
}
