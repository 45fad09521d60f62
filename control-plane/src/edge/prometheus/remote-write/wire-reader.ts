/**
 * Protocol buffers read by hand: a place in the bytes that moves on. Generated readers make an object of every message;
 * of the million samples a second that come this way none becomes one.
 */
import { OpsError } from "../../../kernel/errors.js";

/** Kinds of field, as they stand in the low three bits of a tag. */
export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
const FIXED32 = 5;

export class WireReader {
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** A number that is not negative, or what is left of one modulo 2^64, as a double: exact up to 2^53. */
  varint(): number {
    const bytes = this.#bytes;
    let at = this.at;
    let byte = bytes[at++];
    if (byte === undefined) throw cutOff();
    let value = byte & 127;
    for (let factor = 128, count = 1; byte >= 128; factor *= 128, count++) {
      byte = bytes[at++];
      if (byte === undefined || count >= 10) throw cutOff();
      value += (byte & 127) * factor;
    }
    this.at = at;
    return value;
  }

  /** A signed number of 64 bits; those beyond 2^53 are not exact. */
  signed(): number {
    const value = this.varint();
    return value >= 2 ** 63 ? value - 2 ** 64 : value;
  }

  /** The end of a field of bytes that begins here, after its length. */
  end(within: number): number {
    const length = this.varint();
    const end = this.at + length;
    if (end > within) throw cutOff();
    return end;
  }

  /** Copies a double's bits to `into`, at byte `offset`; they stay what they are. */
  fixed64(into: Uint8Array, offset: number, within: number): void {
    const { at } = this;
    if (at + 8 > within) throw cutOff();
    const bytes = this.#bytes;
    for (let index = 0; index < 8; index++) into[offset + index] = bytes[at + index] as number;
    this.at = at + 8;
  }

  /** Passes over a field of a kind. */
  skip(kind: number, within: number): void {
    if (kind === VARINT) this.varint();
    else if (kind === FIXED64) this.at += 8;
    else if (kind === BYTES) this.at = this.end(within);
    else if (kind === FIXED32) this.at += 4;
    else throw new OpsError("INVALID_ARGUMENT", `protobuf: a field of the unknown kind ${kind}`);
    if (this.at > within) throw cutOff();
  }

  text(end: number): string {
    const text = this.#bytes.toString("utf8", this.at, end);
    this.at = end;
    return text;
  }

  /** Bytes as one character each: good as a key, and quick to make. */
  key(from: number, to: number): string {
    return this.#bytes.toString("latin1", from, to);
  }
}

export function cutOff(): OpsError {
  return new OpsError("INVALID_ARGUMENT", "protobuf: unexpected end of the message");
}
