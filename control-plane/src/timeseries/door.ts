/**
 * What the room offers to the others: samples in, answers out. `TimeSeries` in embedded.ts is the embedded engine behind it.
 */
import type { OpsError } from "../kernel/errors.js";
import type { NodeId } from "../kernel/ids.js";
import type { Labels, Matcher } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { MatrixValue, Value } from "../promql/value.js";
import type { Refusal, VerdictCounts } from "./domain/refusal.js";
import type { KeptEntry } from "./written-log.js";

/** Whose samples a session carries. */
export interface SessionNode {
  readonly id: NodeId;
  /** Becomes the label `node` of every series, whatever the agent says, so that no node speaks for another. */
  readonly name: string;
  /** The agent's outbox; a new one begins its sequences anew. */
  readonly outboxId: string;
}

/** A series as an agent names it: label names and values in turn, the metric's name as the value of `__name__`. */
export interface AnnouncedSeries {
  readonly ref: number;
  readonly labels: readonly string[];
}

/**
 * - `taken`: on its way into the hot window (it is durable only when `onDurable` says so),
 * - `unknown-layout`: never announced on this session, or of another length: ask the agent to announce all again,
 * - `busy`: not taken; wait for `ready()` and give it again.
 */
export type FrameAnswer = "taken" | "unknown-layout" | "busy";

/** The samples of one agent's stream. None of the calls throws for what an agent sends: what is refused is counted. */
export interface FrameSession {
  announce(series: readonly AnnouncedSeries[]): void;
  /** An order of announced series; refs that were not announced are refused sample by sample. */
  layout(layoutId: number, refs: ArrayLike<number>): void;
  /**
   * One reading: little-endian doubles in the layout's order. The bytes are copied before the call returns.
   * A sequence that was taken before is answered `taken` and has no effect.
   */
  frame(sequence: bigint, layoutId: number, timestampMs: number, values: Uint8Array): FrameAnswer;
  /** True while so much is on its way that nothing more should be read from the stream. */
  readonly busy: boolean;
  /** Resolves when there is room; at once when there is. Rejects UNAVAILABLE when the session is lost. */
  ready(): Promise<void>;
  /**
   * Called once, at the latest in the next turn, when what this session sent since it was last durable is gone (the
   * engine was restarted): end the stream, so that the agent comes back and resumes after what is durable.
   */
  onLost(heard: (because: string) => void): void;
  close(): void;
}

export interface OpenedSession {
  readonly session: FrameSession;
  /** The agent's outbox goes on after this sequence; 0 when nothing is known of this outbox. */
  readonly resumeAfter: bigint;
}

export interface QueryOptions {
  /** @default 10,000; at most 120,000 */
  readonly timeoutMs?: number;
  /** Abandons the query when it aborts. */
  readonly signal?: AbortSignal;
  /** Most samples an intermediate result may hold. @default 50,000,000 */
  readonly samplesMax?: number;
}

/** Which series, over which times. Empty `matchers`: all series. */
export interface SeriesFilter {
  /** Each inner list is one selector (all must hold); a series that fulfils any of them counts. Empty: every series. */
  readonly selectors: readonly (readonly Matcher[])[];
  readonly from: Instant;
  readonly to: Instant;
  /** @default 10,000 */
  readonly limit?: number;
}

/** A list that may have been cut at its limit. */
export interface Listed<T> {
  readonly items: readonly T[];
  readonly truncated: boolean;
}

/** An expression of a rule group; `key` names it in the answer. */
export interface KeyedExpression {
  readonly key: string;
  readonly text: string;
}

/** What one expression of many gave: its value, or why there is none (INVALID_ARGUMENT, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED). */
export type Evaluation =
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "failed"; readonly error: OpsError };

/** A sample the control plane itself makes: a recording rule's, `ALERTS`, `up`, its own metrics. Its labels are taken as they are. */
export interface OwnSample {
  readonly labels: Labels;
  readonly timestampMs: Instant;
  /** "stale": the series has ended here. The marker's bits do not outlive an object's field, so it is named. */
  readonly value: number | "stale";
}

export type { KeptEntry } from "./written-log.js";

/** Samples of many series: `series[i]` is the number that the writer gave, for `i < count`. */
export interface WrittenSamples {
  readonly count: number;
  readonly series: Uint32Array;
  readonly timestamps: Float64Array;
  /** NaN payloads, the staleness marker's among them, are kept. */
  readonly values: Float64Array;
}

/** What became of them: whatever is good is kept, whatever else was refused. */
export interface WriteOutcome {
  readonly kept: number;
  readonly refusals: readonly {
    readonly because: Refusal;
    readonly samples: number;
    /** One of them. */
    readonly example: { readonly labels: Labels; readonly timestampMs: Instant } | undefined;
  }[];
}

