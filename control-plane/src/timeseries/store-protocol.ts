/**
 * What the facade and the thread that owns the hot window say to each other. All of it can be cloned to another thread.
 * Requests are handled in the order they are sent; a shard is one such thread, and nodes are placed whole.
 */
import type { ErrorCode, Facts } from "../kernel/errors.js";
import type { Labels, Matcher } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { Value } from "../promql/value.js";
import type { VerdictCounts } from "./domain/refusal.js";
import type { AnnouncedSeries, WriteOutcome } from "./door.js";

/** Sent without expecting an answer. */
export type StoreNotice =
  | {
      readonly kind: "announce";
      readonly session: number;
      readonly series: readonly AnnouncedSeries[];
      readonly bytes: number;
    }
  | {
      readonly kind: "layout";
      readonly session: number;
      readonly layoutId: number;
      readonly refs: Uint32Array;
    }
  | { readonly kind: "drop-layout"; readonly session: number; readonly layoutId: number }
  | { readonly kind: "close-session"; readonly session: number }
  /** The first `length` bytes hold frames (frame-batch.ts); the buffer comes back with `taken`. */
  | { readonly kind: "frames"; readonly buffer: ArrayBuffer; readonly length: number }
  | { readonly kind: "written"; readonly collection: number; readonly durable: boolean }
  | { readonly kind: "forget"; readonly node: string };

/** How a query is stopped: a word of shared memory, for the thread that evaluates hears no messages. */
export interface StopFlag {
  readonly flags: SharedArrayBuffer;
  readonly slot: number;
}

export interface QueryTask {
  readonly timeoutMs: number;
  readonly samplesMax: number;
  readonly stop: StopFlag;
  /** Chunks from before the hot window that the query reaches. */
  readonly cold: StoredChunks | undefined;
}

/** Chunks as they are kept: parts joined, names of layouts beside them. */
export interface StoredChunks {
  /** By digest: the labels of a layout's series, as JSON: an array of arrays of name, value, name, value. */
  readonly names: readonly (readonly [digest: string, json: string])[];
  readonly chunks: readonly StoredChunk[];
}

export interface StoredChunk {
  /** OWN for what the control plane itself makes. */
  readonly node: string;
  readonly digests: readonly string[];
  readonly parts: Uint8Array<ArrayBuffer>;
}

/** The node under which the control plane's own samples are kept. */
export const OWN = "control-plane";
/** The node under which samples are kept that came with labels of their own. */
export const WRITTEN = "remote-write";
/** The name of their log, in the place of an agent's outbox. */
export const WRITTEN_LOG = "log";

/** Sent with a number, answered once. */
export interface StoreCalls {
  readonly "open-session": {
    readonly request: {
      readonly session: number;
      readonly node: string;
      readonly name: string;
      readonly outboxId: string;
      /** What PostgreSQL says is durable of this outbox. */
      readonly durable: number;
    };
    readonly answer: { readonly resumeAfter: number };
  };
  readonly query: {
    readonly request: { readonly expr: string; readonly at: Instant; readonly task: QueryTask };
    readonly answer: Value;
  };
  readonly "query-range": {
    readonly request: {
      readonly expr: string;
      readonly from: Instant;
      readonly to: Instant;
      readonly stepMs: number;
      readonly task: QueryTask;
    };
    readonly answer: Value;
  };
  readonly "evaluate-many": {
    readonly request: {
      readonly expressions: readonly string[];
      readonly at: Instant;
      readonly task: QueryTask;
    };
    readonly answer: readonly (Value | WireError)[];
  };
  readonly list: {
    readonly request: {
      readonly what: "series" | "label-names" | "label-values";
      readonly label: string;
      readonly prefix: string;
      readonly selectors: readonly (readonly Matcher[])[];
      readonly from: Instant;
      readonly to: Instant;
      readonly limit: number;
    };
    readonly answer: {
      readonly texts: readonly string[];
      readonly series: readonly Labels[];
      readonly truncated: boolean;
    };
  };
  readonly append: {
    readonly request: {
      readonly names: readonly (readonly string[])[];
      readonly timestamps: Float64Array;
      readonly values: Float64Array;
    };
    readonly answer: undefined;
  };
  readonly write: {
    readonly request: {
      /** Segments of the log of what was written whose samples were all given by now; 0: none. */
      readonly through: number;
      /** Forget all series that were announced before. */
      readonly reset: boolean;
      /** Series to forget, before the fresh ones are learnt. */
      readonly dropped: Uint32Array;
      readonly fresh: readonly { readonly ref: number; readonly labels: readonly string[] }[];
      readonly series: Uint32Array;
      readonly timestamps: Float64Array;
      readonly values: Float64Array;
    };
    readonly answer: WriteOutcome & {
      /** Series that were refused for want of room: they may be announced again. */
      readonly forgotten: readonly number[];
    };
  };
  readonly collect: {
    readonly request: {
      /** Only what has waited so long; 0: everything. */
      readonly waitedMs: number;
      readonly bytesMax: number;
    };
    readonly answer: {
      readonly collection: number;
      readonly items: readonly CollectedChunk[];
      readonly more: boolean;
    };
  };
  readonly load: {
    readonly request: { readonly stored: StoredChunks; readonly last: boolean };
    readonly answer: undefined;
  };
  readonly figures: { readonly request: undefined; readonly answer: StoreFigures };
}

/** What one node sent since its last chunk, ready to be written. */
export interface CollectedChunk {
  readonly node: string;
  readonly name: string;
  /** Empty for the control plane's own samples. */
  readonly outboxId: string;
  readonly fromSequence: number;
  readonly throughSequence: number;
  /** Absent when all that came was refused: then only the sequence moves. */
  readonly chunk:
    | {
        readonly from: Instant;
        readonly to: Instant;
        readonly samples: number;
        readonly digests: readonly string[];
        /** Names that are not yet kept for the chunk's day: digest and JSON. */
        readonly names: readonly (readonly [digest: string, json: string])[];
        readonly parts: Uint8Array<ArrayBuffer>;
      }
    | undefined;
}

export interface StoreFigures {
  readonly samples: VerdictCounts;
  readonly framesTaken: number;
  readonly framesRepeated: number;
  readonly activeSeries: number;
  readonly nodes: number;
  readonly sampleBytes: number;
  readonly samplesNotDurable: number;
  readonly chunksDamaged: number;
}

/** An OpsError on its way between threads. */
export interface WireError {
  readonly kind: "error";
  readonly code: ErrorCode;
  readonly message: string;
  readonly facts: Facts;
}

export type StoreRequest =
  | StoreNotice
  | {
      [K in keyof StoreCalls]: {
        readonly kind: K;
        readonly call: number;
        readonly request: StoreCalls[K]["request"];
      };
    }[keyof StoreCalls];

export type StoreResponse =
  /** So many bytes of frames or announcements were worked off; the buffer may be used again. */
  | { readonly kind: "taken"; readonly bytes: number; readonly buffer: ArrayBuffer | undefined }
  | { readonly kind: "answer"; readonly call: number; readonly answer: unknown }
  | { readonly kind: "failed"; readonly call: number; readonly error: WireError };
