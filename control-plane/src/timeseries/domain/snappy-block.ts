/**
 * Snappy's block format, the writing side (https://github.com/google/snappy/blob/main/format_description.txt): literals,
 * and copies of what came before within the same 64 KiB. Series' names repeat, so that most of a request shrinks to copies.
 */
import type { ByteWriter } from "./byte-writer.js";

const PIECE = 65_536;
const HASH_BITS = 14;
const MATCH_MIN = 4;
/** A copy with two bytes of offset takes 1 to 64 bytes. */
const COPY_MAX = 64;
const TAG_LITERAL = 0;
const TAG_COPY_2 = 2;

/** Where each hash was last seen in the piece that is being written, plus one. */
const seen = new Uint32Array(1 << HASH_BITS);

/** Appends the compressed form of `bytes`. */
export function writeSnappy(writer: ByteWriter, bytes: Uint8Array): void {
  writer.varint(bytes.length);
  for (let from = 0; from < bytes.length; from += PIECE)
    writePiece(writer, bytes, from, Math.min(bytes.length, from + PIECE));
}

function writePiece(writer: ByteWriter, bytes: Uint8Array, from: number, to: number): void {
  seen.fill(0);
  let literalFrom = from;
  let at = from;
  // What does not compress is gone over ever faster.
  let misses = 0;
  while (at + MATCH_MIN <= to) {
    const hash = hashAt(bytes, at);
    const candidate = from + (seen[hash] as number) - 1;
    seen[hash] = at - from + 1;
    if (candidate < from || !sameFour(bytes, candidate, at)) {
      at += 1 + (misses++ >> 5);
      continue;
    }
    let length = MATCH_MIN;
    while (at + length < to && bytes[candidate + length] === bytes[at + length]) length++;
    writeLiteral(writer, bytes, literalFrom, at);
    writeCopy(writer, at - candidate, length);
    at += length;
    literalFrom = at;
    misses = 0;
  }
  writeLiteral(writer, bytes, literalFrom, to);
}

function writeLiteral(writer: ByteWriter, bytes: Uint8Array, from: number, to: number): void {
  const length = to - from;
  if (length === 0) return;
  const less = length - 1;
  if (less < 60) writer.byte((less << 2) | TAG_LITERAL);
  else if (less < 256) {
    writer.byte((60 << 2) | TAG_LITERAL);
    writer.byte(less);
  } else {
    writer.byte((61 << 2) | TAG_LITERAL);
    writer.byte(less & 255);
    writer.byte(less >>> 8);
  }
  writer.append(bytes.subarray(from, to));
}

function writeCopy(writer: ByteWriter, offset: number, length: number): void {
  for (let rest = length; rest > 0; ) {
    const piece = Math.min(rest, COPY_MAX);
    writer.byte(((piece - 1) << 2) | TAG_COPY_2);
    writer.byte(offset & 255);
    writer.byte(offset >>> 8);
    rest -= piece;
  }
}

function hashAt(bytes: Uint8Array, at: number): number {
  const four =
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24);
  return Math.imul(four, 0x1e35a7bd) >>> (32 - HASH_BITS);
}

function sameFour(bytes: Uint8Array, a: number, b: number): boolean {
  return (
    bytes[a] === bytes[b] &&
    bytes[a + 1] === bytes[b + 1] &&
    bytes[a + 2] === bytes[b + 2] &&
    bytes[a + 3] === bytes[b + 3]
  );
}
