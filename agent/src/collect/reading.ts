/** What the collecting side of the agent hands to the sending side: readings and what is on the host besides numbers. */

/**
 * Names of the series of a group, in order. The object stays the same as long as the set does; a new object is a new
 * layout. Labels are name, value, name, value: `__name__` first, the rest sorted by name.
 */
export interface SeriesSet {
  readonly series: readonly (readonly string[])[];
}

/**
 * One reading of one group. `values[i]` belongs to `set.series[i]`. A NaN with the bits of {@link STALE_NAN_BITS} marks a
 * series that has ended. The array belongs to the receiver: the collector never writes to it again.
 */
export interface Reading {
  /** When the reading was begun, in ms since the epoch. */
  readonly timestampMs: number;
  readonly set: SeriesSet;
  readonly values: Float64Array;
}

/** A certificate as found in a file or at a TLS endpoint. Texts are hostile: cut to a bound, control characters replaced. */
export interface FoundCertificate {
  /** `file:/etc/ssl/x.pem` or `tls://host:port`. */
  readonly source: string;
  readonly subject: string;
  readonly issuer: string;
  /** DNS names and addresses of the subject alternative name. */
  readonly names: readonly string[];
  readonly serial: string;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
  readonly notBeforeMs: number | undefined;
  readonly notAfterMs: number | undefined;
  /** 0 is the leaf. */
  readonly chainIndex: number;
  /** Empty when the chain verifies, or when it was not to be verified (files). */
  readonly verificationError: string;
  /** Set when the source could not be read at all; all but `source` is then empty. */
  readonly readError: string;
}

/** A service's state as systemd has it. */
export interface FoundService {
  readonly name: string;
  readonly activeState: string;
  readonly subState: string;
}

/** A process among those that use most. */
export interface FoundProcess {
  readonly pid: number;
  readonly name: string;
  /** CPU seconds per second since the last look; 1 is one core. */
  readonly cpuRatio: number;
  readonly residentBytes: number;
  readonly user: string;
}

/** What is on the host besides numbers. */
export interface InventorySnapshot {
  readonly takenAtMs: number;
  readonly certificates: readonly FoundCertificate[];
  readonly services: readonly FoundService[];
  readonly processes: readonly FoundProcess[];
}

/** Where readings go. Both are called on the collector's turn and must return at once; what they throw is counted, not followed. */
export interface CollectSink {
  reading(reading: Reading): void;
  inventory(inventory: InventorySnapshot): void;
}

/** Prometheus' staleness marker: a NaN that says that a series has ended. */
export const STALE_NAN_BITS = 0x7ff0000000000002n;

/** Writes the staleness marker. Through the bits: an engine may give any NaN that it holds as a number other bits. */
export function markStale(values: Float64Array, index: number): void {
  new DataView(values.buffer, values.byteOffset, values.byteLength).setBigUint64(
    index * 8,
    STALE_NAN_BITS,
    LITTLE_ENDIAN,
  );
}

/** Whether the value at `index` is the staleness marker, by its bits. */
export function isStale(values: Float64Array, index: number): boolean {
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  return view.getBigUint64(index * 8, LITTLE_ENDIAN) === STALE_NAN_BITS;
}

// A Float64Array has the machine's own byte order.
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
