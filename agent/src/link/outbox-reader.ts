/** Reading an outbox in order, while it is written and while its oldest files go. */
import { readRecord } from "./records.js";
import type { Segment } from "./segment.js";
import { decodeFrame, decodeSet, type NamedSet, recordKind, type StoredFrame } from "./stored-frame.js";

/** What a sender reads: a frame and the set that its values belong to. */
export interface OutgoingFrame {
  readonly frame: StoredFrame;
  readonly set: NamedSet;
}

/** Walks through the outbox. Stays right while segments come and go. */
export class OutboxReader {
  readonly #segments: () => readonly Segment[];
  readonly #sets = new Map<string, NamedSet>();
  #after: bigint;
  #segment: Segment | undefined;
  #offset = 0;

  constructor(segments: () => readonly Segment[], after: bigint) {
    this.#segments = segments;
    this.#after = after;
  }

  /** The next frame; undefined when there is none yet. */
  next(): OutgoingFrame | undefined {
    for (;;) {
      const segments = this.#segments();
      if (this.#segment === undefined || !segments.includes(this.#segment)) {
        // The first that holds something after the last frame read: also when the one being read gave way to newer ones.
        this.#enter(segments.find((segment) => segment.last > this.#after));
      }
      const segment = this.#segment;
      if (segment === undefined) return undefined;
      const record = readRecord(segment.file, this.#offset, segment.bytes);
      if (record === undefined) {
        const following = segments[segments.indexOf(segment) + 1];
        if (following === undefined) return undefined;
        this.#enter(following);
        continue;
      }
      this.#offset = record.next;
      const found = this.#take(record.kind, record.payload);
      if (found !== undefined) return found;
    }
  }

  #enter(segment: Segment | undefined): void {
    this.#segment = segment;
    this.#offset = 0;
    this.#sets.clear();
  }

  #take(kind: number, payload: Buffer): OutgoingFrame | undefined {
    if (kind === recordKind.set) {
      const set = decodeSet(payload);
      if (set !== undefined) this.#sets.set(set.id, set);
      return undefined;
    }
    const frame = kind === recordKind.frame ? decodeFrame(payload) : undefined;
    if (frame === undefined || frame.sequence <= this.#after) return undefined;
    this.#after = frame.sequence;
    const set = this.#sets.get(frame.setId);
    return set === undefined ? undefined : { frame, set };
  }
}
