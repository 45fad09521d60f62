/**
 * Readings that wait to be taken over, on disk and bounded. While the link is down the oldest go first; a frame is
 * given up only for room, and each is counted. Frames survive the death of the agent as soon as they are put in, and the
 * death of the machine when they are a few seconds old (results of commands do not lie here: see run/journal.ts).
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Reading, SeriesSet } from "../collect/reading.js";
import { makePrivateDirectory, readIfThere, writePrivateFile } from "../identity/state-files.js";
import { type Log, reasonOf } from "../log.js";
import type { Timers } from "../system.js";
import { readHead } from "./outbox-head.js";
import { OutboxReader } from "./outbox-reader.js";
import { encodeRecord, recordBytesMax } from "./records.js";
import { Segment } from "./segment.js";
import { encodeFrame, encodeSet, type NamedSet, nameSet, recordKind } from "./stored-frame.js";

/** How an outbox is kept. */
export interface OutboxSettings {
  readonly directory: string;
  /** All segments together. */
  readonly bytesMax: number;
  /** Age at which a frame is durable against loss of power. Default 5000. */
  readonly syncMs?: number;
  /** Changes with each boot of the host. */
  readonly bootId: string;
}

/** Figures for the probes. */
export interface OutboxFigures {
  readonly frames: number;
  readonly bytes: number;
  readonly droppedFrames: number;
  readonly lostBytes: number;
}

/** The outbox. One per state directory. */
export class Outbox {
  readonly #settings: OutboxSettings;
  readonly #timers: Timers;
  readonly #newId: () => string;
  readonly #log: Log;
  readonly #segments: Segment[] = [];
  readonly #names = new WeakMap<SeriesSet, NamedSet>();
  readonly #segmentBytes: number;
  #id: string;
  #last = 0n;
  #acknowledged = 0n;
  #dropped = 0;
  #lostBytes = 0;
  #syncPending: (() => void) | undefined;
  #wake: (() => void) | undefined;
  #full = false;

  private constructor(settings: OutboxSettings, timers: Timers, newId: () => string, log: Log) {
    this.#settings = settings;
    this.#timers = timers;
    this.#newId = newId;
    this.#log = log;
    this.#segmentBytes = Math.max(256 * 1024, Math.min(2 * 1024 * 1024, settings.bytesMax / 16));
    this.#id = newId();
  }

  /** Opens the outbox and takes up what an earlier life left in it. */
  static open(settings: OutboxSettings, timers: Timers, newId: () => string, log: Log): Outbox {
    const outbox = new Outbox(settings, timers, newId, log);
    outbox.#recover();
    return outbox;
  }

  /** Names the run of sequences; see Hello.outbox_id. */
  get id(): string {
    return this.#id;
  }

  /** The last sequence that was given out. */
  get lastSequence(): bigint {
    return this.#last;
  }

  /** The last sequence that was taken over, as far as this life knows. */
  get acknowledged(): bigint {
    return this.#acknowledged;
  }

  get figures(): OutboxFigures {
    const oldest = this.#segments[0]?.first ?? 1n;
    const from = this.#acknowledged + 1n > oldest ? this.#acknowledged + 1n : oldest;
    return {
      frames: this.#last < from ? 0 : Number(this.#last - from + 1n),
      bytes: this.#bytes,
      droppedFrames: this.#dropped,
      lostBytes: this.#lostBytes,
    };
  }

  /** Calls `wake` whenever a frame was put in. */
  onFrame(wake: () => void): void {
    this.#wake = wake;
  }

