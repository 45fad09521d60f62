import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bound, cleanBlock, cleanJson, cleanLine } from "./clean-text.js";

const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;

describe("a line", () => {
  test.each([
    ["plain text, umlauts and ideographs", "disk /var füllt 磁盘", "disk /var füllt 磁盘"],
    ["colours", "\u001b[1;31mred\u001b[0m", "red"],
    ["a title that a terminal would set", "a\u001b]0;owned\u0007b", "ab"],
    ["C1 escapes", "a\u009b31mb", "ab"],
    ["line breaks", "one\r\n\ttwo\u2028three", "one two three"],
    ["bidirectional overrides", "abc\u202etxt.exe\u2066", "abctxt.exe"],
    ["zero-width characters", "ig\u200bno\u200dre\ufeff", "ignore"],
    ["letters as invisible tags", "hi\u{e0041}\u{e0042}", "hi"],
    ["bytes as variation selectors", "hi\ufe01\u{e0112}", "hi"],
    ["half a character", "a\ud800b", "a\ufffdb"],
  ])("loses %s", (_, dirty, clean) => {
    expect(cleanLine(dirty, 100)).toBe(clean);
  });

  test("says how much is missing, whatever its length", () => {
    expect(cleanLine("x".repeat(12), 10)).toBe(`${"x".repeat(10)}… (2 more characters)`);
    expect(cleanLine("x".repeat(1_000_000), 10)).toBe(`${"x".repeat(10)}… (999990 more characters)`);
    expect(bound("x".repeat(12), 10)).toBe(`${"x".repeat(10)}… (2 more characters)`);
  });

  test("never holds what is not seen, never grows past its bound", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 300 }),
        fc.integer({ min: 1, max: 100 }),
        (text, max) => {
          const clean = cleanLine(text, max);
          expect(clean).not.toMatch(UNSEEN);
          expect(clean.length).toBeLessThanOrEqual(max + 40);
          expect(cleanLine(clean, 1_000)).toBe(clean);
        },
      ),
    );
  });
});

test("a block keeps its lines and tabs, and nothing else unseen", () => {
  expect(cleanBlock("a\r\n\tb\rc\u0000\u001b[2Jd")).toBe("a\n\tb\ncd");
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      expect(cleanBlock(text).replace(/[\n\t]/g, "")).not.toMatch(UNSEEN);
    }),
  );
});

describe("JSON from elsewhere", () => {
  test.each([
    ["nothing", "", null],
    ["what is not JSON", "rm -rf\u001b[2J /", "rm -rf /"],
    ["texts and names", '{"a\\u202eb":"c\\u001b[1md"}', { ab: "cd" }],
    ["what is deep", "[[[[[[[1]]]]]]]", [[[[[["… (deeper)"]]]]]]],
    ["numbers and the rest", "[1.5,true,null]", [1.5, true, null]],
  ])("%s is cleaned", (_, text, clean) => {
    expect(cleanJson(text, 1_000)).toEqual(clean);
  });

  test("long lists say what was left out", () => {
    const list = cleanJson(JSON.stringify(Array.from({ length: 60 }, (_, i) => i)), 10_000) as unknown[];
    expect(list).toHaveLength(51);
    expect(list.at(-1)).toBe("… (10 more)");
  });

  test("a name such as __proto__ is a name", () => {
    expect(JSON.stringify(cleanJson('{"__proto__":{"admin":true}}', 100))).toBe(
      '{"__proto__":{"admin":true}}',
    );
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  test("whatever it is, its size stays within a small multiple of the budget", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), fc.integer({ min: 10, max: 2_000 }), (text, budget) => {
        expect(JSON.stringify(cleanJson(text, budget)).length).toBeLessThan(budget * 8 + 2_000);
      }),
    );
    expect(
      JSON.stringify(cleanJson(JSON.stringify(Array(50).fill(Array(50).fill("x".repeat(300)))), 1_000))
        .length,
    ).toBeLessThan(5_000);
  });
});
