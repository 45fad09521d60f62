/** One file of the outbox: frames in order, each set of series before the first frame that uses it. */
import { closeSync, fdatasync, fstatSync, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import { readRecord } from "./records.js";
import { decodeFrame, recordKind } from "./stored-frame.js";

/** An open segment. Sequences from `first` to `last`; `last` is `first - 1` while it is empty. */
export class Segment {
  readonly #file: number;
  /** Names of the sets that stand in this file. */
  readonly sets = new Set<string>();
  #bytes = 0;
  #last: bigint;
  #lostBytes = 0;

  private constructor(
    readonly path: string,
    readonly first: bigint,
  ) {
    this.#file = openSync(path, "a+", 0o600);
    this.#last = first - 1n;
  }

  /** Opens or makes a segment. A torn end is cut off. */
  static open(path: string, first: bigint): Segment {
    const segment = new Segment(path, first);
    segment.#recover();
    return segment;
  }

  get file(): number {
    return this.#file;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get last(): bigint {
    return this.#last;
  }

  /** Bytes that did not check when the segment was opened. */
  get lostBytes(): number {
    return this.#lostBytes;
  }

  /** Appends one record as a whole, or throws and leaves the file as it was. */
  append(record: Buffer): void {
    try {
      const written = writeSync(this.#file, record);
      if (written !== record.length)
        throw new Error(`${this.path}: ${written} of ${record.length} bytes written`);
      this.#bytes += record.length;
    } catch (error) {
      ftruncateSync(this.#file, this.#bytes);
      throw error;
    }
  }

  /** Notes that the frame just appended has this sequence. */
  appended(sequence: bigint): void {
    this.#last = sequence;
  }

  /** Makes what was appended durable. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fdatasync(this.#file, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Closes and deletes it. */
  remove(): void {
    this.close();
    rmSync(this.path, { force: true });
  }

  #recover(): void {
    const size = fstatSync(this.#file).size;
    let offset = 0;
    for (let record = readRecord(this.#file, 0, size); record !== undefined; ) {
      if (record.kind === recordKind.set) this.sets.add(record.payload.toString("hex", 0, 8));
      const frame = record.kind === recordKind.frame ? decodeFrame(record.payload) : undefined;
      if (frame !== undefined) this.#last = frame.sequence;
      offset = record.next;
      record = readRecord(this.#file, offset, size);
    }
    this.#bytes = offset;
    this.#lostBytes = size - offset;
    if (size > offset) ftruncateSync(this.#file, offset);
  }
}
