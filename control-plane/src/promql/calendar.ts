const SECONDS_PER_DAY = 86_400;

/** A day of the Gregorian calendar in UTC. */
interface CivilDay {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  /** From 1. */
  readonly day: number;
}

/** Days since 1970-01-01 of the first day of a year. */
function firstDayOfYear(year: number): number {
  const y = year - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) - 719_162;
}

function isLeapYear(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

function monthLength(year: number, month: number): number {
  if (month === 2) return isLeapYear(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function civilDay(seconds: number): CivilDay {
  const days = Math.floor(seconds / SECONDS_PER_DAY);
  let year = 1970 + Math.floor(days / 365.2425);
  while (firstDayOfYear(year) > days) year--;
  while (firstDayOfYear(year + 1) <= days) year++;
  let day = days - firstDayOfYear(year);
  let month = 1;
  while (day >= monthLength(year, month)) {
    day -= monthLength(year, month);
    month++;
  }
  return { year, month, day: day + 1 };
}

function secondOfDay(seconds: number): number {
  return seconds - Math.floor(seconds / SECONDS_PER_DAY) * SECONDS_PER_DAY;
}

/** What each function of PromQL says of a time in whole seconds since the epoch, in UTC. */
const PARTS: ReadonlyMap<string, (seconds: number) => number> = new Map([
  ["year", (seconds: number) => civilDay(seconds).year],
  ["month", (seconds: number) => civilDay(seconds).month],
  ["day_of_month", (seconds: number) => civilDay(seconds).day],
  [
    "day_of_year",
    (seconds: number) => Math.floor(seconds / SECONDS_PER_DAY) - firstDayOfYear(civilDay(seconds).year) + 1,
  ],
  // 1970-01-01 was a Thursday.
  ["day_of_week", (seconds: number) => (((Math.floor(seconds / SECONDS_PER_DAY) + 4) % 7) + 7) % 7],
  [
    "days_in_month",
    (seconds: number) => {
      const { year, month } = civilDay(seconds);
      return monthLength(year, month);
    },
  ],
  ["hour", (seconds: number) => Math.floor(secondOfDay(seconds) / 3600)],
  ["minute", (seconds: number) => Math.floor((secondOfDay(seconds) % 3600) / 60)],
]);

/** The calendar can say nothing of times further than this from the epoch: some hundred million years. */
const SECONDS_MAX = 1e16;

/**
 * The function of the calendar of that name (`hour`, `day_of_week`, ...), from seconds since the epoch; fractions are cut off. NaN
 * for a time that is no number or out of all reach. `undefined` if there is no such function.
 */
export function calendarPart(name: string): ((seconds: number) => number) | undefined {
  const part = PARTS.get(name);
  if (part === undefined) return undefined;
  return (seconds) => (Math.abs(seconds) < SECONDS_MAX ? part(Math.trunc(seconds)) : Number.NaN);
}
