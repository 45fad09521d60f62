import fc from "fast-check";
import { expect, test } from "vitest";
import { parseExposition, parseNumber, parseSeriesText } from "./parse-exposition.js";

function parse(text: string): { readonly samples: [string, number][]; readonly fault: string | undefined } {
  const samples: [string, number][] = [];
  const fault = parseExposition(text, (series, value) => samples.push([series, value]) > 0);
  return { samples, fault: fault === undefined ? undefined : `line ${fault.line}: ${fault.because}` };
}

test.each([
  { what: "a bare metric", text: "up 1\n", is: [["up", 1]] },
  { what: "no newline at the end", text: "up 1", is: [["up", 1]] },
  { what: "labels", text: 'a{b="c",d="e"} 2\n', is: [['a{b="c",d="e"}', 2]] },
  { what: "a blank before the labels", text: 'a {b="c"} 2\n', is: [['a {b="c"}', 2]] },
  { what: "no blank before the value", text: 'a{b="c"}2\n', is: [['a{b="c"}', 2]] },
  { what: "braces and quotes inside a value", text: 'a{b="}{\\"x"} 2\n', is: [['a{b="}{\\"x"}', 2]] },
  { what: "a hash inside a value", text: 'a{b="#no"} 2\n', is: [['a{b="#no"}', 2]] },
  {
    what: "comments, types and blank lines",
    text: "# HELP a b\n# TYPE a gauge\n\n  \t\n#EOF\na 1\n",
    is: [["a", 1]],
  },
  { what: "blanks around", text: " \ta \t 1 \t\n", is: [["a", 1]] },
  {
    what: "lines as Windows ends them",
    text: "a 1\r\nb 2\r\n",
    is: [
      ["a", 1],
      ["b", 2],
    ],
  },
  { what: "a timestamp", text: "a 1 1700000000000\n", is: [["a", 1]] },
  { what: "a negative timestamp", text: "a 1 -5\n", is: [["a", 1]] },
  { what: "an exemplar", text: 'a_bucket{le="1"} 5 # {trace="x"} 0.5 1.7\n', is: [['a_bucket{le="1"}', 5]] },
  { what: "an exemplar after a timestamp", text: "a 5 12 # {} 1\n", is: [["a", 5]] },
  {
    what: "infinities",
    text: "a +Inf\nb -Inf\nc inf\n",
    is: [
      ["a", Number.POSITIVE_INFINITY],
      ["b", Number.NEGATIVE_INFINITY],
      ["c", Number.POSITIVE_INFINITY],
    ],
  },
  { what: "not a number", text: "a NaN\n", is: [["a", Number.NaN]] },
  {
    what: "exponents and signs",
    text: "a 1.5e+09\nb -2E-3\nc +.5\nd 7.\n",
    is: [
      ["a", 1.5e9],
      ["b", -0.002],
      ["c", 0.5],
      ["d", 7],
    ],
  },
  {
    what: "whole numbers longer than a double holds",
    text: "a 18446744073709551616\n",
    is: [["a", 2 ** 64]],
  },
  { what: "nothing", text: "", is: [] },
])("$what", ({ text, is }) => {
  expect(parse(text)).toEqual({ samples: is, fault: undefined });
});

test.each([
  { text: "a\n", fault: 'line 1: the value is ""' },
  { text: "a 1\nb x\n", fault: 'line 2: the value is "x"' },
  { text: "a 0x10\n", fault: 'line 1: the value is "0x10"' },
  { text: "a 1_000\n", fault: 'line 1: the value is "1_000"' },
  { text: "a 1 x\n", fault: 'line 1: the timestamp is "x"' },
  { text: "a 1 2 3\n", fault: 'line 1: "3" stands after the timestamp' },
  { text: 'a{b="c\n} 1\n', fault: "line 1: the labels do not end" },
  { text: 'a{b="c"\n', fault: "line 1: the labels do not end" },
  { text: `a${"b".repeat(70_000)} 1\n`, fault: "line 1: a series' text is over 65536 long" },
  { text: `a ${"9".repeat(100)}x\n`, fault: `line 1: the value is "${"9".repeat(57)}..."` },
])("$fault", ({ text, fault }) => {
  expect(parse(text).fault).toBe(fault);
});

test("the taker may end the parsing", () => {
  let taken = 0;
  expect(parseExposition("a 1\nb 2\nc x\n", () => ++taken < 2)).toBeUndefined();
  expect(taken).toBe(2);
});

test.each([
  { text: "up", name: "up", labels: [] },
  { text: "a:b_1", name: "a:b_1", labels: [] },
  { text: "a{}", name: "a", labels: [] },
  { text: 'a {b="c"}', name: "a", labels: [["b", "c"]] },
  { text: 'a{b="c",}', name: "a", labels: [["b", "c"]] },
  {
    text: 'a{ b = "c" , d="" }',
    name: "a",
    labels: [
      ["b", "c"],
      ["d", ""],
    ],
  },
  { text: 'a{b="x\\ny\\\\z\\"w\\t"}', name: "a", labels: [["b", 'x\ny\\z"w\\t']] },
  { text: 'a{b="},{"}', name: "a", labels: [["b", "},{"]] },
  {
    text: 'a{constructor="1",__proto__="2"}',
    name: "a",
    labels: [
      ["constructor", "1"],
      ["__proto__", "2"],
    ],
  },
  { text: 'a{b="é\u202e"}', name: "a", labels: [["b", "é\u202e"]] },
])("$text is a series", ({ text, name, labels }) => {
  expect(parseSeriesText(text)).toEqual({ name, labels });
});

