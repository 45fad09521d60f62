import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Labels } from "../kernel/labels.js";
import { PromqlError } from "./errors.js";
import { evaluateInstant, evaluateRange } from "./evaluate.js";
import { keyOf } from "./label-sets.js";
import { MemorySeries } from "./memory-series.js";
import { parseExpr } from "./parse.js";
import { parseSeries } from "./series-notation.js";
import { anyExpression } from "./testing/any-expression.js";
import type { Value } from "./value.js";

function sourceOf(gap: number, ...lines: readonly string[]): MemorySeries {
  const series = new MemorySeries();
  for (const line of lines) {
    const { labels, points } = parseSeries(line);
    points.forEach((point, index) => {
      if (typeof point === "number") series.append(labels, index * gap, point);
      if (point === "stale") series.appendStale(labels, index * gap);
    });
  }
  return series;
}

const WORLD = [
  'a_total{x="1", y="1"} 0+3x12',
  'a_total{x="1", y="2"} 0+1x4 0+2x6',
  'a_total{x="2", y="1"} 5 _ _ 7 stale _ 1 2 3',
  'b{x="1"} 1 -1 NaN 4 Inf -Inf 0 3',
  'b{x="2"} _ _ _ 2 stale 2 2',
  'c_bucket{x="1", le="1"} 0+1x12',
  'c_bucket{x="1", le="+Inf"} 0+2x12',
  'c_bucket{x="2", le="1"} 4x12',
];

/** An answer, or what was wrong with the question, in a form that can be compared. */
function outcome(evaluate: () => Value): Map<string, number> | string {
  try {
    const value = evaluate();
    if (value.kind !== "vector") return value.kind;
    return new Map(value.samples.map((sample) => [keyOf(sample.labels), sample.value]));
  } catch (error) {
    if (error instanceof PromqlError) return `${error.kind}: ${error.message}`;
    throw error;
  }
}

/**
 * Expressions whose value at a step depends on nothing but that step. `@ start()` and `@ end()` mean the whole query; a
 * tie or a failure of one step is another's business.
 */
const pointwise = anyExpression.filter((text) => !/@ (start|end)/.test(text));

test("each step of a range is what an instant query gives at that time", () => {
  const source = sourceOf(30_000, ...WORLD);
  fc.assert(
    fc.property(
      pointwise,
      fc.integer({ min: 0, max: 300_000 }),
      fc.integer({ min: 1, max: 90_000 }),
      (text, from, step) => {
        const expr = parseExpr(text);
        const range = { from, to: from + 4 * step, step };
        let matrix: ReturnType<typeof evaluateRange>;
        try {
          matrix = evaluateRange(expr, range, source);
        } catch (error) {
          // Then some step, or two together, has no answer; that is not what this is about.
          if (error instanceof PromqlError) return;
          throw error;
        }
        for (let index = 0; index <= 4; index++) {
          const at = from + index * step;
          const expected = new Map<string, number>();
          for (const { labels, timestamps, values } of matrix.series) {
            const place = timestamps.indexOf(at);
            if (place >= 0) expected.set(keyOf(labels), values[place] as number);
          }
          expect(outcome(() => evaluateInstant(expr, at, source))).toEqual(expected);
        }
      },
    ),
    { numRuns: 400 },
  );
});

test("what an expression remembers of one evaluation never shows in the next", () => {
  const worlds = [
    sourceOf(30_000, ...WORLD),
    sourceOf(30_000, ...WORLD.slice(2)),
    sourceOf(30_000, ...WORLD.slice(0, 4), 'b{x="3"} 1x12', 'a_total{x="3", y="1"} 0+9x12'),
    sourceOf(30_000),
  ];
  const visits = fc.array(fc.tuple(fc.constantFrom(...worlds), fc.integer({ min: 0, max: 400_000 })), {
    minLength: 2,
    maxLength: 5,
  });
  fc.assert(
    fc.property(anyExpression, visits, (text, order) => {
      const kept = parseExpr(text);
      for (const [source, at] of order) {
        const fresh = outcome(() => evaluateInstant(parseExpr(text), at, source));
        expect(outcome(() => evaluateInstant(kept, at, source))).toEqual(fresh);
      }
    }),
    { numRuns: 300 },
  );
});

