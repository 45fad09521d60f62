import { type Labels, METRIC_NAME } from "../kernel/labels.js";
import { PromqlError } from "./errors.js";
import { evaluateInstant, evaluateRange } from "./evaluate.js";
import { BUCKET_LABEL, describeLabels, keyOf, withoutLabels } from "./label-sets.js";
import type { EvaluationLimits } from "./limits.js";
import { MemorySeries } from "./memory-series.js";
import { formatFloat } from "./number.js";
import { parseExpr } from "./parse.js";
import { type Evaluation, parseScript, type Step } from "./promqltest-script.js";
import { type Tier, tierOf } from "./script-tier.js";
import type { NotedSeries } from "./series-notation.js";
import type { Annotated, MatrixValue, Value } from "./value.js";

/** How far a value may be off, relative to its size. */
const TOLERANCE = 1e-6;
const SMALLEST_NORMAL = 2.2250738585072014e-308;
/** Instant evaluations are repeated as the middle step of a range with this step. */
const RANGE_STEP_MS = 60_000;

/** What became of one `eval` of a script. */
export interface CaseResult {
  /** Line of the `eval`, from 1. */
  readonly line: number;
  readonly statement: string;
  readonly tier: Tier;
  /** Why it failed; `undefined` if it passed. */
  readonly failure: string | undefined;
}

/**
 * Runs a script in the language of Prometheus' own query tests (`load`, `clear`, `eval instant at`, `eval range from`, `expect`; see
 * prometheus/promql/promqltest/README.md). Every `eval` gives a result; a script that is not well formed throws. Native histograms are
 * left out of what is loaded, and an `eval` that expects one fails. `name` is the script's file name: some of Prometheus' own scripts
 * need a feature flag (see `script-tier.ts`).
 */
export function runScript(text: string, limits: EvaluationLimits = {}, name = ""): readonly CaseResult[] {
  const series = new MemorySeries();
  const histograms: Labels[] = [];
  const results: CaseResult[] = [];
  for (const step of parseScript(text)) {
    if (step.kind === "clear") {
      series.clear();
      histograms.length = 0;
    } else if (step.kind === "load") {
      load(series, step);
      histograms.push(...nativeHistograms(step));
    } else if (step.kind === "unreadable") {
      const { line, statement, because, native } = step;
      results.push({ line, statement, tier: native ? "native-histograms" : "essential", failure: because });
    } else {
      const { line, statement } = step;
      const tier = tierOf(name, step, histograms);
      results.push({ line, statement, tier, failure: failureOf(step, series, limits) });
    }
  }
  return results;
}

/** The series of a block that hold native histograms; for `load_with_nhcb` each classic histogram becomes one as well. */
function nativeHistograms(step: Extract<Step, { kind: "load" }>): readonly Labels[] {
  return step.series.flatMap(({ labels, points }) => {
    if (points.includes("histogram")) return [labels];
    const name = labels[METRIC_NAME] ?? "";
    if (!step.convertsHistograms || !name.endsWith("_bucket")) return [];
    return [{ ...withoutLabels(labels, [BUCKET_LABEL]), [METRIC_NAME]: name.slice(0, -"_bucket".length) }];
  });
}

function load(series: MemorySeries, step: Extract<Step, { kind: "load" }>): void {
  // A series that a block names twice is what its last line says.
  const last = new Map(step.series.map((noted) => [keyOf(noted.labels), noted]));
  for (const { labels, points } of last.values()) {
    points.forEach((point, index) => {
      if (typeof point === "number") series.append(labels, index * step.gap, point);
      if (point === "stale") series.appendStale(labels, index * step.gap);
    });
  }
}

function failureOf(step: Evaluation, series: MemorySeries, limits: EvaluationLimits): string | undefined {
  try {
    const expr = parseExpr(step.expr);
    if (step.range !== undefined) {
      const value = evaluateRange(expr, step.range, series, limits);
      return missingFailure(step) ?? annotationFault(step, value) ?? matrixFault(step, value);
    }
    const value = evaluateInstant(expr, step.at, series, limits);
    const fault = missingFailure(step) ?? annotationFault(step, value) ?? valueFault(step, value);
    if (fault !== undefined || value.kind !== "vector" || step.ordered) return fault;
    const around = { from: step.at - RANGE_STEP_MS, to: step.at + RANGE_STEP_MS, step: RANGE_STEP_MS };
    const inRange = middleOf(evaluateRange(expr, around, series, limits), step.at);
    const again = valueFault(step, inRange);
    return again === undefined ? undefined : `in a range query: ${again}`;
  } catch (error) {
    if (!(error instanceof PromqlError)) throw error;
    if (!step.fails) return `failed: ${error.message}`;
    const wrong = step.failure.find((wanted) => !wanted.matches(error.message));
    return wrong === undefined ? undefined : `failed with "${error.message}", expected ${wanted(wrong.text)}`;
  }
}

function wanted(text: string): string {
  return `"${text}"`;
}

function missingFailure(step: Evaluation): string | undefined {
  return step.fails ? "expected to fail, but did not" : undefined;
}

