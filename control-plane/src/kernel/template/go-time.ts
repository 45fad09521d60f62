/** Times as Go's templates know them: with a zone, methods, and layouts made of an example date. */

import { type CivilTime, civilTime, isZone } from "../civil-time.js";
import { type Instant, SECOND } from "../time.js";
import { type TemplateMethod, TemplateObject, type TemplateValue } from "./value.js";

/** Go's zero time as JSON and templates show it: an alert that fires has no end. */
export const ZERO_TIME = "0001-01-01T00:00:00Z";

const MONTHS = [
  ...["January", "February", "March", "April", "May", "June"],
  ...["July", "August", "September", "October", "November", "December"],
];
const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** The parts of Go's example date, longest first where one begins with another. */
const LAYOUT =
  /January|Jan|Monday|Mon|MST|2006|06|01|02|03|04|05|15|_2|-07:00|-0700|-07|Z07:00|Z0700|PM|pm|[.,](?:0+|9+)(?!\d)|1|2|3|4|5/g;

const two = (number: number): string => String(number).padStart(2, "0");

function offsetText(minutes: number, colon: boolean): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}${colon ? ":" : ""}${two(size % 60)}`;
}

/** `at` in the zone, as `layout` shows Mon Jan 2 15:04:05 MST 2006. */
export function formatTime(at: Instant, zone: string, layout: string): string {
  const civil = civilTime(at, zone);
  const millis = ((Math.floor(at) % SECOND) + SECOND) % SECOND;
  return layout.replace(LAYOUT, (part) => partText(part, civil, millis));
}

function partText(part: string, civil: CivilTime, millis: number): string {
  const hour = Math.floor(civil.minuteOfDay / 60);
  const minute = civil.minuteOfDay % 60;
  const [month, weekday] = [MONTHS[civil.month - 1] ?? "", WEEKDAYS[civil.weekday] ?? ""];
  const texts: Readonly<Record<string, string>> = {
    ...{ January: month, Jan: month.slice(0, 3), "01": two(civil.month), "1": String(civil.month) },
    ...{ Monday: weekday, Mon: weekday.slice(0, 3), MST: civil.zoneName },
    ...{ "2006": String(civil.year).padStart(4, "0"), "06": two(civil.year % 100) },
    ...{ "02": two(civil.day), _2: String(civil.day).padStart(2), "2": String(civil.day) },
    ...{ "15": two(hour), "03": two(hour % 12 || 12), "3": String(hour % 12 || 12) },
    ...{ "04": two(minute), "4": String(minute), "05": two(civil.second), "5": String(civil.second) },
    ...{ PM: hour < 12 ? "AM" : "PM", pm: hour < 12 ? "am" : "pm" },
    ...{ "-0700": offsetText(civil.offsetMinutes, false), "-07:00": offsetText(civil.offsetMinutes, true) },
    "-07": offsetText(civil.offsetMinutes, false).slice(0, 3),
    "Z07:00": civil.offsetMinutes === 0 ? "Z" : offsetText(civil.offsetMinutes, true),
    Z0700: civil.offsetMinutes === 0 ? "Z" : offsetText(civil.offsetMinutes, false),
  };
  const text = texts[part];
  if (text !== undefined) return text;
  const digits = String(millis)
    .padStart(3, "0")
    .padEnd(part.length - 1, "0")
    .slice(0, part.length - 1);
  if (part[1] === "0") return part[0] + digits;
  const trimmed = digits.replace(/0+$/, "");
  return trimmed === "" ? "" : part[0] + trimmed;
}

/** RFC 3339 with as many digits of a second as are needed, in UTC; the zero time for undefined. */
export const formatRfc3339 = (at: Instant | undefined): string =>
  at === undefined ? ZERO_TIME : formatTime(at, "UTC", "2006-01-02T15:04:05.999Z07:00");

/** A time within a template. Undefined instant: Go's zero time. */
export class GoTime extends TemplateObject {
  constructor(
    readonly instant: Instant | undefined,
    readonly zone = "UTC",
  ) {
    super();
  }

  override member(name: string): TemplateValue | TemplateMethod | undefined {
    return Object.hasOwn(METHODS, name) ? (args) => METHODS[name]?.(this, args) : undefined;
  }

  override show(): string {
    return this.format("2006-01-02 15:04:05.999999999 -0700 MST");
  }

  override plain(): TemplateValue {
    return formatRfc3339(this.instant);
  }

  format(layout: string): string {
    if (this.instant !== undefined) return formatTime(this.instant, this.zone, layout);
    // Year one cannot be asked of a calendar here: the texts that are usual are given as they are.
    return layout.includes("T15") ? ZERO_TIME : "0001-01-01 00:00:00 +0000 UTC";
  }

  in(zone: string): GoTime | undefined {
    return isZone(zone) ? new GoTime(this.instant, zone) : undefined;
  }

  civil(): CivilTime {
    return civilTime(this.instant ?? 0, this.zone);
  }
}

type TimeMethod = (time: GoTime, args: readonly TemplateValue[]) => TemplateValue | undefined;

const compare =
  (holds: (a: Instant, b: Instant) => boolean): TimeMethod =>
  (time, [other]) =>
    other instanceof GoTime
      ? holds(time.instant ?? Number.NEGATIVE_INFINITY, other.instant ?? Number.NEGATIVE_INFINITY)
      : undefined;

const METHODS: Readonly<Record<string, TimeMethod>> = {
  Format: (time, [layout]) => (typeof layout === "string" ? time.format(layout) : undefined),
  String: (time) => time.show(),
  IsZero: (time) => time.instant === undefined,
  Unix: (time) => Math.floor((time.instant ?? 0) / SECOND),
  UnixMilli: (time) => time.instant ?? 0,
  UTC: (time) => time.in("UTC"),
  Local: (time) => time,
  Year: (time) => time.civil().year,
  Month: (time) => MONTHS[time.civil().month - 1],
  Day: (time) => time.civil().day,
  Hour: (time) => Math.floor(time.civil().minuteOfDay / 60),
  Minute: (time) => time.civil().minuteOfDay % 60,
  Second: (time) => time.civil().second,
  Weekday: (time) => WEEKDAYS[time.civil().weekday],
  Before: compare((a, b) => a < b),
  After: compare((a, b) => a > b),
  Equal: compare((a, b) => a === b),
  Sub: (time, [other]) =>
    other instanceof GoTime ? new GoDuration((time.instant ?? 0) - (other.instant ?? 0)) : undefined,
};

/** A stretch of time within a template, in ms. */
export class GoDuration extends TemplateObject {
  constructor(readonly length: number) {
    super();
  }

  override member(name: string): TemplateValue | TemplateMethod | undefined {
    const units: Readonly<Record<string, number>> = {
      Seconds: 1_000,
      Minutes: 60_000,
      Hours: 3_600_000,
      Milliseconds: 1,
    };
    const unit = Object.hasOwn(units, name) ? units[name] : undefined;
    if (unit !== undefined) return () => this.length / unit;
    return name === "String" ? () => this.show() : undefined;
  }

  /** As Go prints it: `1h2m3.5s`. */
  override show(): string {
    const size = Math.abs(this.length);
    if (size === 0) return "0s";
    if (size < SECOND) return `${this.length}ms`;
    const hours = Math.floor(size / 3_600_000);
    const minutes = Math.floor(size / 60_000) % 60;
    const seconds = (size % 60_000) / SECOND;
    const large = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : "";
    return `${this.length < 0 ? "-" : ""}${large}${seconds}s`;
  }
}