/**
 * Takes samples that come with labels of their own, which are kept as they are. Series are named by keys of the caller's
 * choosing; numbers that `find` and `announce` give are good until the turn ends, so everything from `open` to `write`
 * happens in one.
 */
export interface SeriesWriter {
  /**
   * Keeps a request, as the caller reads it, until its samples are durable: after a restart it is given to the caller's
   * `replay`. Comes before `open`, and its answer goes to `write`; whoever does not come to `write` says `done`.
   * Throws UNAVAILABLE when it cannot be kept now.
   */
  keep(request: Uint8Array): Promise<KeptEntry>;
  /** Throws UNAVAILABLE when there is no engine, or so much is on its way that the sender must come again later. */
  open(): void;
  find(key: string): number | undefined;
  /** @param labels name and value in turn, in any order */
  announce(key: string, labels: readonly string[]): number;
  /** Resolves when queries see the samples. */
  write(samples: WrittenSamples, kept?: KeptEntry): Promise<WriteOutcome>;
}

/** Takes in a request that was kept, through a writer; throws UNAVAILABLE when it shall come again later. */
export type ReplayKept = (request: Uint8Array) => Promise<void>;

/** Which engine evaluates expressions, and how far samples were written on to it. */
export type EvaluatorFigures =
  | { readonly kind: "embedded" }
  | {
      readonly kind: "remote";
      /** Where, for people: no user, no password, no query. */
      readonly at: string;
      readonly samplesTaken: number;
      /** Samples the engine said it will never take. */
      readonly samplesRefused: number;
      /** Chunks that could not be read and so not be written on. */
      readonly chunksLost: number;
      readonly chunksWaiting: number;
      readonly samplesWaiting: number;
    };

/** Counters and gauges of the engine, for metrics and health. */
export interface Figures {
  readonly evaluator: EvaluatorFigures;
  readonly samples: VerdictCounts;
  readonly framesTaken: number;
  /** Frames that were given again and had no effect. */
  readonly framesRepeated: number;
  readonly activeSeries: number;
  readonly nodes: number;
  /** Bytes of sample columns, compressed and not; the index is not in it. */
  readonly sampleBytes: number;
  readonly inFlightBytes: number;
  readonly inFlightBytesMax: number;
  /** Samples that are not yet in PostgreSQL. */
  readonly samplesNotDurable: number;
  readonly chunksWritten: number;
  readonly chunkBytesWritten: number;
  readonly chunkWriteFailures: number;
  readonly restarts: number;
  readonly queries: number;
  readonly queriesFailed: number;
}

/** `degraded` heals itself (PostgreSQL is away or full: nothing is acknowledged); `down` means no samples and no answers now. */
export type TimeSeriesHealth =
  | { readonly kind: "ok" }
  | { readonly kind: "degraded"; readonly because: string }
  | { readonly kind: "down"; readonly because: string };

/** Told when frames of an outbox up to a sequence are in PostgreSQL, so that the agent may forget them. */
export type DurableListener = (node: NodeId, outboxId: string, throughSequence: bigint) => void;

/** The room's door. Queries throw OpsError: INVALID_ARGUMENT with Prometheus' own message, DEADLINE_EXCEEDED, CANCELLED, RESOURCE_EXHAUSTED, UNAVAILABLE. */
export interface TimeSeriesDoor {
  openSession(node: SessionNode): Promise<OpenedSession>;
  /** Returns the way to stop listening. */
  onDurable(heard: DurableListener): () => void;
  query(expr: string, at: Instant, options?: QueryOptions): Promise<Value>;
  /** From `from` to `to`, both inclusive, every `stepMs`; at most 11,000 points a series. */
  queryRange(
    expr: string,
    from: Instant,
    to: Instant,
    stepMs: number,
    options?: QueryOptions,
  ): Promise<MatrixValue>;
  /** All expressions at one time in one hop; each has its own outcome, in the order given. */
  evaluateMany(
    expressions: readonly KeyedExpression[],
    at: Instant,
    options?: QueryOptions,
  ): Promise<ReadonlyMap<string, Evaluation>>;
  labelNames(filter: SeriesFilter): Promise<Listed<string>>;
  labelValues(label: string, filter: SeriesFilter, prefix?: string): Promise<Listed<string>>;
  series(filter: SeriesFilter): Promise<Listed<Labels>>;
  /** Resolves when queries see the samples. Out-of-order and duplicate samples are refused as an agent's are. */
  append(samples: readonly OwnSample[]): Promise<void>;
  /** A way in for samples with labels of their own. */
  openWriter(replay: ReplayKept): SeriesWriter;
  figures(): Promise<Figures>;
  health(): TimeSeriesHealth;
}
