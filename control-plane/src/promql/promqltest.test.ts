import { describe, expect, test } from "vitest";
import { runScript } from "./promqltest.js";

const LOAD = 'load 1m\n  x{a="1"} 1 2 _ stale\n  x{a="2"} 5+1x2\n';

function failures(...lines: readonly string[]): readonly (string | undefined)[] {
  return runScript(LOAD + lines.join("\n")).map(({ failure }) => failure);
}

describe("a script fails where the answer is not the one written down", () => {
  test.each([
    {
      when: "the answer is right",
      lines: ["eval instant at 0 x", '  x{a="1"} 1', '  x{a="2"} 5'],
      says: undefined,
    },
    {
      when: "a value is off",
      lines: ["eval instant at 0 x", '  x{a="1"} 1.00001', '  x{a="2"} 5'],
      says: 'expected 1.00001 for {__name__="x", a="1"}, got 1',
    },
    {
      when: "a value is off by rounding",
      lines: ["eval instant at 0 x", '  x{a="1"} 1.0000001', '  x{a="2"} 5'],
      says: undefined,
    },
    {
      when: "a series is missing",
      lines: ["eval instant at 3m x", '  x{a="1"} 1', '  x{a="2"} 7'],
      says: 'expected {__name__="x", a="1"}, not found',
    },
    {
      when: "there is one too many",
      lines: ["eval instant at 0 x", '  x{a="1"} 1'],
      says: 'unexpected {__name__="x", a="2"} 5',
    },
    {
      when: "the order is wrong",
      lines: ["eval instant at 0 sort(x)", "  expect ordered", '  x{a="2"} 5', '  x{a="1"} 1'],
      says: "stands at place 1",
    },
    {
      when: "a range is right",
      lines: ["eval range from 0 to 3m step 1m x", '  x{a="1"} 1 2 2', '  x{a="2"} 5 6 7 7'],
      says: undefined,
    },
    {
      when: "a range has a point too few",
      lines: ["eval range from 0 to 3m step 1m x", '  x{a="1"} 1 2', '  x{a="2"} 5 6 7 7'],
      says: "expected 2 points",
    },
    {
      when: "a point is elsewhere",
      lines: ["eval range from 0 to 3m step 1m x", '  x{a="1"} 1 2 _ 2', '  x{a="2"} 5 6 7 7'],
      says: "at 180000, got it at 120000",
    },
    { when: "a scalar is right", lines: ["eval instant at 0 1 + 1", "  2"], says: undefined },
    {
      when: "a scalar is wrong",
      lines: ["eval instant at 0 1 + 1", "  3"],
      says: "expected scalar 3, got 2",
    },
    {
      when: "a failure is expected and comes",
      lines: ["eval instant at 0 rate(x)", "  expect fail"],
      says: undefined,
    },
    {
      when: "a failure is expected in other words",
      lines: ["eval instant at 0 rate(x)", "  expect fail msg: no"],
      says: 'expected "no"',
    },
    {
      when: "a failure is expected and does not come",
      lines: ["eval_fail instant at 0 x"],
      says: "expected to fail, but did not",
    },
    {
      when: "a failure comes that nobody expected",
      lines: ["eval instant at 0 rate(x)"],
      says: "failed: 1:6: parse error",
    },
    {
      when: "a warning is expected and missing",
      lines: ["eval instant at 0 1", "  expect warn", "  1"],
      says: "expected a warning, found none",
    },
    {
      when: "a warning comes where none is allowed",
      lines: ["eval instant at 0 count(quantile(2, x))", "  expect no_warn", "  {} 1"],
      says: "unexpected warning",
    },
    {
      when: "a native histogram is expected",
      lines: ["eval instant at 0 x", '  x{a="1"} {{schema:0 sum:1 count:1}}', '  x{a="2"} 5'],
      says: "expected a native histogram",
    },
    { when: "everything was cleared", lines: ["clear", "eval instant at 0 x"], says: undefined },
  ])("$when", ({ lines, says }) => {
    const [failure] = failures(...lines);
    if (says === undefined) expect(failure).toBeUndefined();
    else expect(failure).toContain(says);
  });
});

test("each result says which line it is about", () => {
  expect(runScript(`${LOAD}\n# a comment\neval instant at 0 1\n  1\n`)).toEqual([
    { line: 6, statement: "eval instant at 0 1", tier: "essential", failure: undefined },
  ]);
});

test("an eval that is not understood fails, and those after it are judged all the same", () => {
  const results = runScript(`${LOAD}\neval instant at noon x\n\neval instant at 0 1\n  1\n`);
  expect(results.map(({ line, failure }) => [line, failure])).toEqual([
    [5, 'line 5: "noon" is no duration'],
    [7, undefined],
  ]);
});

test.each([
  { text: "evaluate x", says: 'line 1: expected load, clear or eval, got "evaluate x"' },
  { text: "load often\n x 1", says: 'line 1: "often" is no duration' },
  { text: "load 1m\n x 1y", says: '"1y" is no value' },
  { text: 'load 1m\n x{a=~"b"} 1', says: "leaves open what the label is" },
])("a script that is none is refused: $text", ({ text, says }) => {
  expect(() => runScript(text)).toThrow(says);
});
