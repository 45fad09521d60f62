import { describe, expect, test } from "vitest";
import { fuzz, scraps } from "../platform/testing/fuzz.js";
import { PromqlError } from "./errors.js";
import { evaluateInstant } from "./evaluate.js";
import { formatExpr } from "./format.js";
import { MemorySeries } from "./memory-series.js";
import { parseExpr } from "./parse.js";
import { compileRegexp } from "./regexp.js";
import { RegexpError } from "./regexp-syntax.js";

const CORPUS = [
  'sum by (job) (rate(http_requests_total{code=~"5.."}[5m])) / on (job) group_left () sum by (job) (up) > 0.05',
  "histogram_quantile(0.99, sum by (le) (rate(a_bucket[5m] offset 1h))) and on () hour() >= bool 9 unless absent(b)",
  'label_replace(up, "a", "$1-x", "instance", "(.*):.*") @ 1600000000.5 == -1e-3',
  "max_over_time(deriv(x[5m])[30m:1m] @ start() offset -5m)",
  `count_values("v", {__name__=~"a|b", "quoted.name"='x\\'y', c!~\`raw\`}) # comment`,
  "topk(3, quantile(0.5, x)) ^ 2 ^ -Inf % NaN atan2 0x1F + 1_000",
];
const PIECES = [
  ..."(){}[]|=!~<>+-*/%^@,:.#\"'`\\".split(""),
  ...["a", "sum", "by", "without", "on", "ignoring", "group_left", "bool", "offset", "and", "or", "unless"],
  ...[
    "5m",
    "1e999",
    "0x",
    "NaN",
    "Inf",
    "rate",
    "topk",
    "start()",
    "end()",
    "atan2",
    " ",
    "\n",
    "\\x",
    "\\u",
  ],
  ...["[5m]", "[5m:]", "{a=", '"b"', "=~", "!~", "==", "!=", ">=", "\u0000", "\ud800", "é", "__name__", "le"],
];

const series = new MemorySeries();
for (const instance of ["a:1", "b:2"]) {
  for (let at = 0; at <= 600_000; at += 15_000) {
    for (const name of ["a", "x", "up"]) series.append({ __name__: name, instance }, at, at / 1_000);
    series.append({ __name__: "a_bucket", instance, le: "1" }, at, at);
    series.append({ __name__: "a_bucket", instance, le: "+Inf" }, at, at * 2);
  }
}

describe("expressions that nobody would write", () => {
  fuzz(
    "are read or refused with a place, read back as the same, and evaluated or refused",
    scraps(CORPUS, PIECES),
    (text) => {
      try {
        const expr = parseExpr(text);
        expect(formatExpr(parseExpr(formatExpr(expr)))).toBe(formatExpr(expr));
        evaluateInstant(expr, 600_000, series, { text, maxSeries: 1_000, maxSamples: 100_000 });
      } catch (error) {
        if (!(error instanceof PromqlError)) throw error;
        expect(error.message.length).toBeGreaterThan(0);
      }
    },
    6_000,
  );

  fuzz(
    "regular expressions of any form are compiled or refused, and end on any text",
    scraps(
      ["^(?:a+)+$", "(?i)[a-z]{2,5}|\\pL\\b", "(a|b*)*c{3}?"],
      [..."()[]{}|*+?.^$\\-,", "a", "\\d", "\\p{Greek}", "{999}", "(?i:", "[^", "\\Q", "\\x{"],
    ),
    (pattern) => {
      try {
        compileRegexp(pattern).test("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
      } catch (error) {
        expect(error).toBeInstanceOf(RegexpError);
      }
    },
    6_000,
  );
});

const many = 100_000;
describe("an expression that is far too much is refused", () => {
  test.each([
    ["parentheses in parentheses", `${"(".repeat(many)}a${")".repeat(many)}`, /nested more than 250 levels/],
    ["signs before signs", `${"-".repeat(many)}a`, /nested more than 250 levels/],
    ["a chain of operators", `${"a+".repeat(many)}a`, /nested more than 1000 levels/],
    ["a hundred thousand arguments", `label_replace(${"a,".repeat(many)}a)`, /expected 5 argument/],
    ["a name of ten megabytes", "a".repeat(10_000_000), /longer than 1048576 characters/],
    ["a label's value of ten megabytes", `{a="${"x".repeat(10_000_000)}"}`, /longer than 1048576 characters/],
    ["groups in groups", `{a=~"${"(".repeat(5_000)}${")".repeat(5_000)}"}`, /nests too deeply/],
    ["repetitions of repetitions", '{a=~"((a{1000}){1000}){1000}"}', /expression too large/],
  ])("%s", (_, text, message) => {
    expect(() => parseExpr(text)).toThrow(message);
  });

  test("labels that are matched and included by the ten thousand are compared in one pass", () => {
    const names = (letter: string) => Array.from({ length: 50_000 }, (_, n) => `${letter}${n}`).join(",");
    expect(parseExpr(`a / on (${names("x")}) group_left (${names("y")}) b`).kind).toBe("binary");
  });
});

test("a pattern that makes others go back and forth for ever looks at each letter a bounded number of times", () => {
  for (const pattern of ["(a+)+$", "(x+x+)+y", "(a|aa)*c", "(.*)*b"])
    expect(compileRegexp(pattern).test(`${"ax".repeat(20_000)}!`)).toBe(false);
});
