/** What the fleet measures, as the control plane tells it. */
import type { MetricsService, SeriesResult } from "@mainstay/proto/gen/mainstay/operator/v1/metrics_pb";
import { cleanLine } from "../clean-text.js";
import type { Line } from "./line.js";
import { cleanMap, timestampOf } from "./wire.js";

export interface PointView {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly value: number;
}
export interface SeriesView {
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly PointView[];
}
export interface AnswerView {
  /** scalar, string, vector or matrix. */
  readonly kind: string;
  readonly series: readonly SeriesView[];
  readonly text: string;
  readonly warnings: readonly string[];
}

const WARNINGS_MAX = 10;

export function metricsRoom(line: Line<typeof MetricsService>) {
  return {
    /** At `at` (ms since the epoch), or now. Throws INVALID_ARGUMENT with Prometheus' message for a bad expression. */
    async query(expr: string, at: number | undefined): Promise<AnswerView> {
      const when = at === undefined ? {} : { at: timestampOf(at) };
      const answer = await line.ask((to, how) => to.query({ expr, ...when }, how));
      return {
        kind: cleanLine(answer.kind, 20),
        series: answer.series.map(seriesView),
        text: cleanLine(answer.text, 1_000),
        warnings: warnings(answer.warnings),
      };
    },
    /** From and to in ms since the epoch. */
    async queryRange(expr: string, from: number, to: number, stepMs: number): Promise<AnswerView> {
      const answer = await line.ask((door, how) =>
        door.queryRange(
          { expr, from: timestampOf(from), to: timestampOf(to), stepMs: BigInt(Math.round(stepMs)) },
          how,
        ),
      );
      return {
        kind: "matrix",
        series: answer.series.map(seriesView),
        text: "",
        warnings: warnings(answer.warnings),
      };
    },
  };
}

function seriesView(series: SeriesResult): SeriesView {
  return {
    labels: cleanMap(series.labels),
    points: series.points.map((point) => ({ at: Number(point.timestampMs), value: point.value })),
  };
}

function warnings(texts: readonly string[]): string[] {
  return texts.slice(0, WARNINGS_MAX).map((text) => cleanLine(text, 300));
}

/** A sample's value as Prometheus writes it; JSON's numbers have no NaN and no infinities. */
export function sampleText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return String(value);
}