  /** Puts a reading in. Never throws: what cannot be kept is counted as dropped. */
  put(reading: Reading): void {
    const set = this.#nameOf(reading.set);
    try {
      this.#append(set, reading);
      this.#full = false;
    } catch (error) {
      this.#dropped++;
      // A full disk stays full for many readings: one line for the whole time.
      if (!this.#full) {
        this.#log("error", "the outbox cannot be written; readings are dropped", {
          because: reasonOf(error),
        });
      }
      this.#full = true;
      return;
    }
    this.#syncPending ??= this.#timers.after(this.#settings.syncMs ?? 5000, () => this.#syncSoon());
    this.#wake?.();
  }

  /** Forgets frames up to `through`, by whole segments. */
  acknowledge(through: bigint): void {
    if (through > this.#acknowledged) this.#acknowledged = through < this.#last ? through : this.#last;
    while (this.#segments.length > 1 && (this.#segments[0]?.last ?? 0n) <= this.#acknowledged) {
      this.#segments.shift()?.remove();
    }
  }

  /**
   * Begins a new run of sequences, because the control plane has seen sequences of this one that are not here (the
   * machine lost power before they were durable). What waits keeps its numbers and is sent again under the new name.
   */
  rename(): void {
    this.#id = this.#newId();
    this.#acknowledged = 0n;
    this.#saveHead(false);
  }

  /** Reads frames in order, from the first one after `after` that is still here. */
  readAfter(after: bigint): OutboxReader {
    return new OutboxReader(() => this.#segments, after);
  }

  /** Makes everything durable. */
  async flush(): Promise<void> {
    this.#syncPending?.();
    this.#syncPending = undefined;
    await this.#segments.at(-1)?.sync();
  }

  /** Flushes and closes. */
  async close(): Promise<void> {
    await this.flush();
    this.#saveHead(true);
    for (const segment of this.#segments.splice(0)) segment.close();
  }

  get #bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  #append(set: NamedSet, reading: Reading): void {
    const sequence = this.#last + 1n;
    const frame = encodeRecord(
      recordKind.frame,
      encodeFrame(sequence, reading.timestampMs, set.id, reading.values),
    );
    let segment = this.#segmentFor(frame.length, sequence);
    if (!segment.sets.has(set.id)) {
      const names = encodeRecord(recordKind.set, encodeSet(set));
      if (Math.max(names.length, frame.length) > Math.min(recordBytesMax, this.#settings.bytesMax / 4)) {
        throw new Error(
          `a set of ${set.series.length} series is too large for an outbox of ${this.#settings.bytesMax} bytes`,
        );
      }
      segment = this.#segmentFor(frame.length + names.length, sequence);
      segment.append(names);
      segment.sets.add(set.id);
    }
    segment.append(frame);
    segment.appended(sequence);
    this.#last = sequence;
  }

  /** The segment to append to; a full one is closed, and the oldest give way when all together are too much. */
  #segmentFor(more: number, sequence: bigint): Segment {
    while (this.#segments.length > 1 && this.#bytes + more > this.#settings.bytesMax) {
      const oldest = this.#segments.shift();
      if (oldest === undefined) break;
      const from = oldest.first > this.#acknowledged ? oldest.first : this.#acknowledged + 1n;
      if (oldest.last >= from) this.#dropped += Number(oldest.last - from + 1n);
      oldest.remove();
    }
    const current = this.#segments.at(-1);
    if (current !== undefined && current.bytes + more <= this.#segmentBytes) return current;
    if (current !== undefined && current.bytes === 0) return current;
    // What closes now must not wait for a timer that looks at the newest segment only.
    if (current !== undefined) current.sync().catch(() => undefined);
    const next = Segment.open(join(this.#settings.directory, segmentName(sequence)), sequence);
    this.#segments.push(next);
    return next;
  }

  #nameOf(set: SeriesSet): NamedSet {
    const known = this.#names.get(set);
    if (known !== undefined) return known;
    const named = nameSet(set);
    this.#names.set(set, named);
    return named;
  }

  #syncSoon(): void {
    this.#syncPending = undefined;
    this.#segments
      .at(-1)
      ?.sync()
      .catch((error: unknown) =>
        this.#log("warn", "the outbox was not synced", { because: reasonOf(error) }),
      );
  }

  #recover(): void {
    const { directory, bootId } = this.#settings;
    makePrivateDirectory(directory);
    const firsts = readdirSync(directory)
      .flatMap((name) => (/^frames-\d{20}\.seg$/.test(name) ? [BigInt(name.slice(7, 27))] : []))
      .sort((a, b) => (a < b ? -1 : 1));
    for (const first of firsts) {
      const segment = Segment.open(join(directory, segmentName(first)), first);
      this.#lostBytes += segment.lostBytes;
      this.#segments.push(segment);
    }
    const head = readHead(readIfThere(join(directory, "outbox.json")));
    this.#last = this.#segments.at(-1)?.last ?? 0n;
    if (head !== undefined && head.lastSequence > this.#last) this.#last = head.lastSequence;
    // After a loss of power the newest frames may be gone, and the numbers they had must not be given out again.
    const sound = head !== undefined && (head.closed || head.bootId === bootId);
    if (sound) this.#id = head.id;
    this.#acknowledged = (this.#segments[0]?.first ?? this.#last + 1n) - 1n;
    this.#saveHead(false);
    if (this.#lostBytes > 0) {
      this.#log("warn", "the outbox had a torn end, which was cut off", { bytes: this.#lostBytes });
    }
  }

  #saveHead(closed: boolean): void {
    const head = { id: this.#id, bootId: this.#settings.bootId, closed, lastSequence: this.#last.toString() };
    writePrivateFile(join(this.#settings.directory, "outbox.json"), `${JSON.stringify(head)}\n`);
  }
}

function segmentName(first: bigint): string {
  return `frames-${first.toString().padStart(20, "0")}.seg`;
}
