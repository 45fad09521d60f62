/**
 * Decides who is told of what: routes all alerts into groups, looks at each group when its time has come, and stores
 * the notices with the group's new state in one transaction. Sending them is another's work.
 */
import { appendEntries } from "../journal/journal.module.js";
import { SYSTEM } from "../kernel/actor.js";
import { DAY, type Duration, HOUR, type Instant, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database, Transaction } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import type { AlertBook, AlertPage } from "./alert-book.js";
import type { InForce } from "./config-file.js";
import type { NotifiedAlert } from "./domain/alert.js";
import type { NotificationConfig } from "./domain/config.js";
import { type FlushPlan, flushGroup, type Member } from "./domain/flush-group.js";
import { groupId } from "./domain/group.js";
import { groupDue } from "./domain/group-due.js";
import { type GroupNow, Router } from "./domain/group-members.js";
import {
  afterFlush,
  dataOf,
  type GroupState,
  isTouched,
  membersOf,
  newGroup,
  targetsOf,
  toldOf,
} from "./domain/group-state.js";
import { compileInhibition } from "./domain/inhibit.js";
import { mutersOf, windowsOf } from "./domain/mute-alert.js";
import { noticeFacts } from "./domain/notice-facts.js";
import { compileSilences } from "./domain/silence.js";
import type { GroupBook } from "./group-book.js";
import { deleteGroups, saveGroups } from "./groups.store.js";
import type { Lead } from "./lead.js";
import {
  endNotices,
  lockQueued,
  type NewNotice,
  pruneNotices,
  reviveNotices,
  saveNotices,
} from "./notices.store.js";
import { prunePosted } from "./posted-alerts.store.js";
import { pruneSilences, readSilences } from "./silences.store.js";
import { type HiddenInGroup, pruneSuppressions, saveHidden } from "./suppressions.store.js";

/** How often is looked, at least. */
const BEAT: Duration = SECOND;
/** Groups that are stored in one transaction. */
const BATCH = 200;
/** After this long the rules count as judged, whatever keeps them. */
const RULES_WAIT_MAX: Duration = 300 * SECOND;
/** How long is kept what is over. */
const RECORD_KEPT: Duration = 30 * DAY;
const SILENCES_KEPT: Duration = 5 * DAY;
/** A group without alerts, of which someone was told that it fires: its route is gone, or its alerts are. */
const LEFT_KEPT: Duration = DAY;

export interface RulesJudged {
  readonly judged: boolean;
  readonly because: string;
}

export interface NotifierPorts {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly lead: Lead;
  readonly inForce: () => InForce | undefined;
  readonly alerts: AlertBook;
  readonly groups: GroupBook;
  /** Whether every rule has been judged since the start, here or on another replica. */
  readonly rulesJudged: () => RulesJudged;
  /** Told that there is something to deliver. */
  readonly queued: () => void;
}

interface DueGroup {
  readonly now: GroupNow;
  readonly group: GroupState;
  readonly members: readonly NotifiedAlert[];
}

