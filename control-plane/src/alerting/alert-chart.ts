/** The chart of one alert: what is asked of the engine for it, and the drawing as SVG or PNG. */
import { formatLabels, type Labels, METRIC_NAME } from "../kernel/labels.js";
import { type Duration, HOUR, type Instant, MINUTE, SECOND } from "../kernel/time.js";
import { encodePng } from "../platform/png.js";
import type { MatrixValue } from "../promql/value.js";
import type { StoredAlert } from "./alerts.store.js";
import { type ChartLine, type ChartSpan, drawChart, LINES_MAX } from "./domain/chart/draw-chart.js";
import { PALETTE, toPixels } from "./domain/chart/raster.js";
import type { Drawing } from "./domain/chart/shape.js";
import { toSvg } from "./domain/chart/svg.js";
import { chartSubject } from "./domain/chart-subject.js";
import type { QueryRange } from "./seen-series.js";
import { speaksOf } from "./seen-series.js";

/** Points of a line. */
const POINTS = 120;
/** How much of the time before and after is drawn beside the alert's own, at least. */
const AROUND_LEAST: Duration = 15 * MINUTE;
/** What is longer ago is not drawn: an alert that fires for weeks is looked at by its end. */
const LENGTH_MAX: Duration = 24 * HOUR;

export interface ChartFile {
  readonly contentType: string;
  readonly data: Uint8Array;
}

export const CHART_FILES = ["chart.svg", "chart.png"] as const;

/** Rejects as the query does. */
export async function alertChart(
  alert: StoredAlert,
  expr: string,
  file: (typeof CHART_FILES)[number],
  now: Instant,
  queryRange: QueryRange,
): Promise<ChartFile> {
  const drawing = await draw(alert, expr, now, queryRange);
  if (file === "chart.svg") return { contentType: "image/svg+xml", data: Buffer.from(toSvg(drawing)) };
  return { contentType: "image/png", data: encodePng({ ...toPixels(drawing), palette: PALETTE }) };
}

async function draw(
  alert: StoredAlert,
  expr: string,
  now: Instant,
  queryRange: QueryRange,
): Promise<Drawing> {
  const { from, to, step } = windowOf(alert, now);
  const subject = chartSubject(expr);
  const { threshold } = subject;
  const [lines, limits] = await Promise.all([
    queryRange(subject.expr, from, to, step),
    threshold?.kind === "expression" ? queryRange(threshold.expr, from, to, step) : undefined,
  ]);
  return drawChart({
    title: `${alert.rule} ${formatLabels(without(alert.labels, "alertname"))}`,
    subtitle: expr.replace(/\s+/g, " ").trim(),
    ...{ from, to, step },
    lines: linesOf(lines, alert.labels),
    limits: limits === undefined ? [] : linesOf(limits, alert.labels),
    ...(threshold?.kind === "number" ? { threshold: { op: threshold.op, value: threshold.value } } : {}),
    spans: spansOf(alert, now),
  });
}

function windowOf({ state }: StoredAlert, now: Instant): { from: Instant; to: Instant; step: Duration } {
  const end = state.kind === "resolved" ? state.resolvedAt : now;
  const around = Math.max(AROUND_LEAST, (end - state.activeAt) / 3);
  const to = Math.min(now, end + around);
  const from = Math.max(state.activeAt - around, to - LENGTH_MAX);
  return { from, to, step: Math.max(SECOND, Math.ceil((to - from) / POINTS / SECOND) * SECOND) };
}

function spansOf({ state }: StoredAlert, now: Instant): readonly ChartSpan[] {
  if (state.kind === "pending") return [{ kind: "pending", from: state.activeAt, to: now }];
  const end = state.kind === "resolved" ? state.resolvedAt : now;
  return [
    { kind: "pending", from: state.activeAt, to: state.firedAt },
    { kind: "firing", from: state.firedAt, to: end },
  ];
}

function linesOf(matrix: MatrixValue, of: Labels): readonly ChartLine[] {
  return matrix.series
    .filter(({ labels }) => speaksOf(labels, of))
    .slice(0, LINES_MAX)
    .map(({ labels, timestamps, values }) => ({
      name: formatLabels(labels),
      points: Array.from(timestamps, (at, index) => ({ at, value: values[index] as number })),
    }));
}

const without = (labels: Labels, name: string): Labels =>
  Object.fromEntries(Object.entries(labels).filter(([label]) => label !== name && label !== METRIC_NAME));
