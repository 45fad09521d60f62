/**
 * Frames of many sessions, packed one after the other into a buffer that changes threads without being copied.
 * A frame is 32 bytes (session, layout, sequence, time, length) and then its doubles, all aligned to 8 bytes.
 */
const HEADER_BYTES = 32;
const SESSION = 0;
const LAYOUT = 1;
const COUNT = 2;
/** In doubles. */
const SEQUENCE = 2;
const TIME = 3;

/** Bytes that a frame of so many bytes of values takes. */
export function batchedBytes(valueBytes: number): number {
  return HEADER_BYTES + valueBytes;
}

/** Writes frames to a buffer until it is full. */
export class FrameBatchWriter {
  readonly buffer: ArrayBuffer;
  length = 0;
  readonly #words: Uint32Array;
  readonly #doubles: Float64Array;
  readonly #bytes: Uint8Array;

  constructor(buffer: ArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Uint32Array(buffer);
    this.#doubles = new Float64Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  hasRoomFor(valueBytes: number): boolean {
    return this.length + batchedBytes(valueBytes) <= this.buffer.byteLength;
  }

  /** `values` is a whole number of doubles, and there is room. */
  write(session: number, layoutId: number, sequence: number, timestamp: number, values: Uint8Array): void {
    const word = this.length / 4;
    const double = this.length / 8;
    this.#words[word + SESSION] = session;
    this.#words[word + LAYOUT] = layoutId;
    this.#words[word + COUNT] = values.byteLength / 8;
    this.#doubles[double + SEQUENCE] = sequence;
    this.#doubles[double + TIME] = timestamp;
    this.#bytes.set(values, this.length + HEADER_BYTES);
    this.length += batchedBytes(values.byteLength);
  }
}

/** What is told of each frame; `values` is a view of the batch. */
export type FrameVisitor = (
  session: number,
  layoutId: number,
  sequence: number,
  timestamp: number,
  values: Float64Array,
) => void;

/** Gives every frame of the batch's first `length` bytes, in order. */
export function readFrameBatch(buffer: ArrayBuffer, length: number, visit: FrameVisitor): void {
  const words = new Uint32Array(buffer);
  const doubles = new Float64Array(buffer);
  let at = 0;
  while (at < length) {
    const word = at / 4;
    const double = at / 8;
    const count = words[word + COUNT] as number;
    visit(
      words[word + SESSION] as number,
      words[word + LAYOUT] as number,
      doubles[double + SEQUENCE] as number,
      doubles[double + TIME] as number,
      new Float64Array(buffer, at + HEADER_BYTES, count),
    );
    at += batchedBytes(count * 8);
  }
}
