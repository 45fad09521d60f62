import { describe, expect, test } from "vitest";
import { parseExpr } from "./parse.js";
import { formatPretty } from "./pretty.js";

// The laid-out forms are what Prometheus 2.42 gives.
const LONG = 'a_metric_with_quite_a_long_name{instance="another-thing",job="something-long-enough"}';
const SHORTER = 'a_metric_with_a_name{instance="x",job="something-long-enough"}';
const lines = (...parts: readonly string[]): string => parts.join("\n");

describe("an expression", () => {
  test("that fits in a line stays on it", () => {
    expect(formatPretty(parseExpr(" sum  by(job)(rate( up[5m] ))>1 "))).toBe(
      "sum by (job) (rate(up[5m])) > 1",
    );
  });

  test.each([
    { what: "a sum of two", text: `${LONG} + ${LONG}`, is: lines(`  ${LONG}`, "+", `  ${LONG}`) },
    {
      what: "a comparison that matches",
      text: `${LONG} > bool on(job) group_left(x) ${LONG}`,
      is: lines(`  ${LONG}`, "> bool on (job) group_left (x)", `  ${LONG}`),
    },
    {
      what: "an aggregation",
      text: `topk by(job)(3, rate(${LONG}[5m]) > 0)`,
      is: lines("topk by (job) (", "  3,", `  rate(${LONG}[5m]) > 0`, ")"),
    },
    {
      what: "a call",
      text: `label_replace(${LONG}, "a", "$1", "b", "(.*)")`,
      is: lines("label_replace(", `  ${LONG},`, '  "a",', '  "$1",', '  "b",', '  "(.*)"', ")"),
    },
    {
      what: "parentheses",
      text: `-(${LONG} * ${LONG})`,
      is: lines("-(", `    ${LONG}`, "  *", `    ${LONG}`, ")"),
    },
    {
      what: "a subquery",
      text: `max_over_time((sum(${SHORTER}) + sum(${SHORTER}))[1h:])`,
      is: lines(
        "max_over_time(",
        "  (",
        `      sum(${SHORTER})`,
        "    +",
        `      sum(${SHORTER})`,
        "  )[1h:]",
        ")",
      ),
    },
    {
      what: "one within the other",
      text: `sum(rate(${LONG}[5m])) without (instance) > 1 and on (job) (${SHORTER} < 5 or ${SHORTER} > 7)`,
      is: lines(
        "    sum without (instance) (",
        `      rate(${LONG}[5m])`,
        "    )",
        "  >",
        "    1",
        "and on (job)",
        "  (",
        `      ${SHORTER} < 5`,
        "    or",
        `      ${SHORTER} > 7`,
        "  )",
      ),
    },
    {
      what: "a selector that is too long alone",
      text: `${LONG.slice(0, -1)},z="${"x".repeat(50)}"}`,
      is: `${LONG.slice(0, -1)},z="${"x".repeat(50)}"}`,
    },
  ])("$what", ({ text, is }) => {
    const pretty = formatPretty(parseExpr(text));
    expect(pretty).toBe(is);
    expect(formatPretty(parseExpr(pretty))).toBe(pretty);
  });
});
