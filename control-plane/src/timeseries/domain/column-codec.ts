/**
 * One column of doubles to bytes and back, bit for bit.
 *
 * Most of what hosts measure is constant, a counter of whole units, or a reading with a few decimals; all three become
 * differences of whole numbers in one to three bytes. What is left is XORed with its predecessor and written without its
 * zero bytes (after Facebook's Gorilla, but in whole bytes: a bit stream costs more time here than it saves space).
 */
import type { ByteReader } from "./byte-reader.js";
import type { ByteWriter } from "./byte-writer.js";
import { HIGH, LOW } from "./double-bits.js";

/** All values have the same bits: the eight bytes follow, least significant first. */
const TAG_CONSTANT = 0;
/** Values are XORed, each with the one before it, the first with 0. */
const TAG_XOR = 1;
/** 2 + e: values times 10^e are whole numbers; differences follow. */
const TAG_DECIMAL = 2;
/** 16 + e: as before, and all are the same: one number follows. */
const TAG_CONSTANT_DECIMAL = 16;

const POWERS = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000] as const;
/** So that differences still fit a signed number of 52 bits. */
const WHOLE_MAX = 2 ** 50;

/** Whole numbers of the column that is being written. */
let whole = new Float64Array(64);

/** Writes `count` values beginning at `start`; `halves` is the same memory as `values`. */
export function writeColumn(
  writer: ByteWriter,
  values: Float64Array,
  halves: Uint32Array,
  start: number,
  count: number,
): void {
  writer.reserve(10 * count + 16);
  if (isConstant(halves, start, count)) {
    const exponent = toWhole(values, start, 1);
    if (exponent >= 0) {
      writer.byte(TAG_CONSTANT_DECIMAL + exponent);
      writer.signed(whole[0] as number);
      return;
    }
    writer.byte(TAG_CONSTANT);
    for (const half of [halves[start * 2 + LOW] as number, halves[start * 2 + HIGH] as number]) {
      for (let shift = 0; shift < 32; shift += 8) writer.byte((half >>> shift) & 255);
    }
    return;
  }
  const exponent = toWhole(values, start, count);
  if (exponent >= 0) {
    writer.byte(TAG_DECIMAL + exponent);
    let before = 0;
    for (let index = 0; index < count; index++) {
      const now = whole[index] as number;
      writer.signed(now - before);
      before = now;
    }
    return;
  }
  writer.byte(TAG_XOR);
  writeXored(writer, halves, start, count);
}

/** Reads `count` values to `into` at `start`; `halves` is the same memory as `into`. */
export function readColumn(
  reader: ByteReader,
  into: Float64Array,
  halves: Uint32Array,
  start: number,
  count: number,
): void {
  const tag = reader.byte();
  if (tag === TAG_CONSTANT) {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 32; shift += 8) low |= reader.byte() << shift;
    for (let shift = 0; shift < 32; shift += 8) high |= reader.byte() << shift;
    for (let index = start; index < start + count; index++) {
      halves[index * 2 + LOW] = low;
      halves[index * 2 + HIGH] = high;
    }
    return;
  }
  if (tag === TAG_XOR) {
    readXored(reader, halves, start, count);
    return;
  }
  const constant = tag >= TAG_CONSTANT_DECIMAL;
  const power = POWERS[tag - (constant ? TAG_CONSTANT_DECIMAL : TAG_DECIMAL)];
  if (power === undefined) throw reader.damaged(`no column begins with ${tag}`);
  if (constant) {
    into.fill(reader.signed() / power, start, start + count);
    return;
  }
  let value = 0;
  for (let index = start; index < start + count; index++) {
    value += reader.signed();
    into[index] = value / power;
  }
}

function isConstant(halves: Uint32Array, start: number, count: number): boolean {
  const low = halves[start * 2] as number;
  const high = halves[start * 2 + 1] as number;
  for (let at = start * 2 + 2; at < (start + count) * 2; at += 2) {
    if (halves[at] !== low || halves[at + 1] !== high) return false;
  }
  return true;
}

/** Fills `whole` with values times 10^e for the smallest e that makes all of them whole; -1 when none does. */
function toWhole(values: Float64Array, start: number, count: number): number {
  if (whole.length < count) whole = new Float64Array(count * 2);
  let exponent = 0;
  for (let index = 0; index < count; index++) {
    const value = values[start + index] as number;
    let fits = false;
    // A value that is whole under a smaller power stays so under a greater one, so nothing has to be begun anew.
    for (; exponent < POWERS.length; exponent++) {
      const power = POWERS[exponent] as number;
      const rounded = Math.round(value * power);
      if (!(rounded <= WHOLE_MAX && rounded >= -WHOLE_MAX)) break;
      if (rounded / power === value && (rounded !== 0 || 1 / value > 0)) {
        fits = true;
        break;
      }
      if (value === 0) break;
    }
    if (!fits) return -1;
  }
  const power = POWERS[exponent] as number;
  for (let index = 0; index < count; index++) {
    const rounded = Math.round((values[start + index] as number) * power);
    if (!(rounded <= WHOLE_MAX && rounded >= -WHOLE_MAX)) return -1;
    // Of two whole numbers whose quotient is the same double only one is found by rounding: make sure it is one.
    if (rounded / power !== values[start + index]) return -1;
    whole[index] = rounded;
  }
  return exponent;
}

function writeXored(writer: ByteWriter, halves: Uint32Array, start: number, count: number): void {
  let beforeLow = 0;
  let beforeHigh = 0;
  const bytes = writer.bytes;
  let at = writer.length;
  for (let index = start; index < start + count; index++) {
    const low = halves[index * 2 + LOW] as number;
    const high = halves[index * 2 + HIGH] as number;
    const xorLow = (low ^ beforeLow) >>> 0;
    const xorHigh = (high ^ beforeHigh) >>> 0;
    beforeLow = low;
    beforeHigh = high;
    if (xorLow === 0 && xorHigh === 0) {
      bytes[at++] = 0;
      continue;
    }
    const first = xorHigh !== 0 ? Math.clz32(xorHigh) >>> 3 : 4 + (Math.clz32(xorLow) >>> 3);
    const last = xorLow !== 0 ? 7 - (trailingZeros(xorLow) >>> 3) : 3 - (trailingZeros(xorHigh) >>> 3);
    bytes[at++] = (first << 4) | (last - first + 1);
    for (let place = first; place <= last; place++) {
      bytes[at++] = place < 4 ? (xorHigh >>> (24 - 8 * place)) & 255 : (xorLow >>> (56 - 8 * place)) & 255;
    }
  }
  writer.length = at;
}

function readXored(reader: ByteReader, halves: Uint32Array, start: number, count: number): void {
  let low = 0;
  let high = 0;
  for (let index = start; index < start + count; index++) {
    const control = reader.byte();
    const first = control >>> 4;
    const length = control & 15;
    if (first + length > 8) throw reader.damaged(`a difference of ${length} bytes after ${first}`);
    for (let place = first; place < first + length; place++) {
      if (place < 4) high ^= reader.byte() << (24 - 8 * place);
      else low ^= reader.byte() << (56 - 8 * place);
    }
    halves[index * 2 + LOW] = low;
    halves[index * 2 + HIGH] = high;
  }
}

/** Zero bits below the lowest one; `value` is not 0. */
function trailingZeros(value: number): number {
  return 31 - Math.clz32(value & -value);
}
