import type { Labels } from "../kernel/labels.js";
import { parseDuration } from "./duration.js";
import { parseNumberLiteral } from "./number.js";
import { parseExpr } from "./parse.js";

/**
 * One point of a series in Prometheus' test notation: a number, nothing (`_`), the staleness marker (`stale`), or a native
 * histogram (`{{...}}`), of which only is known that it stood there.
 */
export type NotedPoint = number | "omitted" | "stale" | "histogram";

/** Most points that one item may stand for. */
const REPEAT_MAX = 1_000_000;

/** A series in that notation: labels, and the points at equal distances. */
export interface NotedSeries {
  readonly labels: Labels;
  readonly points: readonly NotedPoint[];
}

/** Why a text is not in the notation. */
export class SeriesNotationError extends Error {
  override readonly name = "SeriesNotationError";
}

/**
 * The points of `values`, in the notation of promtool's unit tests and Prometheus' query scripts: `1 2+3x4 5-1x3 _x2 stale`. `a+bxn` is a,
 * a+b, ... n+1 points; `axn` is n+1 times a; `_xn` n times nothing. Throws {@link SeriesNotationError}.
 */
export function parseSeriesValues(values: string): readonly NotedPoint[] {
  const points: NotedPoint[] = [];
  // A histogram holds spaces; it counts as one word, and what it is repeated by as part of it.
  for (const item of values.match(/\{\{.*?\}\}(?:[+-]\{\{.*?\}\})?(?:x\d+)?|\S+/g) ?? []) {
    for (const point of expandItem(item)) points.push(point);
  }
  return points;
}

function expandItem(item: string): NotedPoint[] {
  if (item.startsWith("{{")) {
    const times = /x(\d+)$/.exec(item);
    return repeat("histogram", times === null ? 1 : count(times[1], item) + 1);
  }
  const stale = /^stale(?:x(\d+))?$/.exec(item);
  if (stale !== null) return repeat("stale", stale[1] === undefined ? 1 : count(stale[1], item) + 1);
  const blank = /^_(?:x(\d+))?$/.exec(item);
  if (blank !== null) return repeat("omitted", blank[1] === undefined ? 1 : count(blank[1], item));
  const match =
    /^([+-]?(?:[\d.]+(?:[eE][+-]?\d+)?|[iI]nf|[nN]a[nN]))([+-][\d.]+(?:[eE][+-]?\d+)?)?(?:x(\d+))?$/.exec(
      item,
    );
  if (match === null)
    throw new SeriesNotationError(
      `"${item}" is no value, expected a number, "_", "stale" or a repetition such as 1+2x3`,
    );
  let value = number(match[1] as string, item);
  if (match[3] === undefined) {
    if (match[2] !== undefined)
      throw new SeriesNotationError(`"${item}" grows but says not how often: add x and a number`);
    return [value];
  }
  const times = count(match[3], item);
  const growth = match[2] === undefined ? 0 : number(match[2], item);
  const points: NotedPoint[] = [];
  for (let i = 0; i <= times; i++) {
    points.push(value);
    if (match[2] !== undefined) value += growth;
  }
  return points;
}

function repeat(point: NotedPoint, times: number): NotedPoint[] {
  return new Array<NotedPoint>(times).fill(point);
}

function count(text: string | undefined, item: string): number {
  const times = Number(text);
  if (!(times <= REPEAT_MAX))
    throw new SeriesNotationError(`"${item}" repeats more than ${REPEAT_MAX} times`);
  return times;
}

function number(text: string, item: string): number {
  const sign = text.startsWith("-") ? -1 : 1;
  const body = text.replace(/^[+-]/, "");
  const value = /^0\d/.test(body) ? Number(body) : parseNumberLiteral(body);
  if (value === undefined || (Number.isNaN(value) && !/nan/i.test(body))) {
    throw new SeriesNotationError(`"${item}" is no number`);
  }
  return sign * value;
}

/** A whole series: `up{job="a"} 1 1 0`. The name and the braces may each be left out. Throws {@link SeriesNotationError}, or as `parseExpr` does. */
export function parseSeries(line: string): NotedSeries {
  const end = endOfLabels(line);
  return { labels: parseLabels(line.slice(0, end)), points: parseSeriesValues(line.slice(end)) };
}

/** The labels written as a selector: `up{job="a"}`, `{}`. */
export function parseLabels(text: string): Labels {
  if (/^\s*\{\s*\}\s*$/.test(text)) return {};
  const expr = parseExpr(text);
  if (expr.kind !== "vector-selector") throw new SeriesNotationError(`"${text}" is no series`);
  const labels: Record<string, string> = {};
  for (const { name, op, value } of expr.matchers) {
    if (op !== "=")
      throw new SeriesNotationError(`"${text}" is no series: ${name}${op} leaves open what the label is`);
    if (value !== "") labels[name] = value;
  }
  return labels;
}

/** Index after the name and the braces, which may hold quoted braces. */
function endOfLabels(line: string): number {
  const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(line)?.[0].length ?? 0;
  if (line[name] !== "{") return name;
  let mark = "";
  for (let at = name; at < line.length; at++) {
    const char = line[at] as string;
    if (mark !== "") {
      if (char === "\\") at++;
      else if (char === mark) mark = "";
    } else if (char === '"' || char === "'" || char === "`") {
      mark = char;
    } else if (char === "}") {
      return at + 1;
    }
  }
  throw new SeriesNotationError(`"${line}" does not close its braces`);
}

/** A duration or a plain number of seconds, in ms; `undefined` if it is neither. */
export function parseSpanMs(text: string): number | undefined {
  if (/^-?\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  const ms = parseDuration(text.replace(/^-/, ""));
  if (typeof ms !== "number") return undefined;
  return text.startsWith("-") ? -ms : ms;
}
