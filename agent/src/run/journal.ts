/**
 * What this host was asked and what it answered. A command is in here before it runs, so nothing is run twice, and its
 * events stay until the control plane has them, so no result is lost. This is also the feed of events for the link.
 */
import type { CommandEvent } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import type { EventFeed } from "../link/ports.js";
import type { AcknowledgedEvents } from "../link/session.js";
import { type Log, reasonOf } from "../log.js";
import type { System } from "../system.js";
import {
  commandKey,
  type EventBody,
  isTerminal,
  type LocalEvent,
  type Mode,
  type VerifiedOrder,
} from "./command.js";
import { eventToWire, modeFromWire } from "./events-to-wire.js";
import { type JournalContent, JournalFile, type Lines } from "./journal-file.js";
import { encodeRecord, type JournalRecord, readRecord } from "./journal-record.js";

/** A command in one mode, as the journal has it. */
export interface JournalEntry {
  readonly order: VerifiedOrder;
  readonly events: readonly LocalEvent[];
  readonly acknowledged: number;
}

interface Entry {
  readonly order: VerifiedOrder;
  events: LocalEvent[];
  acknowledged: number;
  /** The last sequence that was given out; its event may be gone, because it was acknowledged. */
  given: number;
  /** The last sequence that was sent on the present stream. */
  sent: number;
  /** Appends of one command follow each other, so that its numbers rise in the file too. */
  last: Promise<void>;
}

/** Commands that are kept; with so many unexpired ones new orders are refused. */
const entriesMax = 5000;
const passingMax = 256;
const compactBytes = 8 * 1024 * 1024;
/** How long after its expiry a finished command is remembered; a repeat that comes later is refused as expired. */
const rememberMs = 24 * 3_600_000;

/** The journal. `open` once; every method but `append` returns at once. */
export class Journal implements EventFeed {
  readonly #file: Lines;
  readonly #system: System;
  readonly #log: Log;
  readonly #planText: (hash: string) => string | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #generations = new Map<string, bigint>();
  /** Keys of entries with events that are not acknowledged. */
  readonly #open = new Set<string>();
  /** First answers to be given again, with the sequence given so far. */
  readonly #repeats = new Map<string, number>();
  #passing: LocalEvent[] = [];
  #acknowledgements: JournalRecord[] = [];
  #acknowledging: (() => void) | undefined;
  #wake: () => void = () => undefined;

  private constructor(file: Lines, system: System, log: Log, planText: (hash: string) => string | undefined) {
    this.#file = file;
    this.#system = system;
    this.#log = log;
    this.#planText = planText;
  }

  /** Opens the journal and takes up what is in it. Throws what the file system throws. */
  static async open(
    path: string,
    system: System,
    log: Log,
    planText: (hash: string) => string | undefined,
  ): Promise<Journal> {
    return Journal.on(await JournalFile.open(path), system, log, planText);
  }

  /** The same over lines that are open, with what was found in them. */
  static async on(
    { file, content }: { readonly file: Lines; readonly content: JournalContent },
    system: System,
    log: Log,
    planText: (hash: string) => string | undefined,
  ): Promise<Journal> {
    const journal = new Journal(file, system, log, planText);
    let unread = 0;
    for (const value of content.values) {
      const record = readRecord(value);
      if (record === undefined) unread++;
      else journal.#apply(record);
    }
    if (content.damagedLines + unread > 0) {
      log("error", "the journal has lines that cannot be read; they are left out", {
        damaged: content.damagedLines,
        unread,
      });
    }
    await journal.tidy();
    return journal;
  }

  find(commandId: string, mode: Mode): JournalEntry | undefined {
    return this.#entries.get(commandKey(commandId, mode));
  }

  generationSeen(commandId: string): bigint | undefined {
    return this.#generations.get(commandId);
  }

  get hasRoom(): boolean {
    return this.#entries.size < entriesMax;
  }