describe("the types of answers", () => {
  const source = sourceOf(60_000, 'up{job="a"} 1 0 1', 'up{job="b"} 1 stale');

  test("a scalar", () => {
    expect(evaluateInstant(parseExpr("1 + time()"), 5_000, source)).toEqual({
      kind: "scalar",
      timestamp: 5_000,
      value: 6,
      warnings: [],
      infos: [],
    });
  });

  test("a string", () => {
    expect(evaluateInstant(parseExpr('("text")'), 5_000, source)).toMatchObject({
      kind: "string",
      value: "text",
    });
  });

  test("a vector, at the time of the evaluation", () => {
    expect(evaluateInstant(parseExpr("up"), 90_000, source)).toMatchObject({
      kind: "vector",
      samples: [{ labels: { __name__: "up", job: "a" }, timestamp: 90_000, value: 0 }],
    });
  });

  test("the samples of a range vector as they are, without markers", () => {
    expect(evaluateInstant(parseExpr("up[2m]"), 120_000, source)).toMatchObject({
      kind: "matrix",
      series: [
        { labels: { job: "a" }, timestamps: Float64Array.of(60_000, 120_000), values: Float64Array.of(0, 1) },
      ],
    });
  });

  test("a scalar over a range is a series without labels", () => {
    const { series } = evaluateRange(parseExpr("time() * 2"), { from: 0, to: 2_500, step: 1_000 }, source);
    expect(series).toEqual([
      { labels: {}, timestamps: Float64Array.of(0, 1000, 2000), values: Float64Array.of(0, 2, 4) },
    ]);
  });

  test("series over a range come ordered by their labels", () => {
    const { series } = evaluateRange(
      parseExpr('label_replace(up, "job", "z", "job", "a")'),
      { from: 0, to: 0, step: 1 },
      source,
    );
    expect(series.map(({ labels }: { labels: Labels }) => labels["job"])).toEqual(["b", "z"]);
  });

  test.each([
    {
      text: "up[5m]",
      says: 'invalid expression type "range vector" for range query, must be Scalar or instant Vector',
    },
    {
      text: '"a"',
      says: 'invalid expression type "string" for range query, must be Scalar or instant Vector',
    },
  ])("a range query has no answer for $text", ({ text, says }) => {
    expect(() => evaluateRange(parseExpr(text), { from: 0, to: 1, step: 1 }, source)).toThrow(says);
  });

  test.each([{ step: 0 }, { step: -1 }, { step: Number.NaN }])("a step of $step is refused", ({ step }) => {
    expect(() => evaluateRange(parseExpr("up"), { from: 0, to: 1, step }, source)).toThrow(
      "zero or negative query resolution step",
    );
  });

  test("with the text at hand, warnings say where", () => {
    const text = "sum(quantile(7, up))";
    expect(evaluateInstant(parseExpr(text), 0, source, { text }).warnings).toEqual([
      "PromQL warning: quantile value should be between 0 and 1, got 7 (1:14)",
    ]);
  });

  test("more than ten different warnings are counted, not listed", () => {
    const expr = parseExpr("quantile(time() + 2, up)");
    const { warnings } = evaluateRange(expr, { from: 0, to: 13_000, step: 1_000 }, source);
    expect(warnings).toHaveLength(11);
    expect(warnings[10]).toBe("4 more warning annotations omitted");
  });
});

describe("limits", () => {
  const source = sourceOf(60_000, ...Array.from({ length: 20 }, (_, i) => `up{i="${i}"} 1x10`));
  const range = { from: 0, to: 540_000, step: 60_000 };

  test.each([
    {
      name: "series of a selector",
      text: "up",
      limits: { maxSeries: 19 },
      says: "query needs 20 series at once, more than maxSeries (19)",
    },
    {
      name: "samples of a selector",
      text: "up",
      limits: { maxSamples: 199 },
      says: "too many samples into memory: 200, more than maxSamples (199)",
    },
    {
      name: "steps of a subquery",
      text: "sum_over_time(vector(1)[1h:1s])",
      limits: { maxSamples: 3000 },
      says: "more than maxSamples (3000)",
    },
    {
      name: "values counted",
      text: 'count_values("v", up * time())',
      limits: { maxSeries: 20, maxSamples: 205 },
      says: undefined,
    },
  ])("$name", ({ text, limits, says }) => {
    const run = (): unknown => evaluateRange(parseExpr(text), range, source, limits);
    if (says === undefined) expect(run).not.toThrow();
    else
      expect(run).toThrow(expect.objectContaining({ kind: "limit", message: expect.stringContaining(says) }));
  });

  test("exactly at the limit there is an answer", () => {
    expect(
      evaluateRange(parseExpr("up"), range, source, { maxSeries: 20, maxSamples: 200 }).series,
    ).toHaveLength(20);
  });

  test("the caller's check ends the evaluation", () => {
    expect(() => evaluateInstant(parseExpr("up"), 0, source, { shouldStop: () => true })).toThrow(
      expect.objectContaining({ kind: "timeout", message: "query timed out in expression evaluation" }),
    );
  });

  test("one long series is left as soon as many are", () => {
    const dense = sourceOf(1, "x 1+1x100000");
    const expr = parseExpr("sum_over_time(x[1h])");
    let asked = 0;
    const stopSoon = (): boolean => ++asked > 6;
    const wide = { from: 100_000, to: 1_000_000, step: 100 };
    expect(() => evaluateRange(expr, wide, dense, { shouldStop: stopSoon })).toThrow("query timed out");
    expect(asked).toBe(7);
  });

  test("what the check throws comes through as it is", () => {
    const canceled = new PromqlError("canceled", "query was canceled in expression evaluation");
    const stop = (): boolean => {
      throw canceled;
    };
    expect(() => evaluateInstant(parseExpr("up"), 0, source, { shouldStop: stop })).toThrow(canceled);
  });

  test("the lookback decides how long a sample holds", () => {
    const at = (lookbackMs: number): number => {
      const value = evaluateInstant(parseExpr("count(up)"), 660_000, source, { lookbackMs });
      return value.kind === "vector" ? value.samples.length : -1;
    };
    expect(at(60_000)).toBe(0);
    expect(at(60_001)).toBe(1);
  });
});
