import { describe, expect, test } from "vitest";
import { holdsAt, type TimeSpan } from "./time-interval.js";

describe("time intervals", () => {
  const span = (part: Partial<TimeSpan>): TimeSpan => ({
    ...{ minutes: [], weekdays: [], daysOfMonth: [], months: [], years: [], zone: "UTC" },
    ...part,
  });
  const at = Date.parse;
  test.each([
    ["nothing said", span({}), "2026-11-22T14:00:00Z", true],
    ["a weekday", span({ weekdays: [{ from: 0, to: 0 }] }), "2026-11-22T14:00:00Z", true],
    ["another weekday", span({ weekdays: [{ from: 1, to: 5 }] }), "2026-11-22T14:00:00Z", false],
    ["the first minute", span({ minutes: [{ from: 540, to: 1020 }] }), "2026-11-20T09:00:00Z", true],
    ["the last second", span({ minutes: [{ from: 540, to: 1020 }] }), "2026-11-20T16:59:59Z", true],
    ["the end", span({ minutes: [{ from: 540, to: 1020 }] }), "2026-11-20T17:00:00Z", false],
    ["the last day of February", span({ daysOfMonth: [{ from: -1, to: -1 }] }), "2028-02-29T00:00:00Z", true],
    [
      "the last but one in a short month",
      span({ daysOfMonth: [{ from: -2, to: -1 }] }),
      "2026-02-27T12:00:00Z",
      true,
    ],
    [
      "the 31st in a month of thirty days",
      span({ daysOfMonth: [{ from: 31, to: 31 }] }),
      "2026-11-30T12:00:00Z",
      false,
    ],
    [
      "a range that is cut by the month's end",
      span({ daysOfMonth: [{ from: 29, to: 31 }] }),
      "2026-11-30T12:00:00Z",
      true,
    ],
    ["another month", span({ months: [{ from: 1, to: 10 }] }), "2026-11-30T12:00:00Z", false],
    ["another year", span({ years: [{ from: 2027, to: 2030 }] }), "2026-11-30T12:00:00Z", false],
    // Berlin goes from +1 to +2 on 2026-03-29 at 01:00 UTC: 02:00 to 03:00 on the wall does not exist.
    [
      "a place before summer time begins",
      span({ zone: "Europe/Berlin", minutes: [{ from: 60, to: 120 }] }),
      "2026-03-29T00:59:59Z",
      true,
    ],
    [
      "a place after summer time began",
      span({ zone: "Europe/Berlin", minutes: [{ from: 180, to: 240 }] }),
      "2026-03-29T01:00:00Z",
      true,
    ],
    [
      "an hour that does not exist",
      span({ zone: "Europe/Berlin", minutes: [{ from: 120, to: 180 }] }),
      "2026-03-29T01:30:00Z",
      false,
    ],
    [
      "an hour that comes twice, first",
      span({ zone: "Europe/Berlin", minutes: [{ from: 120, to: 180 }] }),
      "2026-10-25T00:30:00Z",
      true,
    ],
    [
      "an hour that comes twice, again",
      span({ zone: "Europe/Berlin", minutes: [{ from: 120, to: 180 }] }),
      "2026-10-25T01:30:00Z",
      true,
    ],
    [
      "a place where it is tomorrow",
      span({ zone: "Pacific/Kiritimati", weekdays: [{ from: 1, to: 1 }] }),
      "2026-11-22T14:00:00Z",
      true,
    ],
    [
      "a zone of half an hour",
      span({ zone: "Asia/Kolkata", minutes: [{ from: 30, to: 31 }] }),
      "2026-11-21T19:00:30Z",
      true,
    ],
  ])("%s", (_, one, when, holds) => {
    expect(holdsAt({ name: "x", spans: [one] }, at(when))).toBe(holds);
  });
});
