/**
 * Moments by a wall clock: the five fields of cron in an IANA time zone.
 *
 * Where clocks are put forward, a moment of a fixed hour that does not exist comes at the first minute after the gap;
 * where they are put back, one that exists twice comes once. A schedule whose hour is `*` counts elapsed minutes: it
 * neither catches up nor leaves out. When both day fields are restricted, either one suffices, as in Vixie's cron.
 */
import { type CivilTime, civilTime, daysInMonth, isZone } from "../../kernel/civil-time.js";
import { DAY, type Duration, type Instant, MINUTE } from "../../kernel/time.js";

export interface Cron {
  readonly text: string;
  readonly zone: string;
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly daysOfMonth: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  /** 0 is Sunday. */
  readonly weekdays: ReadonlySet<number>;
  readonly anyHour: boolean;
  readonly anyDayOfMonth: boolean;
  readonly anyWeekday: boolean;
}

const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

interface Field {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  /** Words, the first of which stands for `least`. */
  readonly words: readonly string[];
}

const FIELDS = [
  { name: "minute", least: 0, most: 59, words: [] },
  { name: "hour", least: 0, most: 23, words: [] },
  { name: "day of the month", least: 1, most: 31, words: [] },
  { name: "month", least: 1, most: 12, words: MONTHS },
  // 7 is Sunday too.
  { name: "day of the week", least: 0, most: 7, words: WEEKDAYS },
] as const satisfies readonly Field[];

/** Reads `0 9 * * 1-5` in `zone`; or what is wrong with it, in a sentence. */
export function parseCron(text: string, zone: string): Cron | string {
  if (!isZone(zone)) return `"${zone}" is no time zone that is known, expected a name such as Europe/Berlin`;
  const parts = text.trim().split(/\s+/);
  if (parts.length !== FIELDS.length)
    return `"${text}" has ${parts.length} fields, expected 5: minute, hour, day of the month, month, day of the week`;
  const sets: Set<number>[] = [];
  for (const [index, field] of FIELDS.entries()) {
    const read = readField(parts[index] ?? "", field);
    if (typeof read === "string") return read;
    sets.push(read);
  }
  const [minutes, hours, daysOfMonth, months, weekdays] = sets as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ];
  if (weekdays.delete(7)) weekdays.add(0);
  const cron: Cron = {
    text,
    zone,
    minutes,
    hours,
    daysOfMonth,
    months,
    weekdays,
    anyHour: hours.size === 24,
    anyDayOfMonth: daysOfMonth.size === 31,
    anyWeekday: weekdays.size === 7,
  };
  return isEver(cron) ? cron : `"${text}" never comes: none of these months has such a day`;
}

function isEver({ daysOfMonth, months, anyWeekday }: Cron): boolean {
  if (!anyWeekday) return true;
  // 2024 has every day that there is.
  return [...months].some((month) => [...daysOfMonth].some((day) => day <= daysInMonth(2024, month)));
}

function readField(text: string, field: Field): Set<number> | string {
  const found = new Set<number>();
  for (const part of text.split(",")) {
    const match = /^(\*|[a-z]+|\d+)(?:-([a-z]+|\d+))?(?:\/(\d+))?$/i.exec(part);
    const wrong = `"${part}" is no ${field.name}, expected ${field.least} to ${field.most}, a range, * or */n`;
    if (match === null) return wrong;
    const [, first = "", last, step] = match;
    const every = step === undefined ? 1 : Number(step);
    if (every < 1) return wrong;
    const from = first === "*" ? field.least : readOne(first, field);
    const to =
      first === "*" || (last === undefined && step !== undefined)
        ? field.most
        : last === undefined
          ? from
          : readOne(last, field);
    if (from === undefined || to === undefined || from > to || (first === "*" && last !== undefined))
      return wrong;
    for (let value = from; value <= to; value += every) found.add(value);
  }
  return found;
}

function readOne(text: string, { least, most, words }: Field): number | undefined {
  const word = words.indexOf(text.toLowerCase());
  const value = word >= 0 ? word + least : /^\d+$/.test(text) ? Number(text) : -1;
  return value >= least && value <= most ? value : undefined;
}

/** No schedule that ever comes stays away longer: the 29th of February does for eight years around 2100. */
const HORIZON: Duration = 9 * 366 * DAY;

/** The first moment after `after`; undefined when none comes within nine years. */
export function nextMoment(cron: Cron, after: Instant): Instant | undefined {
  let at = (Math.floor(after / MINUTE) + 1) * MINUTE;
  const end = after + HORIZON;
  while (at <= end) {
    const civil = civilTime(at, cron.zone);
    if (isMoment(cron, at, civil)) return at;
    at += strideFrom(cron, civil) * MINUTE;
  }
  return undefined;
}

/** Minutes that can be left out: to the next hour, or to two hours before midnight, which no change of clocks skips. */
function strideFrom(cron: Cron, civil: CivilTime): number {
  const beforeMidnight = 1_440 - 120 - civil.minuteOfDay;
  if (!dayMatches(cron, civil) && beforeMidnight > 0) return beforeMidnight;
  const minute = civil.minuteOfDay % 60;
  return cron.hours.has(Math.floor(civil.minuteOfDay / 60)) ? 1 : 60 - minute;
}

function dayMatches(cron: Cron, { month, day, weekday }: CivilTime): boolean {
  if (!cron.months.has(month)) return false;
  const [byDate, byWeekday] = [cron.daysOfMonth.has(day), cron.weekdays.has(weekday)];
  return cron.anyDayOfMonth || cron.anyWeekday ? byDate && byWeekday : byDate || byWeekday;
}

const timeMatches = (cron: Cron, minuteOfDay: number): boolean =>
  cron.hours.has(Math.floor(minuteOfDay / 60)) && cron.minutes.has(minuteOfDay % 60);

function isMoment(cron: Cron, at: Instant, civil: CivilTime): boolean {
  if (!dayMatches(cron, civil)) return false;
  if (cron.anyHour) return timeMatches(cron, civil.minuteOfDay);
  const before = civilTime(at - MINUTE, cron.zone);
  const gap = civil.offsetMinutes - before.offsetMinutes;
  if (gap > 0) {
    const first = (before.minuteOfDay + 1) % 1_440;
    for (let skipped = first; skipped < first + gap; skipped++) {
      if (timeMatches(cron, skipped % 1_440)) return true;
    }
  }
  return timeMatches(cron, civil.minuteOfDay) && !isSecondTime(cron, at, civil);
}

/** Whether the wall showed the same minute within the two hours before: clocks were put back in between. */
function isSecondTime(cron: Cron, at: Instant, civil: CivilTime): boolean {
  for (const minutes of [30, 60, 120]) {
    const earlier = civilTime(at - minutes * MINUTE, cron.zone);
    if (earlier.minuteOfDay === civil.minuteOfDay && earlier.day === civil.day) return true;
  }
  return false;
}
