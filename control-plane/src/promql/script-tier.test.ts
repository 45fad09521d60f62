import { describe, expect, test } from "vitest";
import { runScript } from "./promqltest.js";

const LOAD = `load 1m
  plain 1 2 3
  native {{schema:0 sum:1 count:1}}x2
  mixed{part="a"} 1 2 3
  mixed{part="b"} {{schema:0 sum:1 count:1}}x2
`;

describe("the tier of an eval", () => {
  test.each([
    { expr: "plain", tier: "essential", when: "it reads floats" },
    { expr: "native", tier: "native-histograms", when: "it reads native histograms" },
    {
      expr: "sum(rate(mixed[2m]))",
      tier: "native-histograms",
      when: "some of what it reads are native histograms",
    },
    { expr: 'mixed{part="a"}', tier: "essential", when: "its matchers leave the native ones out" },
    {
      expr: "count_over_time((native > 0)[2m:1m]) + 1",
      tier: "native-histograms",
      when: "they are read deep inside",
    },
    { expr: "histogram_sum(plain)", tier: "native-histograms", when: "its function is about them" },
    { expr: "mad_over_time(plain[2m])", tier: "experimental", when: "its function is behind a flag" },
    { expr: "limitk(1, plain)", tier: "experimental", when: "its aggregation is behind a flag" },
    { expr: "plain[1m+1m]", tier: "experimental", when: "its syntax is behind a flag" },
    { expr: "sum(", tier: "essential", when: "it cannot be parsed at all" },
  ])("is $tier when $when", ({ expr, tier }) => {
    expect(runScript(`${LOAD}\neval instant at 1m ${expr}\n`)[0]?.tier).toBe(tier);
  });

  test("is native-histograms when it expects one", () => {
    const [result] = runScript(`${LOAD}\neval instant at 1m plain\n  plain {{schema:0 sum:1 count:1}}\n`);
    expect(result?.tier).toBe("native-histograms");
  });

  test("is experimental in scripts that Prometheus runs under a flag", () => {
    const text = `${LOAD}\neval instant at 1m plain\n  plain 2\n`;
    expect(runScript(text, {}, "name_label_dropping.test")[0]?.tier).toBe("experimental");
    expect(runScript(text, {}, "operators.test")[0]?.tier).toBe("essential");
  });

  test("forgets native histograms with `clear`, and counts converted ones with `load_with_nhcb`", () => {
    const after = `clear\nload 1m\n  native 1 2\neval instant at 1m native\n  native 2\n`;
    expect(runScript(LOAD + after)[0]?.tier).toBe("essential");
    const converted = `load_with_nhcb 1m\n  h_bucket{le="1"} 1 1\neval instant at 1m h\n`;
    expect(runScript(converted)[0]?.tier).toBe("native-histograms");
  });
});
