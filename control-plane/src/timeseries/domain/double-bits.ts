/**
 * The bits of doubles, moved without passing through arithmetic: only so do NaN payloads survive for certain.
 */

/** A cell in which its series has no sample. Never seen outside the store: one sent with these bits becomes an ordinary NaN. */
const ABSENT_HIGH = 0x7ff80000;
const ABSENT_LOW = 0x4d534142;
const NAN_HIGH = 0x7ff80000;

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
/** Where the high and the low half of a double stand, in a view of 32-bit halves. */
export const HIGH = LITTLE_ENDIAN ? 1 : 0;
export const LOW = 1 - HIGH;

/** The doubles as pairs of 32-bit halves, over the same memory. */
export function halvesOf(values: Float64Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
}

export function markAbsent(halves: Uint32Array, index: number): void {
  halves[index * 2 + HIGH] = ABSENT_HIGH;
  halves[index * 2 + LOW] = ABSENT_LOW;
}

export function isAbsent(halves: Uint32Array, index: number): boolean {
  return halves[index * 2 + HIGH] === ABSENT_HIGH && halves[index * 2 + LOW] === ABSENT_LOW;
}

/** Copies a NaN with its payload, save that of an absent cell. */
export function copyNaN(from: Uint32Array, fromIndex: number, to: Uint32Array, toIndex: number): void {
  if (isAbsent(from, fromIndex)) {
    to[toIndex * 2 + HIGH] = NAN_HIGH;
    to[toIndex * 2 + LOW] = 0;
    return;
  }
  to[toIndex * 2] = from[fromIndex * 2] as number;
  to[toIndex * 2 + 1] = from[fromIndex * 2 + 1] as number;
}

export function sameBits(a: Uint32Array, aIndex: number, b: Uint32Array, bIndex: number): boolean {
  return a[aIndex * 2] === b[bIndex * 2] && a[aIndex * 2 + 1] === b[bIndex * 2 + 1];
}
