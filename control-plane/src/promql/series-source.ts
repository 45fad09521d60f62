import type { Labels, Matcher } from "../kernel/labels.js";

/**
 * Samples of one series, oldest first; the arrays may be views that stay valid until the next call of `select`.
 * Timestamps are ms since the epoch and strictly increasing. Staleness markers are NaN with the bit pattern
 * 0x7ff0000000000002 (see {@link isStaleAt}); the engine leaves them out, a source need not.
 */
export interface SeriesSamples {
  readonly labels: Labels;
  readonly timestamps: Float64Array;
  readonly values: Float64Array;
  /** First index in use. */
  readonly start: number;
  /** End, exclusive. */
  readonly end: number;
}

/**
 * Where the engine finds samples: every series that fulfils all matchers and has a sample with
 * `fromExclusive < timestamp <= toInclusive`. A source may give more samples than asked for, never fewer, and must not
 * give one label set twice. The same `labels` object for the same series from call to call makes evaluation faster.
 */
export interface SeriesSource {
  select(matchers: readonly Matcher[], fromExclusive: number, toInclusive: number): readonly SeriesSamples[];
}

/*
 * The marker is a signalling NaN. A value in a variable keeps its bits only by luck: V8 makes an ordinary NaN of it as
 * soon as it enters a plain array. So markers are written with `markStaleAt` and read with `isStaleAt`, which only ever
 * move bits, and are copied as bits (`TypedArray.prototype.set` from one Float64Array to another, or BigUint64Array).
 * Little-endian or not, the two halves are told apart by looking once.
 */
const STALE_HIGH = 0x7ff00000;
const STALE_LOW = 0x00000002;

const probe = new Float64Array(1);
const probeBits = new Uint32Array(probe.buffer);
probe[0] = 1;
const HIGH_AT = probeBits[1] === 0x3ff00000 ? 1 : 0;
const LOW_AT = 1 - HIGH_AT;
probeBits[HIGH_AT] = STALE_HIGH;
probeBits[LOW_AT] = STALE_LOW;

/** Prometheus' staleness marker: "this series has ended here". A NaN, told from others by its bits only. */
export const STALE_NAN: number = probe[0] as number;

/** Whether `value` is the staleness marker rather than a number or an ordinary NaN. */
export function isStale(value: number): boolean {
  if (!Number.isNaN(value)) return false;
  probe[0] = value;
  return probeBits[HIGH_AT] === STALE_HIGH && probeBits[LOW_AT] === STALE_LOW;
}

/** As {@link isStale} for `values[index]`, without passing the value through a variable. */
export function isStaleAt(values: Float64Array, index: number): boolean {
  const value = values[index] as number;
  if (!Number.isNaN(value)) return false;
  const bits = new Uint32Array(values.buffer, values.byteOffset + index * 8, 2);
  return bits[HIGH_AT] === STALE_HIGH && bits[LOW_AT] === STALE_LOW;
}

/** Writes the staleness marker to `values[index]`. */
export function markStaleAt(values: Float64Array, index: number): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset + index * 8, 2);
  bits[HIGH_AT] = STALE_HIGH;
  bits[LOW_AT] = STALE_LOW;
}
