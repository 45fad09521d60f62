import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Buckets, bucketFraction, bucketQuantile } from "./histogram.js";

function buckets(counts: readonly (readonly [number, number])[]): Buckets {
  return {
    bounds: Float64Array.from(counts, ([bound]) => bound),
    counts: Float64Array.from(counts, ([, count]) => count),
    size: counts.length,
  };
}

const INF = Number.POSITIVE_INFINITY;

describe("a quantile of buckets", () => {
  test.each([
    {
      when: "it lies within a bucket",
      q: 0.5,
      counts: [
        [1, 10],
        [2, 30],
        [INF, 30],
      ],
      is: 1.25,
    },
    {
      when: "it lies in the lowest bucket",
      q: 0.1,
      counts: [
        [1, 10],
        [INF, 10],
      ],
      is: 0.1,
    },
    {
      when: "the lowest bucket ends at or below zero",
      q: 0.1,
      counts: [
        [-1, 10],
        [INF, 10],
      ],
      is: -1,
    },
    {
      when: "it lies above all finite bounds",
      q: 0.99,
      counts: [
        [1, 10],
        [INF, 20],
      ],
      is: 1,
    },
    {
      when: "there is no observation",
      q: 0.5,
      counts: [
        [1, 0],
        [INF, 0],
      ],
      is: Number.NaN,
    },
    {
      when: "there is no infinite bucket",
      q: 0.5,
      counts: [
        [1, 10],
        [2, 20],
      ],
      is: Number.NaN,
    },
    { when: "there is the infinite bucket alone", q: 0.5, counts: [[INF, 10]], is: Number.NaN },
    {
      when: "two buckets have one bound",
      q: 0.5,
      counts: [
        [1, 5],
        [1, 5],
        [INF, 20],
      ],
      is: 1,
    },
    {
      when: "q is no number",
      q: Number.NaN,
      counts: [
        [1, 5],
        [INF, 20],
      ],
      is: Number.NaN,
    },
    {
      when: "q is below 0",
      q: -0.1,
      counts: [
        [1, 5],
        [INF, 20],
      ],
      is: Number.NEGATIVE_INFINITY,
    },
    {
      when: "q is above 1",
      q: 1.1,
      counts: [
        [1, 5],
        [INF, 20],
      ],
      is: INF,
    },
  ] as const)("$when", ({ q, counts, is }) => {
    expect(bucketQuantile(q, buckets(counts)).value).toBe(is);
  });

  test("counts that fall are evened out, and that is said unless it is rounding", () => {
    expect(
      bucketQuantile(
        0.5,
        buckets([
          [1, 10],
          [2, 8],
          [INF, 20],
        ]),
      ).forcedMonotonic,
    ).toBe(true);
    expect(
      bucketQuantile(
        0.5,
        buckets([
          [1, 10],
          [2, 10 - 1e-13],
          [INF, 20],
        ]),
      ).forcedMonotonic,
    ).toBe(false);
  });

  test("grows with q and stays between the bounds", () => {
    const anyCounts = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(
        anyCounts,
        fc.double({ min: 1e-6, max: 1, noNaN: true }),
        fc.double({ min: 1e-6, max: 1, noNaN: true }),
        (steps, a, b) => {
          let total = 0;
          const counts = steps.map((step, i) => {
            total += step;
            return [i === steps.length - 1 ? INF : i + 1, total] as const;
          });
          fc.pre(total > 0);
          const low = bucketQuantile(Math.min(a, b), buckets(counts)).value;
          const high = bucketQuantile(Math.max(a, b), buckets(counts)).value;
          expect(low).toBeLessThanOrEqual(high + 1e-9);
          expect(low).toBeGreaterThanOrEqual(0);
          expect(high).toBeLessThanOrEqual(steps.length - 1);
        },
      ),
    );
  });
});

describe("a fraction of observations", () => {
  test.each([
    {
      when: "it spans buckets",
      from: 1,
      to: 2,
      counts: [
        [1, 10],
        [2, 30],
        [INF, 40],
      ],
      is: 0.5,
    },
    {
      when: "it begins at zero",
      from: 0,
      to: 0.5,
      counts: [
        [1, 10],
        [INF, 20],
      ],
      is: 0.25,
    },
    {
      when: "it is everything",
      from: Number.NEGATIVE_INFINITY,
      to: INF,
      counts: [
        [1, 10],
        [INF, 20],
      ],
      is: 1,
    },
    {
      when: "it ends before it begins",
      from: 2,
      to: 1,
      counts: [
        [1, 10],
        [INF, 20],
      ],
      is: 0,
    },
    {
      when: "the lowest bucket has no beginning",
      from: -2,
      to: 1,
      counts: [
        [-1, 10],
        [1, 20],
        [INF, 20],
      ],
      is: 0.5,
    },
    {
      when: "there is no observation",
      from: 0,
      to: 1,
      counts: [
        [1, 0],
        [INF, 0],
      ],
      is: Number.NaN,
    },
    { when: "there is no infinite bucket", from: 0, to: 1, counts: [[1, 10]], is: Number.NaN },
  ] as const)("$when", ({ from, to, counts, is }) => {
    expect(bucketFraction(from, to, buckets(counts))).toBe(is);
  });
});
