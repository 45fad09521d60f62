/** Stretches of time that recur by the clock on the wall of a place. */
import { z } from "zod";
import { civilTime, daysInMonth, daysSinceEpoch, isZone } from "./civil-time.js";
import { DAY, HOUR, type Instant, MINUTE, SECOND } from "./time.js";

/** By number of the week, 0 is Sunday. */
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;

const CLOCK = z.string().transform((text, context): number => {
  const [, hours = "", minutes = ""] = /^(\d{2}):(\d{2})$/.exec(text) ?? [];
  const total = Number(hours) * 60 + Number(minutes);
  if (hours !== "" && Number(minutes) < 60 && total <= DAY / MINUTE) return total;
  context.addIssue({ code: "custom", message: `not a time of day: "${text}", expected 00:00 to 24:00` });
  return z.NEVER;
});

export const WINDOW = z
  .strictObject({
    /** Days of the week on which it begins; every day where it is left out. */
    days: z.array(z.enum(DAYS)).min(1).optional(),
    /** Days of the month on which it begins: 1 to 31, or -31 to -1 from the month's end. */
    daysOfMonth: z
      .array(z.int().min(-31).max(31))
      .min(1)
      .refine((days) => !days.includes(0), "there is no day 0")
      .optional(),
    months: z.array(z.int().min(1).max(12)).min(1).optional(),
    from: CLOCK.default(0),
    /** The first minute that is outside. Not after `from`: on the next day. */
    until: CLOCK.default(DAY / MINUTE),
    /** An IANA name. */
    timeZone: z
      .string()
      .refine(isZone, { error: ({ input }) => `"${String(input)}" is no time zone that is known` })
      .default("UTC"),
  })
  .refine(({ from, until }) => from !== until, { message: "from and until are the same" });

/** Minutes are counted from midnight. */
export type Window = z.infer<typeof WINDOW>;

interface Day {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly weekday: number;
}

export function isWithin(window: Window, at: Instant): boolean {
  const { minuteOfDay: minute, ...today } = civilTime(at, window.timeZone);
  if (window.from < window.until)
    return beginsOn(window, today) && minute >= window.from && minute < window.until;
  return minute >= window.from
    ? beginsOn(window, today)
    : minute < window.until && beginsOn(window, dayBefore(today));
}

function beginsOn({ days, daysOfMonth, months }: Window, { year, month, day, weekday }: Day): boolean {
  const name = DAYS[weekday];
  const fromEnd = day - daysInMonth(year, month) - 1;
  return (
    (days === undefined || (name !== undefined && days.includes(name))) &&
    (daysOfMonth === undefined || daysOfMonth.includes(day) || daysOfMonth.includes(fromEnd)) &&
    (months === undefined || months.includes(month))
  );
}

function dayBefore({ year, month, day, weekday }: Day): Day {
  const before = (weekday + 6) % 7;
  if (day > 1) return { year, month, day: day - 1, weekday: before };
  const [y, m] = month === 1 ? [year - 1, 12] : [year, month - 1];
  return { year: y, month: m, day: daysInMonth(y, m), weekday: before };
}

const INSTANT_FORM = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;

/** An instant as ISO 8601 with its offset: `2026-12-20T00:00:00Z`; undefined for anything else. */
export function parseInstant(text: string): Instant | undefined {
  const match = INSTANT_FORM.exec(text);
  if (match === null) return undefined;
  const number = (index: number): number => Number(match[index] ?? 0);
  const [year, month, day, hours, minutes, seconds] = [1, 2, 3, 4, 5, 6].map(number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hours > 23 || minutes > 59 || seconds > 59) return undefined;
  return (
    daysSinceEpoch(year, month, day) * DAY +
    hours * HOUR +
    minutes * MINUTE +
    seconds * SECOND -
    offsetOf(match[7] ?? "Z")
  );
}

function offsetOf(text: string): number {
  if (text === "Z") return 0;
  const size = Number(text.slice(1, 3)) * HOUR + Number(text.slice(4, 6)) * MINUTE;
  return text.startsWith("-") ? -size : size;
}

const two = (value: number): string => `${value}`.padStart(2, "0");

/** An instant as people read it: `2026-12-20 00:00 UTC`. */
export function instantText(at: Instant): string {
  const { year, month, day, minuteOfDay } = civilTime(at, "UTC");
  return `${year}-${two(month)}-${two(day)} ${two(Math.floor(minuteOfDay / 60))}:${two(minuteOfDay % 60)} UTC`;
}
