import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { civilTime } from "../../kernel/civil-time.js";
import { MINUTE } from "../../kernel/time.js";
import { type Cron, nextMoment, parseCron } from "./cron.js";

const at = (text: string): number => Date.parse(text);
const cron = (text: string, zone: string): Cron => {
  const read = parseCron(text, zone);
  if (typeof read === "string") throw new Error(read);
  return read;
};
const moments = (text: string, zone: string, after: string, count: number): readonly string[] => {
  const found: string[] = [];
  let from = at(after);
  for (let i = 0; i < count; i++) {
    const next = nextMoment(cron(text, zone), from);
    if (next === undefined) break;
    found.push(new Date(next).toISOString().slice(0, 16));
    from = next;
  }
  return found;
};

describe("the next moment", () => {
  test.each([
    [
      "nine in the morning is an hour earlier in UTC when summer begins",
      "0 9 * * *",
      "Europe/Berlin",
      "2026-03-28T00:00Z",
      ["2026-03-28T08:00", "2026-03-29T07:00", "2026-03-30T07:00"],
    ],
    [
      "and an hour later when it ends",
      "0 9 * * *",
      "Europe/Berlin",
      "2026-10-24T00:00Z",
      ["2026-10-24T07:00", "2026-10-25T08:00"],
    ],
    [
      "a moment in the gap comes right after it",
      "30 2 * * *",
      "Europe/Berlin",
      "2026-03-28T12:00Z",
      ["2026-03-29T01:00", "2026-03-30T00:30"],
    ],
    [
      "a moment that exists twice comes once",
      "30 2 * * *",
      "Europe/Berlin",
      "2026-10-24T12:00Z",
      ["2026-10-25T00:30", "2026-10-26T01:30"],
    ],
    [
      "where every hour counts, the hour that exists twice does so twice",
      "0 * * * *",
      "Europe/Berlin",
      "2026-10-24T23:30Z",
      ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00"],
    ],
    [
      "where every hour counts, none is made up for",
      "30 * * * *",
      "Europe/Berlin",
      "2026-03-29T00:00Z",
      ["2026-03-29T00:30", "2026-03-29T01:30"],
    ],
    [
      "a gap of half an hour",
      "15 2 * * *",
      "Australia/Lord_Howe",
      "2026-10-03T00:00Z",
      ["2026-10-03T15:30", "2026-10-04T15:15"],
    ],
    [
      "a gap at midnight",
      "30 0 * * *",
      "Africa/Cairo",
      "2026-04-23T12:00Z",
      ["2026-04-23T22:00", "2026-04-24T21:30"],
    ],
    [
      "a day that not every year has",
      "0 0 29 2 *",
      "UTC",
      "2026-01-01T00:00Z",
      ["2028-02-29T00:00", "2032-02-29T00:00"],
    ],
    [
      "either day field is enough when both are given",
      "0 0 1 * mon",
      "UTC",
      "2026-11-22T00:00Z",
      ["2026-11-23T00:00", "2026-11-30T00:00", "2026-12-01T00:00"],
    ],
    [
      "steps, ranges and names",
      "*/20 8-9 * jan-mar 1-5",
      "UTC",
      "2027-01-01T09:30Z",
      ["2027-01-01T09:40", "2027-01-04T08:00"],
    ],
    ["seven is Sunday too", "0 0 * * 7", "UTC", "2026-11-22T12:00Z", ["2026-11-29T00:00"]],
    ["strictly after", "0 9 * * *", "UTC", "2026-11-22T09:00Z", ["2026-11-23T09:00"]],
  ])("%s", (_, text, zone, after, wanted) => {
    expect(moments(text, zone, after, wanted.length)).toEqual(wanted);
  });
});

test.each([
  ["0 9 * *", "UTC", "4 fields"],
  ["60 9 * * *", "UTC", '"60" is no minute, expected 0 to 59'],
  ["0 9-8 * * *", "UTC", '"9-8" is no hour'],
  ["0 9 * * */0", "UTC", '"*/0" is no day of the week'],
  ["0 0 30 2 *", "UTC", "never comes"],
  ["0 9 * * *", "Europe/Atlantis", '"Europe/Atlantis" is no time zone'],
])("%s in %s is refused: %s", (text, zone, said) => {
  expect(parseCron(text, zone)).toContain(said);
});

test("for a fixed hour there is one moment on each day, in every zone, whatever its clocks do", () => {
  const zones = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "UTC",
    "Asia/Kolkata",
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      fc.integer({ min: 0, max: 23 }),
      fc.integer({ min: 0, max: 59 }),
      fc.integer({ min: at("2025-01-01"), max: at("2027-12-01") }),
      (zone, hour, minute, from) => {
        const daily = cron(`${minute} ${hour} * * *`, zone);
        let last = nextMoment(daily, from) ?? 0;
        for (let i = 0; i < 12; i++) {
          const next = nextMoment(daily, last) ?? 0;
          const [a, b] = [civilTime(last, zone), civilTime(next, zone)];
          // The next day, and 22.5 to 25.5 hours later: never left out, never twice.
          expect([1, a.day === b.day]).toEqual([1, false]);
          expect((next - last) / MINUTE).toBeGreaterThan(22 * 60);
          expect((next - last) / MINUTE).toBeLessThan(26 * 60);
          last = next;
        }
      },
    ),
    { numRuns: 60 },
  );
});
