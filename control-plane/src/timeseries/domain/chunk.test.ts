import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Block, encodeBlock, joinParts, splitParts } from "./chunk.js";
import { halvesOf } from "./double-bits.js";

function bits(values: Float64Array): bigint[] {
  return [...new BigUint64Array(values.buffer, values.byteOffset, values.length)];
}

function fromBits(words: readonly bigint[]): Float64Array {
  return new Float64Array(BigUint64Array.from(words).buffer);
}

function roundTrip(timestamps: Float64Array, columns: readonly Float64Array[]): Float64Array[] {
  const rows = timestamps.length;
  const values = new Float64Array(columns.length * rows);
  const words = new BigUint64Array(values.buffer);
  for (const [index, column] of columns.entries()) words.set(bits(column), index * rows);
  const block = new Block(encodeBlock({ count: columns.length, timestamps, values, stride: rows }, 0, rows));
  expect([...block.timestamps()]).toEqual([...timestamps]);
  const starts = block.columnStarts();
  return columns.map((_, index) => {
    const into = new Float64Array(rows);
    block.readColumn(index, starts, into, halvesOf(into), 0);
    return into;
  });
}

const timesOf = (rows: number): Float64Array =>
  Float64Array.from({ length: rows }, (_, row) => 1.8e12 + row * 15_000);

describe("a block of columns", () => {
  test.each([
    { what: "a constant", values: [7, 7, 7, 7], bytesMax: 3 },
    { what: "a counter of whole units", values: [1e9, 1e9 + 5, 1e9 + 11, 1e9 + 12], bytesMax: 10 },
    { what: "seconds with two decimals", values: [12.34, 12.35, 12.5, 13], bytesMax: 9 },
    { what: "a negative reading", values: [-3.5, -3.25, 0, 4], bytesMax: 9 },
    { what: "zero of either sign", values: [0, -0, 0, -0], bytesMax: 16 },
    { what: "infinities", values: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1, 2], bytesMax: 40 },
    {
      what: "numbers too great for whole differences",
      values: [2 ** 60, 2 ** 60 + 4096, 1, 2],
      bytesMax: 40,
    },
    { what: "the smallest and the greatest", values: [5e-324, Number.MAX_VALUE, 0, 1], bytesMax: 40 },
  ])("$what comes back as it was, in few bytes", ({ values, bytesMax }) => {
    const column = Float64Array.from(values);
    expect(bits(roundTrip(timesOf(values.length), [column])[0] as Float64Array)).toEqual(bits(column));
    const one = { count: 1, timestamps: timesOf(values.length), values: column, stride: values.length };
    const none = { ...one, count: 0 };
    const length = encodeBlock(one, 0, values.length).length - encodeBlock(none, 0, values.length).length;
    expect(length - 1).toBeLessThanOrEqual(bytesMax);
  });

  test("a staleness marker and other NaN keep their payload", () => {
    const column = fromBits([
      0x7ff0000000000002n,
      0x7ff8000000000001n,
      0x3ff0000000000000n,
      0xfff8dead0000beefn,
    ]);
    expect(bits(roundTrip(timesOf(4), [column])[0] as Float64Array)).toEqual(bits(column));
  });

  test("any bits come back, in any number of columns, at any rising times", () => {
    const word = fc.bigInt({ min: 0n, max: 0xffffffffffffffffn });
    const number = fc.oneof(
      fc.double(),
      fc.integer(),
      fc.integer().map((n) => n / 100),
      fc.constant(-0),
    );
    const cell = fc.oneof(
      word.map((w) => fromBits([w])),
      number.map((n) => Float64Array.of(n)),
    );
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 3_600_000 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 0, max: 5 }),
        fc.infiniteStream(cell),
        (steps, count, cells) => {
          let now = 1.7e12;
          const times = Float64Array.from(steps, (step) => {
            now += step;
            return now;
          });
          const columns = Array.from({ length: count }, () =>
            fromBits(steps.map(() => bits(cells.next().value)[0] as bigint)),
          );
          const back = roundTrip(times, columns);
          expect(back.map(bits)).toEqual(columns.map(bits));
        },
      ),
      { numRuns: 300 },
    );
  });

  test("bytes that are cut or changed are refused or decoded within bounds, never a crash of another kind", () => {
    const columns = {
      count: 2,
      timestamps: timesOf(8),
      values: Float64Array.from({ length: 16 }, (_, i) => i / 3),
      stride: 8,
    };
    const whole = encodeBlock(columns, 0, 8);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const bytes = cut ? whole.slice(0, at) : whole.slice();
        if (!cut) bytes[at] = byte;
        try {
          const block = new Block(bytes);
          const starts = block.columnStarts();
          const into = new Float64Array(block.rows);
          for (let column = 0; column < block.columns; column++)
            block.readColumn(column, starts, into, halvesOf(into), 0);
        } catch (error) {
          expect(error).toMatchObject({ code: "DATA_LOSS" });
        }
      }),
      { numRuns: 500 },
    );
  });

  test("parts of a chunk come apart as they were joined", () => {
    const parts = [
      { layout: 0, block: Uint8Array.of(1, 2, 3) },
      { layout: 300, block: new Uint8Array(0) },
      { layout: 1, block: new Uint8Array(1_000).fill(9) },
    ];
    expect(splitParts(joinParts(parts))).toEqual(parts);
  });
});
