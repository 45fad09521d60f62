/** What a clock on the wall of a place shows at an instant. `Intl` knows the zones; no clock is read. */
import { DAY, type Instant, MINUTE } from "./time.js";

export interface CivilTime {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  /** 0 to 1439. */
  readonly minuteOfDay: number;
  readonly second: number;
  /** How far the place is ahead of UTC, in minutes. */
  readonly offsetMinutes: number;
  /** `UTC`, `CET`, `GMT+3` … */
  readonly zoneName: string;
}

const formats = new Map<string, Intl.DateTimeFormat>();
/** There are some 600 zones. */
const FORMATS_MAX = 1_000;

function formatFor(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    calendar: "gregory",
    numberingSystem: "latn",
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
    timeZoneName: "short",
  });
  if (formats.size >= FORMATS_MAX) formats.clear();
  formats.set(zone, format);
  return format;
}

/** Whether `zone` is one that is known: an IANA name. */
export function isZone(zone: string): boolean {
  try {
    formatFor(zone);
    return true;
  } catch {
    return false;
  }
}

/** Throws RangeError for a zone that `isZone` refuses. */
export function civilTime(at: Instant, zone: string): CivilTime {
  const parts = new Map(
    formatFor(zone)
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  );
  const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
  const [year, month, day] = [number("year"), number("month"), number("day")];
  const minuteOfDay = number("hour") * 60 + number("minute");
  const days = daysSinceEpoch(year, month, day);
  const wholeMinute = Math.floor(at / MINUTE);
  return {
    year,
    month,
    day,
    weekday: (((days + 4) % 7) + 7) % 7,
    minuteOfDay,
    second: number("second"),
    offsetMinutes: days * (DAY / MINUTE) + minuteOfDay - wholeMinute,
    zoneName: parts.get("timeZoneName") ?? zone,
  };
}

/** Days from 1970-01-01 to a date, after Hinnant's days_from_civil. */
export function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

export function daysInMonth(year: number, month: number): number {
  const next = month === 12 ? daysSinceEpoch(year + 1, 1, 1) : daysSinceEpoch(year, month + 1, 1);
  return next - daysSinceEpoch(year, month, 1);
}
