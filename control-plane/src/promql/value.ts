import type { Labels } from "../kernel/labels.js";

/** The four types an expression can have, in the words of Prometheus' messages. */
export type ValueType = "scalar" | "string" | "vector" | "matrix";

/** One value of one series at one time; `timestamp` in ms since the epoch. */
export interface Sample {
  readonly labels: Labels;
  readonly timestamp: number;
  readonly value: number;
}

/** The samples of one series, oldest first: `timestamps[i]` (ms since the epoch) belongs to `values[i]`. Both have the same length, at least 1. */
export interface SeriesPoints {
  readonly labels: Labels;
  readonly timestamps: Float64Array;
  readonly values: Float64Array;
}

/**
 * What evaluation noticed without failing, in Prometheus' words; each text once, at most ten of each and
 * then a line that counts the rest.
 */
export interface Annotated {
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

export interface ScalarValue extends Annotated {
  readonly kind: "scalar";
  readonly timestamp: number;
  readonly value: number;
}

export interface StringValue extends Annotated {
  readonly kind: "string";
  readonly timestamp: number;
  readonly value: string;
}

/** At most one sample for each label set, all at the time of the evaluation; in the order `sort`, `topk` and the like gave them. */
export interface VectorValue extends Annotated {
  readonly kind: "vector";
  readonly samples: readonly Sample[];
}

/** At most one series for each label set, ordered by labels. */
export interface MatrixValue extends Annotated {
  readonly kind: "matrix";
  readonly series: readonly SeriesPoints[];
}

/** The answer to a query. */
export type Value = ScalarValue | StringValue | VectorValue | MatrixValue;
