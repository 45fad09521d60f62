import type { AtModifier } from "./ast.js";
import { PromqlError } from "./errors.js";
import type { EvaluationLimits } from "./limits.js";
import { Notes } from "./notes.js";
import type { SeriesSource } from "./series-source.js";

const MAX_SERIES = 1_000_000;
const MAX_SAMPLES = 50_000_000;
const LOOKBACK_MS = 300_000;
const SUBQUERY_STEP_MS = 60_000;
/** Samples worked on between two looks at whether to stop: a few milliseconds. A series counts for a thousand, for what it costs to find. */
const WORK_PER_CHECK = 1_000_000;
const WORK_PER_SERIES = 1_000;

/** The times at which an expression is evaluated: `count` of them, at least 1, from `start` on, every `step` ms. */
export interface Steps {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** What every part of one evaluation shares, and the steps of the part at hand. */
export class EvalContext {
  readonly lookbackMs: number;
  readonly subqueryStepMs: number;
  private readonly maxSeries: number;
  private readonly maxSamples: number;
  private workUntilCheck = WORK_PER_CHECK;

  constructor(
    readonly source: SeriesSource,
    readonly steps: Steps,
    /** The ends of the whole query, which `@ start()` and `@ end()` mean, inside of subqueries too. */
    private readonly query: { readonly start: number; readonly end: number },
    private readonly limits: EvaluationLimits,
    readonly notes: Notes = new Notes(limits.text),
  ) {
    this.lookbackMs = limits.lookbackMs ?? LOOKBACK_MS;
    this.subqueryStepMs = limits.subqueryStepMs ?? SUBQUERY_STEP_MS;
    this.maxSeries = limits.maxSeries ?? MAX_SERIES;
    this.maxSamples = limits.maxSamples ?? MAX_SAMPLES;
  }

  /** The same evaluation at other steps. */
  at(steps: Steps): EvalContext {
    return new EvalContext(this.source, steps, this.query, this.limits, this.notes);
  }

  timeOf(index: number): number {
    return this.steps.start + index * this.steps.step;
  }

  /** The time an `@` means, in ms; `undefined` without one. */
  fixedTime(at: AtModifier | undefined): number | undefined {
    if (at === undefined) return undefined;
    if (at.kind === "time") return at.at;
    return at.kind === "start" ? this.query.start : this.query.end;
  }

  /** Throws if a result of so many series at the steps at hand is larger than allowed. */
  allowRows(rows: number): void {
    if (rows > this.maxSeries) {
      throw new PromqlError(
        "limit",
        `query needs ${rows} series at once, more than maxSeries (${this.maxSeries})`,
      );
    }
    this.allowSamples(rows * this.steps.count);
  }

  allowSamples(samples: number): void {
    if (samples > this.maxSamples) {
      throw new PromqlError(
        "limit",
        `query processing would load too many samples into memory: ${samples}, more than maxSamples (${this.maxSamples})`,
      );
    }
  }

  /** To be called for each series worked on: throws if the caller wants the evaluation to end. */
  tick(): void {
    this.spend(WORK_PER_SERIES);
  }

  /** As {@link tick}, for work on so many samples. */
  spend(samples: number): void {
    this.workUntilCheck -= samples;
    if (this.workUntilCheck > 0) return;
    this.workUntilCheck = WORK_PER_CHECK;
    this.checkStop();
  }

  checkStop(): void {
    if (this.limits.shouldStop?.() === true) {
      throw new PromqlError("timeout", "query timed out in expression evaluation");
    }
  }
}
