/**
 * Records in a file: length, checksum, kind, payload. A file that was being written when the machine stopped ends in a
 * record that does not check; everything before it is sound.
 */
import { readSync } from "node:fs";
import { crc32 } from "node:zlib";

/** Bytes before each payload: length (4), checksum over kind and payload (4), kind (1). */
export const recordHeadBytes = 9;
/** The largest payload; a length above it is damage. */
export const recordBytesMax = 16 * 1024 * 1024;

/** One record as it was read, and where the next begins. */
export interface StoredRecord {
  readonly kind: number;
  readonly payload: Buffer;
  readonly next: number;
}

/** A record's bytes. */
export function encodeRecord(kind: number, payload: Buffer): Buffer {
  const record = Buffer.allocUnsafe(recordHeadBytes + payload.length);
  record.writeUInt32LE(payload.length, 0);
  record.writeUInt8(kind, 8);
  payload.copy(record, recordHeadBytes);
  record.writeUInt32LE(crc32(record.subarray(8)), 4);
  return record;
}

/** Reads the record at `offset` of an open file of `size` bytes; undefined at the end or where it does not check. */
export function readRecord(file: number, offset: number, size: number): StoredRecord | undefined {
  if (offset + recordHeadBytes > size) return undefined;
  const head = Buffer.allocUnsafe(recordHeadBytes);
  if (readSync(file, head, 0, recordHeadBytes, offset) !== recordHeadBytes) return undefined;
  const length = head.readUInt32LE(0);
  const next = offset + recordHeadBytes + length;
  if (length > recordBytesMax || next > size) return undefined;
  const payload = Buffer.allocUnsafe(length);
  if (readSync(file, payload, 0, length, offset + recordHeadBytes) !== length) return undefined;
  const sum = crc32(payload, crc32(head.subarray(8)));
  return sum === head.readUInt32LE(4) ? { kind: head.readUInt8(8), payload, next } : undefined;
}