test.each([
  { text: "1a", because: '"1a" is no metric name' },
  { text: '{b="c"}', because: '"" is no metric name' },
  { text: "a-b", because: '"a-b" is no metric name' },
  { text: 'a{b="c" d="e"}', because: 'labels at "b=\\"c\\" d=\\"e\\""' },
  { text: 'a{b="c",,d="e"}', because: 'labels at ",d=\\"e\\""' },
  { text: "a{b=c}", because: 'labels at "b=c"' },
  { text: 'a{"b"="c"}', because: 'labels at "\\"b\\"=\\"c\\""' },
  { text: 'a{b="c",b="d"}', because: 'label "b" may not stand there, or not twice' },
  { text: 'a{__name__="x"}', because: 'label "__name__" may not stand there, or not twice' },
])("$text is none: $because", ({ text, because }) => {
  expect(parseSeriesText(text)).toEqual({ because });
});

test.each(["", " ", "0x1", "1_0", "Infinit", "nane", "1e", "e1", "--1", "0b1", "1,5", "."])(
  "%j is no number",
  (word) => {
    expect(parseNumber(word)).toBeUndefined();
  },
);

test("whatever labels a program writes, escaped as the format says, are read as they were", () => {
  const name = fc.stringMatching(/^[a-zA-Z_:][a-zA-Z0-9_:]{0,20}$/u);
  const labelName = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,20}$/u).filter((text) => text !== "__name__");
  const labels = fc.uniqueArray(fc.tuple(labelName, fc.string({ unit: "binary", maxLength: 40 })), {
    selector: ([label]) => label,
    maxLength: 6,
  });
  const value = fc.double({ noNaN: true });
  fc.assert(
    fc.property(name, labels, value, (metric, pairs, number) => {
      const escaped = (text: string): string =>
        text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
      const text = pairs.map(([label, is]) => `${label}="${escaped(is)}"`).join(",");
      const { samples, fault } = parse(`${metric}{${text}} ${Object.is(number, -0) ? "-0" : number}\n`);
      expect(fault).toBeUndefined();
      expect(samples[0]?.[1]).toBe(number);
      expect(parseSeriesText(samples[0]?.[0] ?? "")).toEqual({ name: metric, labels: pairs });
    }),
    { numRuns: 500 },
  );
});

test("a line of a known series is read as it is when nothing is known", () => {
  const series = fc.constantFrom("a", "a:b", 'a{b="c"}', 'a{b="c d"}', 'a {b="c"}', 'a{b="1 2"}', "ab");
  const value = fc.constantFrom(
    "1",
    "+Inf",
    "NaN",
    "1.5e3",
    "x",
    "",
    "0x1",
    "2 3",
    "1 -5",
    "4 # {} 1",
    "7\r",
    " 8",
    "9 ",
  );
  const line = fc
    .tuple(fc.constantFrom("", " ", "#"), series, fc.constantFrom(" ", "", "  "), value)
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 6 }),
      fc.subarray(["a", "a:b", 'a{b="c"}', 'a{b="c d"}', 'a {b="c"}', "ab"]),
      (lines, known) => {
        const text = lines.join("\n");
        const quick: [string, number][] = [];
        const fault = parseExposition(
          text,
          (seriesText, is) => quick.push([seriesText, is]) > 0,
          (seriesText) => known.includes(seriesText),
        );
        const careful = parse(text);
        expect(quick).toEqual(careful.samples);
        expect(fault === undefined ? undefined : `line ${fault.line}: ${fault.because}`).toBe(careful.fault);
      },
    ),
    { numRuns: 2_000 },
  );
});

test("hostile text ends in samples or a fault, in time that grows with its length alone", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'a{}="\\,# \n\t1.eE+-'), maxLength: 200 }), (text) => {
      parseExposition(text, (series) => {
        parseSeriesText(series);
        return true;
      });
    }),
    { numRuns: 1_000 },
  );
  const nasty: ((size: number) => string)[] = [
    (size) => `a{${Array.from({ length: size }, (_, i) => `l${i}="${"\\".repeat(2)}"`).join(",")}} 1`,
    (size) => `a{b="${"\\\\".repeat(8 * size)}"} 1`,
    (size) => `a${"{".repeat(16 * size)}`,
    (size) => "\n".repeat(256 * size),
  ];
  // The best of a few, for a busy machine only ever adds. What grows with the square would cost 64 times as much.
  const cost = (text: string): number =>
    Math.min(
      ...Array.from({ length: 5 }, () => {
        const from = performance.now();
        parseExposition(text, (series) => "name" in parseSeriesText(series));
        return performance.now() - from;
      }),
    );
  for (const make of nasty) expect(cost(make(4_000))).toBeLessThan(Math.max(20, 40 * cost(make(500))));
});
