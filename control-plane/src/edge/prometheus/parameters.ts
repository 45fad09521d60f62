/**
 * Parameters of the Prometheus HTTP API, read as Prometheus reads them and refused with its sentences.
 */
import { OpsError } from "../../kernel/errors.js";
import type { Matcher } from "../../kernel/labels.js";
import { type Duration, type Instant, parseDuration } from "../../kernel/time.js";
import { PromqlError } from "../../promql/errors.js";
import { parseSelector } from "../../promql/parse.js";
import type { Fields } from "../http-endpoint.js";

/** Times outside these mean "since ever" and "for ever". */
export const EARLIEST: Instant = -8.64e15;
export const LATEST: Instant = 8.64e15;

const TIME_FORM = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
const FLOAT_FORM = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
/** The points a series of an answer may have. */
const POINTS_MAX = 11_000;

/** The field's first value; undefined when absent or empty. */
export function text(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === "string" && first !== "" ? first : undefined;
}

/** All of the field's values. */
export function texts(fields: Fields, name: string): readonly string[] {
  const value = fields[name];
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

/** Unix seconds with a fraction, or RFC 3339; `fallback` when absent. */
export function time(fields: Fields, name: string, fallback: Instant): Instant {
  const value = text(fields, name);
  return value === undefined ? fallback : parseTime(name, value);
}

function parseTime(name: string, value: string): Instant {
  if (FLOAT_FORM.test(value)) {
    const at = Math.round(Number(value) * 1_000);
    if (Number.isFinite(at)) return Math.min(LATEST, Math.max(EARLIEST, at));
  }
  // Go's least and greatest times, which Grafana sends for "all": beyond what a Date can hold.
  if (value === "-292273086-05-16T16:47:06Z") return EARLIEST;
  if (value === "292277025-08-18T07:12:54.999999999Z") return LATEST;
  const at = TIME_FORM.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at)) throw bad(name, `cannot parse "${value.slice(0, 100)}" to a valid timestamp`);
  return at;
}

/** Seconds with a fraction, or a duration such as `5m`. */
export function duration(fields: Fields, name: string): Duration | undefined {
  const value = text(fields, name);
  if (value === undefined) return undefined;
  const length = FLOAT_FORM.test(value) ? Math.round(Number(value) * 1_000) : parseDuration(value);
  if (length === undefined || !Number.isFinite(length)) {
    throw bad(name, `cannot parse "${value.slice(0, 100)}" to a valid duration`);
  }
  return length;
}

/** A whole number of at least 0; 0 and absent mean no limit. */
export function limit(fields: Fields, name = "limit"): number | undefined {
  const value = text(fields, name);
  if (value === undefined) return undefined;
  if (!/^\d{1,9}$/.test(value)) throw bad(name, "limit must be a non-negative number");
  return Number(value) === 0 ? undefined : Number(value);
}

export interface Range {
  readonly from: Instant;
  readonly to: Instant;
  readonly step: Duration;
}

/** `start`, `end` and `step` of a range query, with Prometheus' bounds. */
export function range(fields: Fields): Range {
  const required = (name: string): string => {
    const value = text(fields, name);
    if (value === undefined)
      throw bad(name, `cannot parse "" to a valid ${name === "step" ? "duration" : "timestamp"}`);
    return value;
  };
  const from = parseTime("start", required("start"));
  const to = parseTime("end", required("end"));
  if (to < from) throw bad("end", "end timestamp must not be before start time");
  required("step");
  const step = duration(fields, "step") ?? 0;
  if (step <= 0) {
    throw bad(
      "step",
      "zero or negative query resolution step widths are not accepted. Try a positive integer",
    );
  }
  if ((to - from) / step > POINTS_MAX) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
    );
  }
  return { from, to, step };
}

/** Whether a switch is on: `true` and `1`, in Go's spellings; absent is off. */
export function flag(fields: Fields, name: string): boolean {
  const value = text(fields, name);
  if (value === undefined || /^(?:0|f|false)$/i.test(value)) return false;
  if (/^(?:1|t|true)$/i.test(value)) return true;
  throw bad(name, `cannot parse "${value.slice(0, 100)}" to a boolean`);
}

/** The selectors of a repeated parameter, parsed. */
export function selectors(fields: Fields, name = "match[]"): readonly (readonly Matcher[])[] {
  return texts(fields, name).map((selector) => {
    try {
      return parseSelector(selector);
    } catch (error) {
      if (error instanceof PromqlError) throw bad(name, error.message);
      throw error;
    }
  });
}

export function bad(name: string, what: string): OpsError {
  return new OpsError("INVALID_ARGUMENT", `invalid parameter "${name}": ${what}`);
}
