/**
 * A finished stretch of columns that share their timestamps, as bytes, and several of them in one chunk as PostgreSQL
 * keeps it. The bytes in memory and in the database are the same.
 */
import { OpsError } from "../../kernel/errors.js";
import type { Instant } from "../../kernel/time.js";
import { ByteReader } from "./byte-reader.js";
import { ByteWriter } from "./byte-writer.js";
import { readColumn, writeColumn } from "./column-codec.js";
import { halvesOf } from "./double-bits.js";

const VERSION = 1;
/** More rows or columns than this are taken for damage. */
const ROWS_MAX = 1 << 16;
const COLUMNS_MAX = 1 << 20;

const blockWriter = new ByteWriter();
const columnWriter = new ByteWriter();

/** Columns of doubles over one list of times: column c's row r stands at `values[c * stride + r]`. */
export interface Columns {
  readonly count: number;
  readonly timestamps: Float64Array;
  readonly values: Float64Array;
  readonly stride: number;
}

/** Rows `from` to `to` (exclusive) of the columns, compressed: some 1.5 bytes a sample for what hosts measure. */
export function encodeBlock(columns: Columns, from: number, to: number): Uint8Array {
  const rows = to - from;
  if (rows < 1 || rows > ROWS_MAX || columns.count > COLUMNS_MAX) {
    throw new OpsError("INTERNAL", `encode a block: ${rows} rows of ${columns.count} columns`);
  }
  const writer = blockWriter;
  writer.length = 0;
  writer.byte(VERSION);
  writer.varint(rows);
  writer.varint(columns.count);
  let before = 0;
  let step = 0;
  for (let row = from; row < to; row++) {
    const now = columns.timestamps[row] as number;
    writer.signed(now - before - step);
    if (row > from) step = now - before;
    before = now;
  }
  const halves = halvesOf(columns.values);
  for (let column = 0; column < columns.count; column++) {
    columnWriter.length = 0;
    writeColumn(columnWriter, columns.values, halves, column * columns.stride + from, rows);
    writer.varint(columnWriter.length);
    writer.append(columnWriter.bytes.subarray(0, columnWriter.length));
  }
  return writer.take();
}

/** An encoded stretch, opened: its times at once, its columns on demand. */
export class Block {
  readonly rows: number;
  readonly columns: number;
  readonly from: Instant;
  readonly to: Instant;
  readonly #columnsAt: number;

  /** Throws DATA_LOSS for bytes that are no block. */
  constructor(readonly bytes: Uint8Array) {
    const reader = new ByteReader(bytes);
    const version = reader.byte();
    if (version !== VERSION) throw reader.damaged(`version ${version}, expected ${VERSION}`);
    this.rows = reader.varint();
    this.columns = reader.varint();
    if (this.rows < 1 || this.rows > ROWS_MAX || this.columns > COLUMNS_MAX) {
      throw reader.damaged(`${this.rows} rows of ${this.columns} columns`);
    }
    const times = readTimes(reader, this.rows);
    this.#columnsAt = reader.at;
    this.from = times[0] as number;
    this.to = times[this.rows - 1] as number;
  }

  timestamps(): Float64Array {
    const reader = new ByteReader(this.bytes);
    reader.byte();
    reader.varint();
    reader.varint();
    return readTimes(reader, this.rows);
  }

  /** Where each column's bytes begin; the last entry is the end. For reading many columns of one block. */
  columnStarts(): Uint32Array {
    const starts = new Uint32Array(this.columns + 1);
    const reader = new ByteReader(this.bytes, this.#columnsAt);
    for (let column = 0; column < this.columns; column++) {
      const length = reader.varint();
      starts[column] = reader.at;
      reader.take(length);
    }
    starts[this.columns] = reader.at;
    return starts;
  }

  /** All rows of one column, to `into` at `start`. `starts` comes from {@link columnStarts}. */
  readColumn(
    column: number,
    starts: Uint32Array,
    into: Float64Array,
    halves: Uint32Array,
    start: number,
  ): void {
    const reader = new ByteReader(this.bytes, starts[column] as number);
    readColumn(reader, into, halves, start, this.rows);
  }
}

function readTimes(reader: ByteReader, rows: number): Float64Array {
  const times = new Float64Array(rows);
  let time = 0;
  let step = 0;
  for (let row = 0; row < rows; row++) {
    const before = time;
    time += step + reader.signed();
    if (row > 0) step = time - before;
    times[row] = time;
  }
  return times;
}

/** A block and which of the chunk's layouts names its columns. */
export interface ChunkPart {
  readonly layout: number;
  readonly block: Uint8Array;
}

/** Several blocks in one piece. */
export function joinParts(parts: readonly ChunkPart[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter();
  writer.varint(parts.length);
  for (const part of parts) {
    writer.varint(part.layout);
    writer.varint(part.block.length);
    writer.append(part.block);
  }
  return writer.take();
}

/** The reverse of {@link joinParts}; the blocks are copies, so that the piece itself can be let go. Throws DATA_LOSS. */
export function splitParts(bytes: Uint8Array): ChunkPart[] {
  const reader = new ByteReader(bytes);
  const count = reader.varint();
  const parts: ChunkPart[] = [];
  for (let index = 0; index < count; index++) {
    const layout = reader.varint();
    parts.push({ layout, block: reader.take(reader.varint()).slice() });
  }
  return parts;
}
