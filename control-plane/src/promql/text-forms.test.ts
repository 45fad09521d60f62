import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDuration, MAX_DURATION_MS, parseDuration } from "./duration.js";
import { formatFloat, formatGeneral, parseFloatLabel, parseNumberLiteral } from "./number.js";
import { quote, unquote } from "./quote.js";
import { parseSeriesValues } from "./series-notation.js";

describe("durations", () => {
  test.each([
    ["0", 0],
    [
      "1y2w3d4h5m6s7ms",
      365 * 86_400_000 + 14 * 86_400_000 + 3 * 86_400_000 + 4 * 3_600_000 + 300_000 + 6_007,
    ],
    ["1h30m", 5_400_000],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    ["", "empty duration string"],
    ["5", 'not a valid duration string: "5"'],
    ["1m1h", 'not a valid duration string: "1m1h"'],
    ["1x", 'unknown unit "x" in duration "1x"'],
    ["300y", "duration out of range"],
  ])("%s is none", (text, invalid) => {
    expect(parseDuration(text)).toEqual({ invalid });
  });

  test.each([
    [0, "0s"],
    [90_000, "1m30s"],
    [7 * 86_400_000, "1w"],
    [8 * 86_400_000, "8d"],
    [1_001, "1s1ms"],
  ])("%d ms is printed as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test("every duration reads back", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_DURATION_MS }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });
});

describe("numbers", () => {
  test.each([
    [1e21, "1000000000000000000000"],
    [1.5e-7, "0.00000015"],
    [-1.25e30, "-1250000000000000000000000000000"],
    [0.1, "0.1"],
    [-0, "-0"],
    [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "+Inf"],
    [Number.NEGATIVE_INFINITY, "-Inf"],
  ])("%d without exponent", (value, text) => {
    expect(formatFloat(value)).toBe(text);
  });

  test.each([
    [1e21, "1e+21"],
    [1e-5, "1e-05"],
    [123456, "123456"],
    [Number.POSITIVE_INFINITY, "+Inf"],
  ])("%d in general form", (value, text) => {
    expect(formatGeneral(value)).toBe(text);
  });

  test("every number reads back", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }), (value) => {
        expect(parseNumberLiteral(formatFloat(value))).toBe(value);
      }),
    );
  });

  test.each([
    ["+Inf", Number.POSITIVE_INFINITY],
    ["-infinity", Number.NEGATIVE_INFINITY],
    ["1e-3", 0.001],
    ["-.5", -0.5],
    ["", undefined],
    ["one", undefined],
    ["1e999", undefined],
    ["0x10", undefined],
  ])("the bound %s", (text, value) => {
    expect(parseFloatLabel(text)).toBe(value);
  });
});

describe("strings", () => {
  test.each([
    ['a"b\\', '"a\\"b\\\\"'],
    ["\n\t\u0001\u007f", '"\\n\\t\\x01\\x7f"'],
    ["é😀\u200b", '"é😀\\u200b"'],
    ["\udcff", '"\\xff"'],
  ])("%j is quoted", (text, quoted) => {
    expect(quote(text)).toBe(quoted);
    expect(unquote(quoted)).toBe(text);
  });

  test("every text reads back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(unquote(quote(text))).toBe(text);
      }),
    );
  });
});

describe("points of a series", () => {
  test.each([
    {
      values: "1 -2 3e2 .5 Inf -Inf",
      points: [1, -2, 300, 0.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    },
    { values: "1+2x3", points: [1, 3, 5, 7] },
    { values: "5-1x1 2x2", points: [5, 4, 2, 2, 2] },
    { values: "_ _x2 stale 1", points: ["omitted", "omitted", "omitted", "stale", 1] },
    { values: "{{schema:0 sum:1}}x1 0", points: ["histogram", "histogram", 0] },
    { values: "", points: [] },
  ])("$values", ({ values, points }) => {
    expect(parseSeriesValues(values)).toEqual(points);
  });

  test.each(["1+2", "x", "1xx2", "1x9999999", "--1"])("%s is refused", (values) => {
    expect(() => parseSeriesValues(values)).toThrow(`"${values}"`);
  });
});
