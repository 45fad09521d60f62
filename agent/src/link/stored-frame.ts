/** How a reading lies on disk: the names of its series once in each file, then times and packed doubles. */
import { createHash } from "node:crypto";
import type { SeriesSet } from "../collect/reading.js";

/** Kinds of record in a segment. */
export const recordKind = { set: 1, frame: 2 } as const;

/** A series set with a name made of its content, so that the same set has the same name after a restart. */
export interface NamedSet {
  /** 16 hex digits. */
  readonly id: string;
  readonly series: readonly (readonly string[])[];
}

/** One reading as it waits to be sent. */
export interface StoredFrame {
  readonly sequence: bigint;
  readonly timestampMs: number;
  readonly setId: string;
  /** Packed little-endian doubles; a view into memory of its own. */
  readonly values: Uint8Array;
}

const frameHeadBytes = 24;

/** Names a set by its content. */
export function nameSet(set: SeriesSet): NamedSet {
  const hash = createHash("sha256");
  for (const labels of set.series) hash.update(labels.join("\u0000")).update("\u0001");
  return { id: hash.digest("hex").slice(0, 16), series: set.series };
}

/** A set's payload. */
export function encodeSet(set: NamedSet): Buffer {
  return Buffer.concat([Buffer.from(set.id, "hex"), Buffer.from(JSON.stringify(set.series))]);
}

/** Reads a set's payload; undefined when it is not one. */
export function decodeSet(payload: Buffer): NamedSet | undefined {
  try {
    const series: unknown = JSON.parse(payload.toString("utf8", 8));
    if (!Array.isArray(series)) return undefined;
    const named = series.map((labels: unknown) => {
      if (!Array.isArray(labels)) throw new Error("not labels");
      return labels.map(String);
    });
    return { id: payload.toString("hex", 0, 8), series: named };
  } catch {
    return undefined;
  }
}

/** A frame's payload. */
export function encodeFrame(
  sequence: bigint,
  timestampMs: number,
  setId: string,
  values: Float64Array,
): Buffer {
  const payload = Buffer.allocUnsafe(frameHeadBytes + values.byteLength);
  payload.writeBigUInt64LE(sequence, 0);
  payload.writeBigInt64LE(BigInt(Math.trunc(timestampMs)), 8);
  payload.write(setId, 16, 8, "hex");
  // The bits as they are: a NaN that says "ended" must not become another NaN. (Every Node platform is little-endian
  // but s390x, which the agent does not support.)
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).copy(payload, frameHeadBytes);
  return payload;
}

/** Reads a frame's payload; undefined when it is too short to be one. */
export function decodeFrame(payload: Buffer): StoredFrame | undefined {
  if (payload.length < frameHeadBytes) return undefined;
  return {
    sequence: payload.readBigUInt64LE(0),
    timestampMs: Number(payload.readBigInt64LE(8)),
    setId: payload.toString("hex", 16, 24),
    values: payload.subarray(frameHeadBytes),
  };
}
