import { describe, expect, test } from "vitest";
import { isStale, isStaleAt, markStaleAt, STALE_NAN } from "./series-source.js";

const STALE_BITS = 0x7ff0000000000002n;

describe("the staleness marker", () => {
  test("is written as its bits, and found by them", () => {
    const values = Float64Array.of(1, 2, 3);
    markStaleAt(values, 1);
    expect([...new BigUint64Array(values.buffer)][1]).toBe(STALE_BITS);
    expect([0, 1, 2].map((index) => isStaleAt(values, index))).toEqual([false, true, false]);
  });

  test("is found in a view of a larger block", () => {
    const block = new Float64Array(8);
    const view = block.subarray(3, 6);
    markStaleAt(view, 2);
    expect(isStaleAt(view, 2)).toBe(true);
    expect(isStaleAt(block, 5)).toBe(true);
  });

  test("is told from other NaNs", () => {
    const values = Float64Array.of(Number.NaN, 0 / 0, Number.POSITIVE_INFINITY - Number.POSITIVE_INFINITY);
    expect([0, 1, 2].map((index) => isStaleAt(values, index))).toEqual([false, false, false]);
    expect(isStale(Number.NaN)).toBe(false);
    expect(isStale(Number.POSITIVE_INFINITY)).toBe(false);
  });

  test("comes through the copying of blocks", () => {
    const values = Float64Array.of(1, 2);
    markStaleAt(values, 0);
    const larger = new Float64Array(4);
    larger.set(values);
    expect(isStaleAt(larger, 0)).toBe(true);
    expect(isStaleAt(values.slice(), 0)).toBe(true);
  });

  test("is a NaN to everyone else", () => {
    expect(Number.isNaN(STALE_NAN)).toBe(true);
  });
});
