import { expect, test } from "vitest";
import { formatTraceparent, parseTraceparent, spanBelow } from "./trace.js";

const GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const hex = (digits: number): string => "e".repeat(digits);

test.each([
  ["a traceparent", GOOD, true],
  ["one of a later version with more to it", `cc${GOOD.slice(2)}-more`, true],
  ["version ff", `ff${GOOD.slice(2)}`, false],
  ["version 00 with more to it", `${GOOD}-more`, false],
  ["a trace of zeros", `00-${"0".repeat(32)}-00f067aa0ba902b7-01`, false],
  ["a span of zeros", `00-4bf92f3577b34da6a3ce929d0e0e4736-${"0".repeat(16)}-01`, false],
  ["capital letters", GOOD.toUpperCase(), false],
  ["a number", 7, false],
  ["nothing", undefined, false],
  ["a header that was sent twice", [GOOD, GOOD], false],
])("%s is read or not", (_, value, read) => {
  expect(parseTraceparent(value) !== undefined).toBe(read);
});

test("a call's span lies below the first parent there is, and keeps its trace and its sampling", () => {
  const parent = parseTraceparent(GOOD.replace(/01$/, "00"));
  expect(formatTraceparent(spanBelow(hex, undefined, parent))).toBe(
    `00-4bf92f3577b34da6a3ce929d0e0e4736-${"e".repeat(16)}-00`,
  );
  expect(formatTraceparent(spanBelow(hex))).toBe(`00-${"e".repeat(32)}-${"e".repeat(16)}-01`);
});