  /** Commands whose last step is not known: what a new life of the agent has to look after. */
  unfinished(): JournalEntry[] {
    return [...this.#entries.values()].filter(({ events }) => {
      const last = events.at(-1);
      return last === undefined || !isTerminal(last.body);
    });
  }

  /** Commands with something that the control plane has not confirmed. */
  openCommandIds(): string[] {
    const unconfirmed = [...this.#open].map((key) => this.#entries.get(key)?.order.commandId ?? "");
    return [...new Set([...unconfirmed, ...this.unfinished().map(({ order }) => order.commandId)])].slice(
      0,
      1000,
    );
  }

  /** Takes a new command in with its first event. Rejects when it could not be made durable: then it must not run. */
  async begin(order: VerifiedOrder, body: EventBody): Promise<void> {
    const event: LocalEvent = this.#event(order, 1, body);
    const records: JournalRecord[] = [
      { k: "order", order },
      { k: "event", event },
    ];
    await this.#file.append(records.map(encodeRecord));
    for (const record of records) this.#apply(record);
    this.#wake();
  }

  /**
   * Adds an event to a command and resolves when it is durable. A disk that is full or broken is tried again every
   * second: what has been done cannot be undone, so its result waits rather than gets lost.
   */
  async append(commandId: string, mode: Mode, body: EventBody): Promise<void> {
    const entry = this.#entries.get(commandKey(commandId, mode));
    if (entry === undefined) throw new Error(`journal: command ${commandId} (${mode}) was never begun`);
    const appended = entry.last.then(() => this.#appendDurably(entry, body));
    entry.last = appended;
    await appended;
  }

  async #appendDurably(entry: Entry, body: EventBody): Promise<void> {
    const event = this.#event(entry.order, entry.given + 1, body);
    const record: JournalRecord = { k: "event", event };
    for (let failed = false; ; failed = true) {
      try {
        await this.#file.append([encodeRecord(record)]);
        break;
      } catch (error) {
        if (!failed)
          this.#log("error", "the journal cannot be written; trying again every second", {
            because: reasonOf(error),
          });
        await this.#system.timers.sleep(1000);
      }
    }
    this.#apply(record);
    this.#wake();
    if (isTerminal(body) && this.#file.bytes > compactBytes) await this.tidy();
  }

  /** Says something once that leaves no trace here: refusals of what was not even a sound order. */
  say(commandId: string, mode: Mode, body: EventBody): void {
    if (this.#passing.length >= passingMax) this.#passing.shift();
    this.#passing.push({ commandId, mode, sequence: 1, at: this.#system.clock.now(), body });
    this.#wake();
  }

  /** Gives the first answer again. */
  repeat(commandId: string, mode: Mode): void {
    const key = commandKey(commandId, mode);
    if (!this.#entries.has(key)) return;
    this.#repeats.set(key, 0);
    this.#wake();
  }

  onEvent(wake: () => void): void {
    this.#wake = wake;
  }

  rewind(): void {
    // What was said in passing was an answer to the stream that is over, and is nothing to whoever is there now.
    this.#passing = [];
    for (const key of this.#open) {
      const entry = this.#entries.get(key);
      if (entry !== undefined) entry.sent = entry.acknowledged;
    }
  }

  next(): CommandEvent | undefined {
    const passing = this.#passing.shift();
    if (passing !== undefined) return eventToWire(passing, false, this.#planText);
    for (const key of this.#open) {
      const entry = this.#entries.get(key);
      const event = entry?.events.find(({ sequence }) => sequence > entry.sent);
      if (entry === undefined || event === undefined) continue;
      entry.sent = event.sequence;
      return eventToWire(event, false, this.#planText);
    }
    for (const [key, given] of this.#repeats) {
      const entry = this.#entries.get(key);
      // What was not yet sent for the first time goes the ordinary way.
      const event = entry?.events.find(({ sequence }) => sequence > given && sequence <= entry.sent);
      if (event === undefined) {
        this.#repeats.delete(key);
        continue;
      }
      this.#repeats.set(key, event.sequence);
      return eventToWire(event, true, this.#planText);
    }
    return undefined;
  }

  acknowledge(acknowledged: readonly AcknowledgedEvents[]): void {
    for (const { commandId, mode: wireMode, through } of acknowledged) {
      const mode = modeFromWire(wireMode);
      const entry = mode === undefined ? undefined : this.#entries.get(commandKey(commandId, mode));
      if (mode === undefined || entry === undefined || through <= entry.acknowledged) continue;
      const record: JournalRecord = { k: "ack", c: commandId, m: mode, through };
      this.#apply(record);
      this.#acknowledgements.push(record);
    }
    // Only a saving of work after a restart: it need not be durable now, and not each by itself.
    if (this.#acknowledgements.length > 0) {
      this.#acknowledging ??= this.#system.timers.after(1000, () => this.#saveAcknowledgements());
    }
  }

  /** Forgets what is long over and rewrites the file without it. Never rejects. */
  async tidy(): Promise<void> {
    try {
      await this.#file.replace(() => this.#contentToKeep());
    } catch (error) {
      this.#log("warn", "the journal was not compacted", { because: reasonOf(error) });
    }
  }

  async close(): Promise<void> {
    this.#acknowledging?.();
    this.#saveAcknowledgements();
    await this.#file.close();
  }

  #saveAcknowledgements(): void {
    this.#acknowledging = undefined;
    const records = this.#acknowledgements.splice(0);
    if (records.length === 0) return;
    this.#file
      .append(records.map(encodeRecord))
      .catch((error: unknown) =>
        this.#log("warn", "acknowledgements were not noted", { because: reasonOf(error) }),
      );
  }

  #event(order: VerifiedOrder, sequence: number, body: EventBody): LocalEvent {
    const { commandId, mode } = order;
    return { commandId, mode, sequence, at: this.#system.clock.now(), body };
  }

  #apply(record: JournalRecord): void {
    switch (record.k) {
      case "order": {
        const { order } = record;
        this.#entries.set(commandKey(order.commandId, order.mode), {
          order,
          events: [],
          acknowledged: 0,
          given: 0,
          sent: 0,
          last: Promise.resolve(),
        });
        const seen = this.#generations.get(order.commandId) ?? 0n;
        this.#generations.set(order.commandId, order.generation > seen ? order.generation : seen);
        break;
      }
      case "event": {
        const key = commandKey(record.event.commandId, record.event.mode);
        const entry = this.#entries.get(key);
        if (entry === undefined) break;
        entry.events.push(record.event);
        entry.given = Math.max(entry.given, record.event.sequence);
        this.#open.add(key);
        break;
      }
      case "ack": {
        const key = commandKey(record.c, record.m);
        const entry = this.#entries.get(key);
        if (entry === undefined) break;
        entry.acknowledged = record.through;
        entry.sent = Math.max(entry.sent, record.through);
        // The output is theirs now; what was said about the command stays for a repeated order.
        entry.events = entry.events.filter(
          ({ sequence, body }) => body.kind !== "output" || sequence > record.through,
        );
        entry.given = Math.max(entry.given, record.through);
        if (entry.given <= record.through) this.#open.delete(key);
        break;
      }
    }
  }

  #contentToKeep(): readonly unknown[] {
    const now = this.#system.clock.now();
    const records: JournalRecord[] = [];
    for (const [key, entry] of this.#entries) {
      const { commandId, mode, expiresAt } = entry.order;
      const last = entry.events.at(-1);
      const over = last !== undefined && isTerminal(last.body) && last.sequence <= entry.acknowledged;
      if (over && expiresAt + rememberMs < now) {
        this.#forget(key, commandId);
        continue;
      }
      records.push({ k: "order", order: entry.order });
      for (const event of entry.events) records.push({ k: "event", event });
      if (entry.acknowledged > 0)
        records.push({ k: "ack", c: commandId, m: mode, through: entry.acknowledged });
    }
    return records.map(encodeRecord);
  }

  #forget(key: string, commandId: string): void {
    this.#entries.delete(key);
    this.#open.delete(key);
    const inOtherMode =
      this.#entries.has(commandKey(commandId, "run")) || this.#entries.has(commandKey(commandId, "preview"));
    if (!inOtherMode) this.#generations.delete(commandId);
  }
}
