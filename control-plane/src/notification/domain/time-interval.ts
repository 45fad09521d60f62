/** Named stretches of time in which routes speak or keep quiet: `time_intervals` of alertmanager.yml. */

import { civilTime, daysInMonth, isZone } from "../../kernel/civil-time.js";
import type { Instant } from "../../kernel/time.js";

/** Both ends belong to it, but for minutes, whose end does not. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** All that is given must hold; of each list one range. An empty list holds always. */
export interface TimeSpan {
  readonly minutes: readonly Range[];
  /** 0 is Sunday. */
  readonly weekdays: readonly Range[];
  /** 1 to 31, or -31 to -1 from the end of the month. */
  readonly daysOfMonth: readonly Range[];
  readonly months: readonly Range[];
  readonly years: readonly Range[];
  readonly zone: string;
}

/** It holds when one of its spans does. */
export interface TimeInterval {
  readonly name: string;
  readonly spans: readonly TimeSpan[];
}

export function holdsAt(interval: TimeInterval, now: Instant): boolean {
  return interval.spans.some((span) => spanHoldsAt(span, now));
}

function spanHoldsAt(span: TimeSpan, now: Instant): boolean {
  const civil = civilTime(now, span.zone);
  const within = (ranges: readonly Range[], value: number): boolean =>
    ranges.length === 0 || ranges.some(({ from, to }) => value >= from && value <= to);
  const length = daysInMonth(civil.year, civil.month);
  // A day beyond the month's end is none; it does not become the next month's first.
  const days = span.daysOfMonth
    .map(({ from, to }) => ({ from: fromStart(from, length), to: fromStart(to, length) }))
    .filter(({ from }) => from <= length);
  if (span.daysOfMonth.length > 0 && days.length === 0) return false;
  return (
    (span.minutes.length === 0 ||
      span.minutes.some(({ from, to }) => civil.minuteOfDay >= from && civil.minuteOfDay < to)) &&
    within(days, civil.day) &&
    within(span.months, civil.month) &&
    within(span.weekdays, civil.weekday) &&
    within(span.years, civil.year)
  );
}

const fromStart = (day: number, length: number): number => (day < 0 ? length + day + 1 : day);

const WEEKDAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS = [
  ...["january", "february", "march", "april", "may", "june"],
  ...["july", "august", "september", "october", "november", "december"],
];

/** The range, or what is wrong with the text. */
export type ReadRange = Range | string;

function readEnds(text: string, one: (text: string) => number | undefined, what: string): ReadRange {
  const parts = text.toLowerCase().split(":");
  if (parts.length > 2) return `${JSON.stringify(text)}: expected one ${what}, or two with a colon between`;
  const [first = "", last = first] = parts;
  const [from, to] = [one(first.trim()), one(last.trim())];
  if (from === undefined) return `${JSON.stringify(first)} is not a valid ${what}`;
  if (to === undefined) return `${JSON.stringify(last)} is not a valid ${what}`;
  return { from, to };
}

const ordered = (range: ReadRange, text: string): ReadRange =>
  typeof range === "object" && range.from > range.to
    ? `${JSON.stringify(text)}: the start is after the end`
    : range;

export function readWeekdays(text: string): ReadRange {
  const one = (name: string): number | undefined => {
    const index = WEEKDAYS.indexOf(name);
    return index < 0 ? undefined : index;
  };
  return ordered(readEnds(text, one, "weekday"), text);
}

export function readMonths(text: string): ReadRange {
  const one = (name: string): number | undefined => {
    const number = /^\d+$/.test(name) ? Number(name) : MONTHS.indexOf(name) + 1;
    return number >= 1 && number <= 12 ? number : undefined;
  };
  return ordered(readEnds(text, one, "month"), text);
}

export function readYears(text: string): ReadRange {
  const one = (name: string): number | undefined => (/^\d{1,4}$/.test(name) ? Number(name) : undefined);
  return ordered(readEnds(text, one, "year"), text);
}

export function readDaysOfMonth(text: string): ReadRange {
  const one = (name: string): number | undefined => {
    const number = /^-?\d{1,2}$/.test(name) ? Number(name) : 0;
    return number !== 0 && Math.abs(number) <= 31 ? number : undefined;
  };
  const range = readEnds(text, one, "day of the month");
  if (typeof range === "string") return range;
  if (range.from < 0 && range.to > 0)
    return `${JSON.stringify(text)}: the end must be negative when the start is`;
  // Against the longest month: what is out of order there is out of order in all.
  if (fromStart(range.from, 31) > fromStart(range.to, 31))
    return `${JSON.stringify(text)}: the start is after the end`;
  return range;
}

/** `HH:MM`, up to 24:00, as minutes; undefined for anything else. */
export function readMinute(text: string): number | undefined {
  const match = /^([01]?\d|2[0-4]):([0-5]\d)$/.exec(text);
  if (match === null) return undefined;
  const minute = Number(match[1]) * 60 + Number(match[2]);
  return minute <= 1_440 ? minute : undefined;
}

export function zoneFault(zone: string): string | undefined {
  return isZone(zone) ? undefined : `unknown time zone ${JSON.stringify(zone)}`;
}
