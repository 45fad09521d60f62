/**
 * Sends what is queued. Each channel has workers of its own, so that one that is slow or dead holds nobody else up; one
 * that fails is tried with one notice at a time until it answers again.
 */
import { appendEntries } from "../journal/journal.module.js";
import { SYSTEM } from "../kernel/actor.js";
import { cleanText } from "../kernel/clean-text.js";
import { messageOf, OpsError } from "../kernel/errors.js";
import { TemplateError } from "../kernel/template/template-error.js";
import { type Duration, type Instant, MINUTE, SECOND } from "../kernel/time.js";
import type { Guard } from "../platform/breakers.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import type { OutgoingMessage } from "./channels/channel.js";
import { openChannel } from "./channels/open-channel.js";
import type { InForce } from "./config-file.js";
import { type DeliveryAnswer, deliverAgain, type NextDelivery } from "./domain/deliver-again.js";
import type { Told } from "./domain/needs-notice.js";
import { noticeFacts } from "./domain/notice-facts.js";
import type { GroupBook } from "./group-book.js";
import { saveTold } from "./groups.store.js";
import type { Lead } from "./lead.js";
import {
  type ChannelName,
  type OutgoingNotice,
  postponeNotice,
  readWaiting,
  settleNotice,
  takeNotice,
} from "./notices.store.js";
import type { ChannelHealth } from "./notification-door.js";

const BEAT: Duration = 500;
/** Notices that one healthy channel sends at the same time, and all channels together. */
const PER_CHANNEL = 4;
const ALL_CHANNELS = 64;
/** Longer than any attempt takes: a notice whose outcome was not noted comes again after it. */
const VISIBLE_AFTER: Duration = MINUTE;
/** A channel is down when so many attempts failed in a row. */
const DOWN_AFTER = 3;
const ANSWER_MAX = 300;
/** An outcome that cannot be noted because PostgreSQL is away is tried again this often. */
const NOTE_ATTEMPTS = 30;

export interface DelivererPorts {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly lead: Lead;
  readonly groups: GroupBook;
  readonly inForce: () => InForce | undefined;
  readonly readFile: (path: string) => Promise<string>;
  readonly guard?: Guard;
}

interface ChannelState {
  readonly name: ChannelName;
  readonly busyGroups: Set<string>;
  workers: number;
  failuresInRow: number;
  downSince: Instant | undefined;
  pausedUntil: Instant;
  lastAnswer: string;
  queued: number;
}