function annotationFault(step: Evaluation, { warnings, infos }: Annotated): string | undefined {
  return sortFault("warning", step.warnings, warnings) ?? sortFault("info", step.infos, infos);
}

function sortFault(
  sort: string,
  expected: Evaluation["warnings"],
  found: readonly string[],
): string | undefined {
  if (expected === undefined) return undefined;
  if (expected.kind === "none")
    return found.length === 0 ? undefined : `unexpected ${sort}: ${found.join("; ")}`;
  if (found.length === 0) return `expected a ${sort}, found none`;
  for (const one of expected.texts) {
    if (!found.some(one.matches)) return `expected ${sort} ${wanted(one.text)}, found ${found.join("; ")}`;
  }
  const odd =
    expected.texts.length === 0
      ? undefined
      : found.find((text) => !expected.texts.some((one) => one.matches(text)));
  return odd === undefined ? undefined : `unexpected ${sort}: ${odd}`;
}

function middleOf(matrix: MatrixValue, at: number): Value {
  const samples = matrix.series.flatMap(({ labels, timestamps, values }) => {
    const index = timestamps.indexOf(at);
    return index < 0 ? [] : [{ labels, timestamp: at, value: values[index] as number }];
  });
  return { kind: "vector", samples, warnings: matrix.warnings, infos: matrix.infos };
}

function almostEqual(a: number, b: number): boolean {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b);
  if (a === b) return true;
  const difference = Math.abs(a - b);
  const size = Math.abs(a) + Math.abs(b);
  if (a === 0 || b === 0 || size < SMALLEST_NORMAL) return difference < TOLERANCE * SMALLEST_NORMAL;
  return difference / Math.min(size, Number.MAX_VALUE) < TOLERANCE;
}

function valueFault(step: Evaluation, value: Value): string | undefined {
  switch (value.kind) {
    case "string":
      return "expected numbers, got a string";
    case "matrix":
      return matrixFault(step, value);
    case "scalar":
      if (step.scalar === undefined) return `expected a vector, got scalar ${formatFloat(value.value)}`;
      if (almostEqual(step.scalar, value.value)) return undefined;
      return `expected scalar ${formatFloat(step.scalar)}, got ${formatFloat(value.value)}`;
    case "vector":
      return vectorFault(step, value.samples);
  }
}

function expectedByKey(step: Evaluation): Map<string, NotedSeries> {
  return new Map(step.expected.map((series) => [keyOf(series.labels), series]));
}

function vectorFault(
  step: Evaluation,
  samples: readonly { readonly labels: Labels; readonly value: number }[],
): string | undefined {
  if (step.scalar !== undefined) return `expected scalar ${formatFloat(step.scalar)}, got a vector`;
  const expected = expectedByKey(step);
  const order = [...expected.keys()];
  for (const [index, { labels, value }] of samples.entries()) {
    const key = keyOf(labels);
    const series = expected.get(key);
    if (series === undefined) return `unexpected ${describeLabels(labels)} ${formatFloat(value)}`;
    if (step.ordered && order[index] !== key) return `${describeLabels(labels)} stands at place ${index + 1}`;
    const point = series.points[0];
    if (typeof point !== "number") return `expected a native histogram for ${describeLabels(labels)}`;
    if (!almostEqual(point, value))
      return `expected ${formatFloat(point)} for ${describeLabels(labels)}, got ${formatFloat(value)}`;
  }
  if (samples.length === expected.size) return undefined;
  const found = new Set(samples.map(({ labels }) => keyOf(labels)));
  const missing = [...expected.values()].find(({ labels }) => !found.has(keyOf(labels)));
  return missing === undefined
    ? "the same labels twice"
    : `expected ${describeLabels(missing.labels)}, not found`;
}

function matrixFault(step: Evaluation, { series }: MatrixValue): string | undefined {
  const expected = expectedByKey(step);
  const { from, step: gap } = step.range ?? { from: step.at, step: 1 };
  for (const { labels, timestamps, values } of series) {
    const noted = expected.get(keyOf(labels));
    if (noted === undefined) return `unexpected ${describeLabels(labels)}`;
    const points = noted.points.flatMap((point, index) =>
      point === "omitted" ? [] : [{ time: from + index * gap, point }],
    );
    if (points.length !== values.length) {
      return `expected ${points.length} points for ${describeLabels(labels)}, got ${Array.from(values, formatFloat).join(" ")}`;
    }
    for (const [index, { time, point }] of points.entries()) {
      const value = values[index] as number;
      if (typeof point !== "number") return `expected a native histogram for ${describeLabels(labels)}`;
      if (time !== timestamps[index])
        return `expected a point of ${describeLabels(labels)} at ${time}, got it at ${timestamps[index]}`;
      if (!almostEqual(point, value)) {
        return `expected ${formatFloat(point)} for ${describeLabels(labels)} at ${time}, got ${formatFloat(value)}`;
      }
    }
  }
  const found = new Set(series.map(({ labels }) => keyOf(labels)));
  const missing = [...expected.values()].find(({ labels }) => !found.has(keyOf(labels)));
  return missing === undefined ? undefined : `expected ${describeLabels(missing.labels)}, not found`;
}
