import fc from "fast-check";
import { expect, test } from "vitest";
import { tokensOf } from "./budget.js";
import { readCursor, takeRows, writeCursor } from "./page.js";

test("walking by cursor gives every row once, in order, whatever the sizes", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 6_000 }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 20 }),
      (sizes, limit) => {
        const all = sizes.map((size, i) => ({ i, text: "x".repeat(size) }));
        const seen: number[] = [];
        let cursor: string | undefined;
        do {
          const at = readCursor(cursor, limit);
          const from = Number(at.token || 0);
          const page = all.slice(from, from + at.size);
          const next = from + at.size < all.length ? String(from + at.size) : "";
          const { rows, nextCursor } = takeRows(page, at, next, 2_000);
          expect(rows.length <= 1 || tokensOf(rows) <= 2_000).toBe(true);
          seen.push(...rows.map((row) => row.i));
          cursor = nextCursor;
        } while (cursor !== undefined);
        expect(seen).toEqual(all.map((row) => row.i));
      },
    ),
  );
});

test("a listing that is whole is walked by rows", () => {
  const rows = [1, 2, 3, 4, 5];
  const first = takeRows(rows, readCursor(undefined, 2), "", 1_000);
  expect(first.rows).toEqual([1, 2]);
  expect(takeRows(rows, readCursor(first.nextCursor, 99), "", 1_000).rows).toEqual([3, 4]);
});

test.each([
  ["not base64", "%%%"],
  ["not JSON", "bm9wZQ"],
  ["of another shape", Buffer.from('{"a":1}').toString("base64url")],
  ["with a negative place", writeCursor({ token: "", skip: -1, size: 1 })],
  ["with a page too large", writeCursor({ token: "", skip: 0, size: 5_000 })],
])("a cursor that is %s is refused", (_, cursor) => {
  expect(() => readCursor(cursor, 10)).toThrow("cursor: not one that this tool gave");
});
