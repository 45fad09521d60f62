import { describe, expect, test } from "vitest";
import { duration, EARLIEST, LATEST, limit, range, text, texts, time } from "./parameters.js";

describe("a time", () => {
  test.each([
    { given: "1435781451.781", is: 1_435_781_451_781 },
    { given: "0", is: 0 },
    { given: "-1.5", is: -1_500 },
    { given: "1e3", is: 1_000_000 },
    { given: ".5", is: 500 },
    { given: "2015-07-01T20:10:51.781Z", is: 1_435_781_451_781 },
    { given: "2015-07-01T22:10:51+02:00", is: 1_435_781_451_000 },
    { given: "-292273086-05-16T16:47:06Z", is: EARLIEST },
    { given: "292277025-08-18T07:12:54.999999999Z", is: LATEST },
    { given: "1e300", is: LATEST },
    { given: "", is: 42 },
    { given: undefined, is: 42 },
  ])("$given is $is", ({ given, is }) => {
    expect(time({ time: given }, "time", 42)).toBe(is);
  });

  test.each([
    "now",
    "2015-07-01",
    "2015-07-01T20:10:51",
    "2015-13-01T20:10:51Z",
    "0x10",
    "1,5",
    "NaN",
    "Infinity",
  ])("%s is refused in Prometheus' words", (given) => {
    expect(() => time({ time: given }, "time", 0)).toThrow(
      `invalid parameter "time": cannot parse "${given}" to a valid timestamp`,
    );
  });
});

test.each([
  { given: "15", is: 15_000 },
  { given: "0.25", is: 250 },
  { given: "1h30m", is: 5_400_000 },
  { given: undefined, is: undefined },
])("the duration $given is $is ms", ({ given, is }) => {
  expect(duration({ step: given }, "step")).toBe(is);
});

test("a duration that is none is refused", () => {
  expect(() => duration({ step: "5 m" }, "step")).toThrow('cannot parse "5 m" to a valid duration');
});

test.each([
  { given: "0", is: undefined },
  { given: undefined, is: undefined },
  { given: "7", is: 7 },
])("the limit $given is $is", ({ given, is }) => {
  expect(limit({ limit: given })).toBe(is);
});

test("a limit that is no count is refused", () => {
  expect(() => limit({ limit: "-1" })).toThrow("limit must be a non-negative number");
});

describe("a range", () => {
  test("has both ends and a step", () => {
    expect(range({ start: "0", end: "60", step: "15s" })).toEqual({ from: 0, to: 60_000, step: 15_000 });
  });

  test("11,000 steps are taken, one more is not", () => {
    expect(range({ start: "0", end: "11000", step: "1" }).to).toBe(11_000_000);
    expect(() => range({ start: "0", end: "11001", step: "1" })).toThrow(
      "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
    );
  });

  test.each([
    { fields: { end: "1", step: "1" }, says: 'invalid parameter "start"' },
    { fields: { start: "1", step: "1" }, says: 'invalid parameter "end"' },
    { fields: { start: "1", end: "2" }, says: 'invalid parameter "step"' },
    { fields: { start: "2", end: "1", step: "1" }, says: "end timestamp must not be before start time" },
    { fields: { start: "1", end: "2", step: "0" }, says: "zero or negative query resolution step widths" },
    { fields: { start: "1", end: "2", step: "-5" }, says: "zero or negative query resolution step widths" },
  ])("$fields is refused", ({ fields, says }) => {
    expect(() => range(fields)).toThrow(says);
  });
});

test("a field given more than once is its first text, or all of them", () => {
  expect(text({ query: ["a", "b"] }, "query")).toBe("a");
  expect(texts({ "match[]": ["a", "b"] }, "match[]")).toEqual(["a", "b"]);
  expect(texts({ "match[]": "a" }, "match[]")).toEqual(["a"]);
  expect(texts({}, "match[]")).toEqual([]);
  expect(texts({ "match[]": [1, "a", null] }, "match[]")).toEqual(["a"]);
});