export class Deliverer {
  readonly loop: Loop;
  readonly #ports: DelivererPorts;
  readonly #channels = new Map<string, ChannelState>();
  readonly #working = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(ports: DelivererPorts) {
    this.#ports = ports;
    this.loop = new Loop({
      name: "delivery",
      interval: BEAT,
      clock: ports.system.clock,
      logger: ports.logger,
      run: (now) => this.run(now),
    });
  }

  /** Attempts under way are cut; what they were about comes again. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.loop.stop();
    await this.settled();
  }

  /** Resolves when nothing is being sent. */
  async settled(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  health(): readonly ChannelHealth[] {
    return [...this.#channels.values()].map(({ name, failuresInRow, downSince, lastAnswer, queued }) => ({
      ...name,
      up: downSince === undefined,
      failuresInRow,
      downSince,
      lastAnswer,
      queued,
    }));
  }

  /** Starts workers for what is due; does not wait for them. */
  async run(now: Instant): Promise<void> {
    const { lead, inForce, database } = this.#ports;
    const held = inForce();
    if (!lead.held || held === undefined) return;
    this.#keepChannels(held);
    const waiting = await readWaiting(database, now);
    for (const state of this.#channels.values()) state.queued = 0;
    for (const { receiver, integration, due, queued } of waiting) {
      const state = this.#stateOf({ receiver, integration });
      state.queued = queued;
      if (now < state.pausedUntil) continue;
      const most = state.failuresInRow > 0 ? 1 : Math.min(PER_CHANNEL, due);
      while (state.workers < most && this.#working.size < ALL_CHANNELS) this.#startWorker(state);
    }
  }

  /** Channels are those of the file, and those that something still waits for. */
  #keepChannels({ config }: InForce): void {
    const wanted = new Set<string>();
    for (const { name: receiver, integrations } of config.receivers) {
      for (const { key: integration } of integrations) {
        wanted.add(channelId({ receiver, integration }));
        this.#stateOf({ receiver, integration });
      }
    }
    for (const [id, { workers, queued }] of this.#channels)
      if (!wanted.has(id) && workers === 0 && queued === 0) this.#channels.delete(id);
  }

  #stateOf(name: ChannelName): ChannelState {
    const id = channelId(name);
    let state = this.#channels.get(id);
    if (state === undefined) {
      const rest = {
        workers: 0,
        failuresInRow: 0,
        downSince: undefined,
        pausedUntil: 0,
        lastAnswer: "",
        queued: 0,
      };
      state = { name, busyGroups: new Set(), ...rest };
      this.#channels.set(id, state);
    }
    return state;
  }

  #startWorker(state: ChannelState): void {
    state.workers++;
    const work = this.#work(state)
      .catch((error: unknown) => {
        this.#ports.logger.warn("a channel's worker failed; it starts again", { ...state.name }, error);
      })
      .finally(() => {
        state.workers--;
        this.#working.delete(work);
      });
    this.#working.add(work);
  }

  async #work(state: ChannelState): Promise<void> {
    const { database, lead, system } = this.#ports;
    while (!this.#stop.signal.aborted) {
      const now = system.clock.now();
      const notice = await database.transaction(async (tx) => {
        await lead.assert(tx);
        return takeNotice(tx, state.name, [...state.busyGroups], now, VISIBLE_AFTER);
      });
      if (notice === undefined) return;
      state.busyGroups.add(notice.groupKey);
      try {
        const next = await this.#attempt(state, notice);
        if (next?.kind !== "done") return;
      } finally {
        state.busyGroups.delete(notice.groupKey);
      }
    }
  }

  /** One attempt and what follows; undefined when it was cut short. */
  async #attempt(state: ChannelState, notice: OutgoingNotice): Promise<NextDelivery | undefined> {
    const { system, logger } = this.#ports;
    const answer = await this.#send(notice);
    // Cut off by our own stop: what became of it is not known, so it comes again.
    if (this.#stop.signal.aborted && answer.kind !== "delivered") return undefined;
    const next = deliverAgain(answer, notice.attempts, system.draws.fraction());
    const now = system.clock.now();
    await this.#noteHealth(state, answer, next, now);
    await this.#insist(() => this.#note(notice, next, now));
    const facts = { receiver: notice.receiver, integration: notice.integration, attempts: notice.attempts };
    if (next.kind === "done") logger.info("a notice was delivered", { ...facts, reason: notice.reason });
    else logger.warn("a notice was not delivered", { ...facts, next: next.kind, because: next.because });
    return next;
  }

  async #send(notice: OutgoingNotice): Promise<DeliveryAnswer> {
    const { inForce, system, readFile, guard } = this.#ports;
    const held = inForce();
    const receiver = held?.config.receivers.find(({ name }) => name === notice.receiver);
    const integration = receiver?.integrations.find(({ key }) => key === notice.integration);
    if (held === undefined || integration === undefined)
      return { kind: "refused", answer: "the notification file no longer names this receiver's channel" };
    const channel = openChannel(integration.settings, {
      clock: system.clock,
      readFile,
      ...(guard === undefined ? {} : { guard }),
    });
    const message: OutgoingMessage = { id: notice.id, data: notice.data, texts: held.texts };
    try {
      return await channel(message, this.#stop.signal);
    } catch (error) {
      if (error instanceof TemplateError) return { kind: "refused", answer: `template: ${error.message}` };
      return { kind: "failed", answer: messageOf(error) };
    }
  }

  async #note(notice: OutgoingNotice, next: NextDelivery, now: Instant): Promise<void> {
    const { database, groups } = this.#ports;
    const answer = cleanText(next.because, ANSWER_MAX);
    if (next.kind === "again") {
      await postponeNotice(database, notice.id, now + next.after, answer);
      return;
    }
    const state = next.kind === "done" ? "delivered" : "failed";
    const told = next.kind === "done" ? undefined : untold(notice);
    const settle = async (): Promise<void> => {
      const settled = await database.transaction(async (tx) => {
        // Not under the lease: what was sent was sent, whoever leads by now.
        if (!(await settleNotice(tx, notice.id, { state, answer, at: now }))) return false;
        if (told !== undefined) await saveTold(tx, notice, notice.integration, told);
        await appendEntries(tx, [
          {
            at: now,
            kind: `notice.${state}`,
            subject: `notice:${notice.id}`,
            actor: SYSTEM,
            because: answer,
            facts: { ...noticeFacts(notice), attempts: notice.attempts },
          },
        ]);
        return true;
      });
      if (settled && told !== undefined) groups.setTold(notice, notice.integration, told);
    };
    await (told === undefined ? settle() : groups.alone(settle));
  }

  async #noteHealth(
    state: ChannelState,
    answer: DeliveryAnswer,
    next: NextDelivery,
    now: Instant,
  ): Promise<void> {
    state.lastAnswer = cleanText(answer.answer, ANSWER_MAX);
    const wasDown = state.downSince !== undefined;
    if (answer.kind === "delivered") {
      state.failuresInRow = 0;
      state.downSince = undefined;
      state.pausedUntil = 0;
    } else {
      state.failuresInRow++;
      // A refusal is one notice's fault as often as the channel's: others need not wait for it.
      state.pausedUntil = next.kind === "again" ? now + next.after : 0;
      if (state.failuresInRow >= DOWN_AFTER) state.downSince ??= now;
    }
    const isDown = state.downSince !== undefined;
    if (isDown === wasDown) return;
    await this.#insist(() => this.#journalHealth(state, isDown, now));
  }

  async #journalHealth(state: ChannelState, isDown: boolean, now: Instant): Promise<void> {
    const { database } = this.#ports;
    const { receiver, integration } = state.name;
    await database.transaction((tx) =>
      appendEntries(tx, [
        {
          at: now,
          kind: isDown ? "channel.down" : "channel.up",
          subject: `channel:${cleanText(receiver, 200)}/${integration}`,
          actor: SYSTEM,
          because: isDown
            ? `${state.failuresInRow} attempts failed in a row: ${state.lastAnswer}`
            : "it answers again",
          facts: { receiver: cleanText(receiver, 200), integration },
        },
      ]),
    );
  }

  /** What happened outside is noted, even when PostgreSQL is away for a while. */
  async #insist(note: () => Promise<void>): Promise<void> {
    const { clock } = this.#ports.system;
    for (let attempt = 1; ; attempt++) {
      try {
        await note();
        return;
      } catch (error) {
        const away = error instanceof OpsError && error.code === "UNAVAILABLE";
        if (!away || attempt >= NOTE_ATTEMPTS || this.#stop.signal.aborted) throw error;
        await clock.sleep(SECOND, this.#stop.signal);
      }
    }
  }
}

const channelId = ({ receiver, integration }: ChannelName): string => `${receiver}\n${integration}`;

/** What counts as told when a notice is given up: it may have been heard, and it may not. */
function untold({ before, data, createdAt }: OutgoingNotice): Told {
  const firing = data.alerts
    .filter(({ status }) => status === "firing")
    .map(({ fingerprint }) => fingerprint);
  return {
    firing: [...new Set([...(before?.firing ?? []), ...firing])],
    resolved: before?.resolved ?? [],
    at: createdAt,
    undelivered: true,
  };
}
