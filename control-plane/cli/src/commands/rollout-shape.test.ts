import { expect, test } from "vitest";
import {
  readAmount,
  readCount,
  readLabels,
  readLimits,
  readNames,
  readSeconds,
  readWaves,
} from "./rollout-shape.js";

test("waves are numbers and shares", () => {
  expect(readWaves(undefined)).toEqual([]);
  expect(readWaves("1, 10%,2.5%")).toEqual([
    { count: 1, percent: 0 },
    { count: 0, percent: 10 },
    { count: 0, percent: 2.5 },
  ]);
});

test("limits and labels are pairs; a value may hold an equals sign", () => {
  expect(readLimits("role=34%,zone=5")).toEqual([
    { label: "role", max: 0, percent: 34 },
    { label: "zone", max: 5, percent: 0 },
  ]);
  expect(readLabels("role=web,tier=a=b")).toEqual({ role: "web", tier: "a=b" });
  expect(readNames("a,,b")).toEqual(["a", "b"]);
});

test.each([
  ["30s", 30],
  ["5m", 300],
  ["2h", 7_200],
])("%s is %i seconds", (text, seconds) => {
  expect(readSeconds("settle", text)).toBe(seconds);
});

test.each([
  [() => readAmount("waves", "0"), '--waves: "0" is neither a number nor a share, expected such as 5 or 10%'],
  [() => readLimits("role"), '--limits: "role" is not of the form NAME=VALUE'],
  [() => readSeconds("settle", "1d"), '--settle is "1d", expected such as 30s, 5m or 1h'],
  [() => readCount("at-once", "-1"), '--at-once is "-1", expected a number of at least 1'],
])("what makes no sense is named: %#", (read, message) => {
  expect(read).toThrow(message);
});
