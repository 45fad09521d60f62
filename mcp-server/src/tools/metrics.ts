import { z } from "zod";
import { type SeriesView, sampleText } from "../control-plane/metrics.js";
import { OpsError } from "../errors.js";
import { count, more, seriesName, table } from "./answer.js";
import { ROWS_SHARE } from "./budget.js";
import { pageInput, readCursor, takeRows } from "./page.js";
import { parseTime, readableStep, TIME_WORDS } from "./time-input.js";
import { defineTool } from "./tool.js";

const exprInput = z.string().min(1).max(4_000).describe("PromQL");
const timeInput = z.string().min(1).max(40);
const labelsSchema = z.record(z.string(), z.string());

const POINTS_DEFAULT = 60;
const POINTS_MAX = 500;
const HOUR_MS = 3_600_000;

export const metricsTools = [
  defineTool({
    name: "metrics_query",
    toolset: "metrics",
    title: "Query metrics at one time",
    description:
      "Evaluates PromQL at one time. Metrics have node_exporter's and blackbox_exporter's names. Aggregate (topk, sum by) rather than fetch every series.",
    input: z.strictObject({
      expr: exprInput,
      at: timeInput.optional().describe(`${TIME_WORDS}; default: now`),
      ...pageInput(50),
    }),
    output: z.object({
      kind: z.string(),
      series: z.array(z.object({ labels: labelsSchema, at: z.string().optional(), value: z.string() })),
      text: z.string().optional(),
      series_total: z.number(),
      warnings: z.array(z.string()),
      next_cursor: z.string().optional(),
    }),
    effect: "read",
    idempotent: true,
    hostMade: ["series[].labels", "text"],
    async run({ expr, at, limit, cursor: given, max_tokens: tokens }, { rooms, now }) {
      const cursor = readCursor(given, limit);
      const answer = await rooms.metrics.query(expr, at === undefined ? undefined : parseTime("at", at, now));
      // A range selector gives a matrix: of each series its newest point, for more is what metrics_query_range is for.
      const newest = answer.series.map((series) => newestPoint(series));
      const { rows, nextCursor } = takeRows(newest, cursor, "", tokens * ROWS_SHARE);
      return {
        structured: {
          kind: answer.kind,
          series: rows,
          ...(answer.text === "" ? {} : { text: answer.text }),
          series_total: newest.length,
          warnings: [...answer.warnings],
          ...(nextCursor === undefined ? {} : { next_cursor: nextCursor }),
        },
        summary: `${answer.kind}, ${count(newest.length, "series", "series")}${rows.length < newest.length ? `, ${rows.length} of them here` : ""}.${more(nextCursor)}`,
        data: [
          ...answer.warnings.map((warning) => `warning: ${warning}`),
          ...(answer.text === "" ? [] : [answer.text]),
          ...rows.map((row) => `${seriesName(row.labels)} ${row.value}`),
        ].join("\n"),
      };
    },
  }),
  defineTool({
    name: "metrics_query_range",
    toolset: "metrics",
    title: "Query metrics over a range",
    description:
      "Evaluates PromQL over a range: values[i] is at from + i * step_seconds. The text gives the first, least, greatest and last value of each series.",
    input: z.strictObject({
      expr: exprInput,
      from: timeInput.default("-1h"),
      to: timeInput.optional().describe("default: now"),
      step_seconds: z.int().min(1).max(604_800).optional(),
      ...pageInput(10),
    }),
    output: z.object({
      from: z.string(),
      step_seconds: z.number(),
      series: z.array(z.object({ labels: labelsSchema, values: z.array(z.string().nullable()) })),
      series_total: z.number(),
      warnings: z.array(z.string()),
      next_cursor: z.string().optional(),
    }),
    effect: "read",
    idempotent: true,
    hostMade: ["series[].labels"],
    async run(
      { expr, from, to, step_seconds: step, limit, cursor: given, max_tokens: tokens },
      { rooms, now },
    ) {
      const cursor = readCursor(given, limit);
      const end = to === undefined ? now : parseTime("to", to, now);
      const start = parseTime("from", from, now);
      const range = judgeRange(start, end, step);
      const answer = await rooms.metrics.queryRange(expr, start, end, range.stepS * 1_000);
      const all = answer.series.map((series) => ({
        labels: { ...series.labels },
        values: onGrid(series, start, range.stepS * 1_000, range.points),
      }));
      const { rows, nextCursor } = takeRows(all, cursor, "", tokens * ROWS_SHARE);
      return {
        structured: {
          from: new Date(start).toISOString(),
          step_seconds: range.stepS,
          series: rows,
          series_total: all.length,
          warnings: [...answer.warnings],
          ...(nextCursor === undefined ? {} : { next_cursor: nextCursor }),
        },
        summary: `${count(all.length, "series", "series")}${rows.length < all.length ? `, ${rows.length} of them here` : ""}, ${range.points} points at steps of ${range.stepS} s.${more(nextCursor)}`,
        data: [
          ...answer.warnings.map((warning) => `warning: ${warning}`),
          table(rows, {
            series: (row) => seriesName(row.labels),
            first: (row) => present(row.values)[0],
            min: (row) => extreme(row.values, Math.min),
            max: (row) => extreme(row.values, Math.max),
            last: (row) => present(row.values).at(-1),
          }),
        ].join("\n"),
      };
    },
  }),
];

function newestPoint({ labels, points }: SeriesView): {
  labels: Record<string, string>;
  at?: string;
  value: string;
} {
  const point = points.at(-1);
  if (point === undefined) return { labels: { ...labels }, value: "NaN" };
  return { labels: { ...labels }, at: new Date(point.at).toISOString(), value: sampleText(point.value) };
}

function judgeRange(start: number, end: number, step: number | undefined): { stepS: number; points: number } {
  if (end < start) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      `from (${new Date(start).toISOString()}) is after to (${new Date(end).toISOString()})`,
    );
  }
  const stepS = step ?? readableStep(Math.min(end - start, 10_000 * 24 * HOUR_MS), POINTS_DEFAULT);
  const points = Math.floor((end - start) / (stepS * 1_000)) + 1;
  if (points > POINTS_MAX) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      `step_seconds is ${stepS}: that gives ${points} points, expected at most ${POINTS_MAX}; try ${readableStep(end - start, POINTS_MAX)}`,
    );
  }
  return { stepS, points };
}

/** The points of a series at their places on the grid. */
function onGrid(series: SeriesView, start: number, stepMs: number, points: number): (string | null)[] {
  const values = new Array<string | null>(points).fill(null);
  for (const point of series.points) {
    const place = Math.round((point.at - start) / stepMs);
    if (place >= 0 && place < points) values[place] = sampleText(point.value);
  }
  return values;
}

function present(values: readonly (string | null)[]): string[] {
  return values.filter((value) => value !== null);
}

function extreme(
  values: readonly (string | null)[],
  pick: (a: number, b: number) => number,
): string | undefined {
  const numbers = present(values)
    .map((value) => Number(value.replace("Inf", "Infinity")))
    .filter((value) => !Number.isNaN(value));
  return numbers.length === 0 ? undefined : sampleText(numbers.reduce(pick));
}
