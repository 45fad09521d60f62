/**
 * What others wrote and PostgreSQL does not have yet, in files: whoever writes from afar forgets what was acknowledged, so
 * it must outlive this process. Entries stand in segments, which are removed once their samples are durable. As the log
 * of Prometheus it outlives a kill, and what the system had not written yet when the machine loses power is lost.
 */
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, OpsError } from "../kernel/errors.js";
import { type Duration, HOUR, type Instant, MINUTE } from "../kernel/time.js";
import type { Clock } from "../platform/system.js";

/** A segment takes entries for so long, or until it is so large. */
const SEGMENT_AGE: Duration = MINUTE;
const SEGMENT_BYTES = 64 * 1024 * 1024;
/** All segments. When PostgreSQL is away for long the senders keep the rest. */
const LOG_BYTES_MAX = 2 * 1024 * 1024 * 1024;
/** Older samples would be refused anyway. */
const FORGOTTEN_AFTER: Duration = 2 * HOUR;
const HEADER_BYTES = 8;
const ENTRY_BYTES_MAX = 64 * 1024 * 1024;
const NAME = /^(\d{12})\.log$/;

interface Segment {
  readonly number: number;
  bytes: number;
  writtenAt: Instant;
}

/** An entry whose samples are on their way to the engine. */
export interface KeptEntry {
  /** They were given to the engine, or never will be. May be said twice. */
  done(): void;
}

export class WrittenLog {
  readonly #directory: string;
  readonly #clock: Clock;
  #segments: Segment[] = [];
  #current: { readonly segment: Segment; readonly file: FileHandle; readonly openedAt: Instant } | undefined;
  #next = 1;
  /** Entries of each segment that were not given to the engine yet. */
  readonly #waiting = new Map<number, number>();
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(directory: string, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  /** Opens the log of a directory, which is made when it is not there. Throws what the file system throws. */
  static async open(directory: string, clock: Clock): Promise<WrittenLog> {
    const log = new WrittenLog(directory, clock);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const name of (await readdir(directory)).sort()) {
      const number = Number(NAME.exec(name)?.[1] ?? 0);
      if (number === 0) continue;
      const { size, mtimeMs } = await stat(join(directory, name));
      log.#segments.push({ number, bytes: size, writtenAt: mtimeMs });
      log.#next = number + 1;
    }
    return log;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Segments up to this one take no more entries, and all of theirs were given to the engine. */
  get through(): number {
    const current = this.#current?.segment.number ?? this.#next;
    return Math.min(current, ...this.#waiting.keys()) - 1;
  }

  /** Resolves when the entry outlives this process. Throws UNAVAILABLE when the disk does not take it, or it is too much. */
  append(entry: Uint8Array): Promise<KeptEntry> {
    const appended = this.#queue.then(() => this.#append(entry));
    this.#queue = appended.catch(() => {});
    return appended;
  }

  /** All entries there are, oldest first; what was cut off by a crash is passed over. */
  async *read(): AsyncIterable<Uint8Array> {
    for (const { number } of [...this.#segments]) yield* this.#readSegment(number);
  }

  /** The engine has said that all that was given to it from these segments is durable. */
  async durable(through: number): Promise<void> {
    const horizon = this.#clock.now() - FORGOTTEN_AFTER;
    const isOver = (segment: Segment): boolean =>
      segment !== this.#current?.segment && (segment.number <= through || segment.writtenAt < horizon);
    const over = this.#segments.filter(isOver);
    this.#segments = this.#segments.filter((segment) => !over.includes(segment));
    for (const { number } of over) await rm(this.#path(number), { force: true });
  }

  async close(): Promise<void> {
    await this.#queue;
    await this.#current?.file.close();
    this.#current = undefined;
  }

  async #append(entry: Uint8Array): Promise<KeptEntry> {
    if (this.bytes + entry.length > LOG_BYTES_MAX) {
      throw new OpsError(
        "UNAVAILABLE",
        "more samples wait to become durable than are kept: send them again later",
        {
          bytesMax: LOG_BYTES_MAX,
        },
      );
    }
    try {
      const { segment, file } = await this.#open();
      const header = Buffer.alloc(HEADER_BYTES);
      header.writeUInt32LE(entry.length, 0);
      header.writeUInt32LE(checkOf(entry), 4);
      // At a place of its own choosing: a write that failed half-way is written over by the next.
      await file.writev([header, entry], segment.bytes);
      segment.bytes += HEADER_BYTES + entry.length;
      segment.writtenAt = this.#clock.now();
      return this.#entryOf(segment.number);
    } catch (error) {
      throw new OpsError(
        "UNAVAILABLE",
        `samples cannot be kept now: ${messageOf(error)}`,
        {},
        { cause: error },
      );
    }
  }

  #entryOf(number: number): KeptEntry {
    this.#waiting.set(number, (this.#waiting.get(number) ?? 0) + 1);
    let isDone = false;
    return {
      done: () => {
        if (isDone) return;
        isDone = true;
        const left = (this.#waiting.get(number) ?? 1) - 1;
        if (left > 0) this.#waiting.set(number, left);
        else this.#waiting.delete(number);
      },
    };
  }

  async #open(): Promise<{ readonly segment: Segment; readonly file: FileHandle }> {
    const now = this.#clock.now();
    const current = this.#current;
    const isFull =
      current !== undefined &&
      (Math.abs(now - current.openedAt) >= SEGMENT_AGE || current.segment.bytes >= SEGMENT_BYTES);
    if (current !== undefined && !isFull) return current;
    await current?.file.close();
    this.#current = undefined;
    const segment: Segment = { number: this.#next++, bytes: 0, writtenAt: now };
    const file = await open(this.#path(segment.number), "wx", 0o600);
    this.#segments.push(segment);
    this.#current = { segment, file, openedAt: now };
    return this.#current;
  }

  async *#readSegment(number: number): AsyncIterable<Uint8Array> {
    let rest = Buffer.alloc(0);
    for await (const chunk of createReadStream(this.#path(number), { highWaterMark: 1 << 20 })) {
      rest = Buffer.concat([rest, chunk as Buffer]);
      while (rest.length >= HEADER_BYTES) {
        const length = rest.readUInt32LE(0);
        if (length > ENTRY_BYTES_MAX) return;
        if (rest.length < HEADER_BYTES + length) break;
        const entry = rest.subarray(HEADER_BYTES, HEADER_BYTES + length);
        // No copy: what is read next goes into a buffer of its own.
        if (checkOf(entry) === rest.readUInt32LE(4)) yield entry;
        rest = rest.subarray(HEADER_BYTES + length);
      }
    }
  }

  #path(number: number): string {
    return join(this.#directory, `${String(number).padStart(12, "0")}.log`);
  }
}

/** FNV-1a over at most 4,096 bytes spread over the entry: enough to tell one that was cut off by a crash. */
function checkOf(entry: Uint8Array): number {
  const step = Math.max(1, Math.floor(entry.length / 4_096));
  let hash = 0x811c9dc5 ^ entry.length;
  for (let at = 0; at < entry.length; at += step) hash = Math.imul(hash ^ (entry[at] as number), 0x01000193);
  return hash >>> 0;
}
