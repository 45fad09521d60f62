/** What one evaluation may use, and how it is told to stop. All parts may be left out. */
export interface EvaluationLimits {
  /** Most series a selector or an intermediate result may hold. @default 1_000_000 */
  readonly maxSeries?: number;
  /** Most samples (series times steps) one selector or intermediate result may hold. @default 50_000_000, as in Prometheus */
  readonly maxSamples?: number;
  /**
   * Asked again and again while evaluating, about once for each million samples worked on: true means "stop", and the
   * evaluation fails with kind "timeout". To stop for another reason, throw from here: what is thrown passes through.
   */
  readonly shouldStop?: () => boolean;
  /** How long a sample stays current, in ms; exclusive, as in Prometheus 3. @default 300_000 */
  readonly lookbackMs?: number;
  /** Step of a subquery that names none, in ms. @default 60_000 */
  readonly subqueryStepMs?: number;
  /** The text the expression was parsed from: with it, warnings name the place (`(1:9)`). */
  readonly text?: string;
}

/** From `from` to `to`, both inclusive, every `step`; all in ms, step greater than 0. */
export interface EvaluationRange {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}