export class Notifier {
  readonly loop: Loop;
  readonly #ports: NotifierPorts;
  readonly #startedAt: Instant;
  #leading = false;
  #because = "not started";
  #router: { readonly config: NotificationConfig; readonly router: Router } | undefined;
  /** What the last look was at: nothing new is looked at again only when a group's time has come. */
  #seen: { readonly version: number; readonly config: NotificationConfig | undefined } = {
    version: -1,
    config: undefined,
  };
  #nextDue: Instant = 0;
  #prunedAt: Instant = 0;

  constructor(ports: NotifierPorts) {
    this.#ports = ports;
    this.#startedAt = ports.system.clock.now();
    this.loop = new Loop({
      name: "notification",
      interval: BEAT,
      deadline: 60 * SECOND,
      clock: ports.system.clock,
      logger: ports.logger,
      run: (now) => this.run(now),
    });
  }

  /** Why notices are, or are not, decided here. */
  get because(): string {
    return this.#because;
  }

  async run(now: Instant): Promise<void> {
    if (!(await this.#lead(now))) return;
    const inForce = this.#ports.inForce();
    if (inForce === undefined) {
      this.#because = "no good notification file has been read yet";
      return;
    }
    const page = await this.#ports.alerts.read(now);
    await this.#prune(now);
    const same = page.version === this.#seen.version && inForce.config === this.#seen.config;
    if (same && now < this.#nextDue) return;
    await this.#look(inForce.config, page, now);
    this.#seen = { version: page.version, config: inForce.config };
  }

  async #lead(now: Instant): Promise<boolean> {
    const { lead, database, groups, logger } = this.#ports;
    const held = await lead.renew().catch((error: unknown) => {
      this.#because = "the lease could not be renewed";
      throw error;
    });
    if (!held) {
      if (this.#leading) logger.warn("another replica sends the notices now");
      this.#because = "another replica sends the notices";
      this.#leading = false;
      return false;
    }
    if (this.#leading) return true;
    await database.transaction(async (tx) => {
      await lead.assert(tx);
      await reviveNotices(tx, now);
    });
    await groups.load(database);
    this.#leading = true;
    this.#seen = { version: -1, config: undefined };
    this.#because = "this replica sends the notices";
    logger.info("notices are sent here", { groups: groups.size });
    return true;
  }

  async #look(config: NotificationConfig, page: AlertPage, now: Instant): Promise<void> {
    if (this.#router?.config !== config) this.#router = { config, router: new Router(config.route) };
    const found = this.#router.router.groups(page.alerts, now);
    const start = { startedAt: this.#startedAt, rulesJudged: this.#rulesJudged(now) };
    const fresh: GroupState[] = [];
    const due: DueGroup[] = [];
    let nextDue = Number.POSITIVE_INFINITY;
    for (const [id, groupNow] of found) {
      const known = this.#ports.groups.get(id);
      if (known === undefined && groupNow.firing.length === 0) continue;
      const group = known ?? newGroup(groupNow, now);
      const members = membersOf(groupNow, group);
      if (members.length === 0) continue;
      if (known === undefined) fresh.push(group);
      const when = groupDue(groupNow.place.route, group, start, now);
      if (when.due) due.push({ now: groupNow, group, members });
      nextDue = Math.min(
        nextDue,
        when.due ? now + groupNow.place.route.groupInterval : Math.max(when.at, now),
      );
    }
    await this.#storeFresh(fresh);
    for (let at = 0; at < due.length; at += BATCH) {
      const batch = due.slice(at, at + BATCH);
      await this.#ports.groups.alone(() =>
        this.#flush(
          config,
          page,
          batch.map((one) => this.#asKnown(one)),
          now,
        ),
      );
    }
    await this.#forget(found, now);
    this.#nextDue = nextDue;
  }

  /** What was told of a group may have changed since it was found due. */
  #asKnown(due: DueGroup): DueGroup {
    return { ...due, group: this.#ports.groups.get(groupId(due.group)) ?? due.group };
  }

  #rulesJudged(now: Instant): boolean {
    const { judged, because } = this.#ports.rulesJudged();
    const waitedEnough = now - this.#startedAt >= RULES_WAIT_MAX;
    this.#because = judged || waitedEnough ? "this replica sends the notices" : because;
    return judged || waitedEnough;
  }

  async #storeFresh(fresh: readonly GroupState[]): Promise<void> {
    const { database, lead, groups } = this.#ports;
    for (let at = 0; at < fresh.length; at += BATCH) {
      const batch = fresh.slice(at, at + BATCH);
      await database.transaction(async (tx) => {
        await lead.assert(tx);
        await saveGroups(tx, batch);
      });
      for (const group of batch) groups.put(group);
    }
  }

  async #flush(
    config: NotificationConfig,
    page: AlertPage,
    due: readonly DueGroup[],
    now: Instant,
  ): Promise<void> {
    const { database, lead, groups, logger } = this.#ports;
    const ports = {
      silencedBy: compileSilences(await readSilences(database, now), now),
      inhibitedBy: compileInhibition(config.inhibitRules, page.alerts, now),
    };
    const receivers = new Map(config.receivers.map((receiver) => [receiver.name, receiver]));
    const after = await database.transaction(async (tx) => {
      await lead.assert(tx);
      const queued = await lockQueued(
        tx,
        due.map(({ group }) => group),
      );
      const decided = due.map(({ now: groupNow, group, members }) => {
        const { route } = groupNow.place;
        const over = new Set(groupNow.resolved);
        const judged = members.map(
          (alert): Member => ({ alert, resolved: over.has(alert), muters: mutersOf(alert, ports) }),
        );
        const plan = flushGroup(
          {
            route,
            integrations: receivers.get(route.receiver)?.integrations ?? [],
            members: judged,
            windows: windowsOf(route, config.timeIntervals, now),
            targets: targetsOf(group, receivers.get(route.receiver), queued),
            shadow: group.shadow,
          },
          now,
        );
        return { group: afterFlush(group, plan, now), plan, touched: isTouched(plan, group, over.size > 0) };
      });
      await this.#store(tx, decided, now);
      return decided;
    });
    for (const { group } of after) groups.put(group);
    const notices = after.reduce((sum, { plan }) => sum + plan.notices.length, 0);
    if (notices === 0) return;
    logger.info("notices were decided", { notices, groups: after.length });
    this.#ports.queued();
  }

  async #store(
    tx: Transaction,
    decided: readonly { readonly group: GroupState; readonly plan: FlushPlan; readonly touched: boolean }[],
    now: Instant,
  ): Promise<void> {
    await saveGroups(
      tx,
      decided.filter(({ touched }) => touched).map(({ group }) => group),
    );
    const ended = (which: "superseded" | "withdrawn") => decided.flatMap(({ plan }) => plan[which]);
    await endNotices(tx, ended("superseded"), "superseded", now);
    await endNotices(tx, ended("withdrawn"), "withdrawn", now);
    const notices = decided.flatMap(({ group, plan }) => this.#noticesOf(group, plan, now));
    await saveNotices(tx, notices, now);
    const hidden = decided.flatMap(({ group, plan }) =>
      plan.hidden.map(
        (one): HiddenInGroup => ({ ...one, groupKey: group.groupKey, receiver: group.receiver }),
      ),
    );
    await saveHidden(tx, hidden, now);
    await appendEntries(
      tx,
      notices.map((notice) => ({
        at: now,
        kind: "notice.queued",
        subject: `notice:${notice.id}`,
        actor: SYSTEM,
        because: notice.because,
        facts: noticeFacts(notice),
      })),
    );
  }

  #noticesOf(group: GroupState, plan: FlushPlan, now: Instant): readonly NewNotice[] {
    return plan.notices.map((notice) => ({
      id: this.#ports.system.draws.id(now),
      groupKey: group.groupKey,
      receiver: group.receiver,
      integration: notice.integration,
      reason: notice.reason,
      because: notice.because,
      before: notice.before,
      data: dataOf(group, notice.alerts),
    }));
  }

  /** Groups of which nothing is left to say. */
  async #forget(found: ReadonlyMap<string, GroupNow>, now: Instant): Promise<void> {
    const { database, lead, groups } = this.#ports;
    const gone: GroupState[] = [];
    for (const [id, group] of groups.all()) {
      const groupNow = found.get(id);
      if (groupNow !== undefined && membersOf(groupNow, group).length > 0) continue;
      const left = [...toldOf(group)].length > 0;
      if (!left || (group.flushedAt ?? group.createdAt) < now - LEFT_KEPT) gone.push(group);
    }
    for (let at = 0; at < gone.length; at += BATCH) {
      const batch = gone.slice(at, at + BATCH);
      await database.transaction(async (tx) => {
        await lead.assert(tx);
        await deleteGroups(tx, batch);
      });
      for (const group of batch) groups.delete(group);
    }
  }

  async #prune(now: Instant): Promise<void> {
    if (now - this.#prunedAt < HOUR) return;
    this.#prunedAt = now;
    const { database } = this.#ports;
    await prunePosted(database, now - 2 * DAY);
    await pruneSilences(database, now - SILENCES_KEPT);
    await pruneNotices(database, now - RECORD_KEPT);
    await pruneSuppressions(database, now - RECORD_KEPT);
  }
}
