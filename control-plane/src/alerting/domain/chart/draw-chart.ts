/** An alert's expression over time: its lines, its threshold, and when it was pending and firing. */
import type { Duration, Instant } from "../../../kernel/time.js";
import { shortNumber, timeTicks, valueTicks } from "./scale.js";
import { type Color, type Drawing, LETTER, type Point, type Shape } from "./shape.js";

export interface ChartLine {
  /** What is written beside it. */
  readonly name: string;
  /** Oldest first. */
  readonly points: readonly { readonly at: Instant; readonly value: number }[];
}

export interface ChartSpan {
  readonly kind: "pending" | "firing";
  readonly from: Instant;
  readonly to: Instant;
}

export interface Chart {
  /** The rule and the alert's labels. */
  readonly title: string;
  /** The expression. */
  readonly subtitle: string;
  readonly from: Instant;
  readonly to: Instant;
  /** Points further apart than this belong to two lines: nothing was there between them. */
  readonly step: Duration;
  readonly lines: readonly ChartLine[];
  readonly threshold?: { readonly op: string; readonly value: number };
  /** What is compared with, when it is no number. */
  readonly limits: readonly ChartLine[];
  readonly spans: readonly ChartSpan[];
}

/** Lines that are told apart by colour; more are not drawn. */
export const LINES_MAX = 8;
const LEGEND_MAX = 4;

const WIDTH = 640;
const HEIGHT = 280;
const LEFT = 56;
const RIGHT = 16;
const TOP = 40;
const BOTTOM = 24;
const ROW = 12;
const SIGNS: Readonly<Record<string, string>> = { ">=": "≥", "<=": "≤", "!=": "≠", "==": "=" };

export function drawChart(chart: Chart): Drawing {
  const lines = chart.lines.slice(0, LINES_MAX);
  const legend = lines.length > 1 ? lines.slice(0, LEGEND_MAX) : [];
  const height = HEIGHT + legend.length * ROW;
  const bottom = HEIGHT - BOTTOM;
  const { low, high } = bounds(chart, lines);
  const length = Math.max(1, chart.to - chart.from);
  const x = (at: Instant): number => LEFT + ((at - chart.from) / length) * (WIDTH - LEFT - RIGHT);
  const y = (value: number): number => bottom - ((value - low) / (high - low)) * (bottom - TOP);
  const shapes: Shape[] = [];
  const text = (left: number, base: number, said: string, color: Color, anchor: Anchor = "start"): void => {
    shapes.push({ kind: "text", x: left, y: base, text: said, color, anchor });
  };
  for (const { kind, from, to } of chart.spans) {
    const [left, right] = [x(Math.max(from, chart.from)), x(Math.min(to, chart.to))];
    if (right > left)
      shapes.push({ kind: "box", x: left, y: TOP, width: right - left, height: bottom - TOP, color: kind });
  }
  for (const tick of valueTicks(low, high, 4)) {
    shapes.push(straight(LEFT, y(tick), WIDTH - RIGHT, y(tick), "grid"));
    text(LEFT - 6, y(tick) + 3, shortNumber(tick), "faint", "end");
  }
  for (const tick of timeTicks(chart.from, chart.to, 8)) {
    shapes.push(straight(x(tick.at), bottom, x(tick.at), bottom + 4, "faint"));
    text(x(tick.at), bottom + 14, tick.text, "faint", "middle");
  }
  const place = (at: Instant, value: number): Point => ({ x: x(at), y: y(value) });
  lines.forEach((line, index) => {
    for (const piece of pieces(line, chart.step))
      shapes.push(polyline(piece, place, `series${index}` as Color, false));
  });
  for (const line of chart.limits.slice(0, LINES_MAX))
    for (const piece of pieces(line, chart.step)) shapes.push(polyline(piece, place, "threshold", true));
  const { threshold } = chart;
  if (threshold !== undefined && isDrawn(threshold.value)) {
    const at = y(threshold.value);
    shapes.push({ ...straight(LEFT, at, WIDTH - RIGHT, at, "threshold"), dashed: true });
    const said = `${SIGNS[threshold.op] ?? threshold.op} ${shortNumber(threshold.value)}`;
    text(WIDTH - RIGHT - 2, at - 3, said, "threshold", "end");
  }
  shapes.push(straight(LEFT, bottom, WIDTH - RIGHT, bottom, "faint"));
  text(LEFT, 16, cut(chart.title, LEFT), "ink");
  text(LEFT, 30, cut(chart.subtitle, LEFT), "faint");
  if (lines.every(({ points }) => points.length === 0))
    text(WIDTH / 2, (TOP + bottom) / 2, "no samples", "faint", "middle");
  legend.forEach(({ name }, index) => {
    const base = HEIGHT + (index + 1) * ROW - 4;
    shapes.push(straight(LEFT, base - 3, LEFT + 16, base - 3, `series${index}` as Color));
    text(LEFT + 22, base, cut(name, LEFT + 22), "ink");
  });
  return { width: WIDTH, height, title: `${chart.title}: ${chart.subtitle}`, shapes };
}

type Anchor = Extract<Shape, { kind: "text" }>["anchor"];

/** A text that ends within the drawing. */
function cut(text: string, left: number): string {
  const most = Math.floor((WIDTH - RIGHT - left) / LETTER);
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, most - 3).join("")}...`;
}

function straight(x1: number, y1: number, x2: number, y2: number, color: Color): Shape & { kind: "line" } {
  const points = [
    { x: x1, y: y1 },
    { x: x2, y: y2 },
  ];
  return { kind: "line", points, color, dashed: false, width: 1 };
}

function polyline(
  piece: ChartLine["points"],
  place: (at: Instant, value: number) => Point,
  color: Color,
  dashed: boolean,
): Shape {
  const points = piece.map(({ at, value }) => place(at, value));
  const [only] = points;
  // A single point would be no line at all.
  if (points.length === 1 && only !== undefined) points.push({ x: only.x + 2, y: only.y });
  return { kind: "line", points, color, dashed, width: 1.5 };
}

/** Neither endless nor so large that the room between two of them is no number. */
const isDrawn = (value: number): boolean => Math.abs(value) < 1e300;

/** Less would vanish beside the smallest numbers there are. */
const LEAST_AIR = 1e-290;

/** What can be drawn of a line, cut where samples are missing. */
function pieces(line: ChartLine, step: Duration): readonly ChartLine["points"][] {
  const found: ChartLine["points"][] = [];
  let piece: ChartLine["points"][number][] = [];
  for (const point of line.points) {
    const last = piece.at(-1);
    if (!isDrawn(point.value) || (last !== undefined && point.at - last.at > 1.5 * step)) {
      if (piece.length > 0) found.push(piece);
      piece = [];
    }
    if (isDrawn(point.value)) piece.push(point);
  }
  if (piece.length > 0) found.push(piece);
  return found;
}

/** The values to be seen, with some air above and below. */
function bounds(
  { threshold, limits }: Chart,
  lines: readonly ChartLine[],
): { readonly low: number; readonly high: number } {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  const see = (value: number): void => {
    if (!isDrawn(value)) return;
    low = Math.min(low, value);
    high = Math.max(high, value);
  };
  for (const { points } of [...lines, ...limits]) for (const { value } of points) see(value);
  if (threshold !== undefined) see(threshold.value);
  if (!(low <= high)) return { low: 0, high: 1 };
  const air = Math.max((high - low || Math.abs(high) || 1) * 0.1, Math.abs(high) * 1e-9, LEAST_AIR);
  return { low: low >= 0 && low - air < 0 ? 0 : low - air, high: high + air };
}
