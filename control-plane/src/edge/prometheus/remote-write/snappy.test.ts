import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OpsError } from "../../../kernel/errors.js";
import { packSnappy, unpackSnappy } from "./snappy.js";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
const bytes = (...parts: (number | string)[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.of(part))));

describe("a block", () => {
  test.each([
    { what: "nothing", packed: bytes(0), is: "" },
    { what: "a short literal", packed: bytes(3, 2 << 2, "abc"), is: "abc" },
    { what: "a literal with its length in a byte", packed: bytes(3, 60 << 2, 2, "abc"), is: "abc" },
    { what: "a literal with its length in two", packed: bytes(3, 61 << 2, 2, 0, "abc"), is: "abc" },
    { what: "a literal with its length in four", packed: bytes(3, 63 << 2, 2, 0, 0, 0, "abc"), is: "abc" },
    { what: "a copy with one byte of offset", packed: bytes(8, 3 << 2, "abcd", 1, 4), is: "abcdabcd" },
    { what: "a copy with two", packed: bytes(6, 3 << 2, "abcd", (1 << 2) | 2, 4, 0), is: "abcdab" },
    { what: "a copy with four", packed: bytes(6, 3 << 2, "abcd", (1 << 2) | 3, 4, 0, 0, 0), is: "abcdab" },
    { what: "a copy into itself", packed: bytes(6, 0, "a", 1 | (1 << 2), 1), is: "aaaaaa" },
  ])("of $what", ({ packed, is }) => {
    expect(text(unpackSnappy(packed, 100))).toBe(is);
  });

  test.each([
    { what: "no length", packed: bytes(), says: "no length" },
    { what: "a length without end", packed: bytes(255, 255, 255, 255, 255, 255), says: "no length" },
    {
      what: "more than may be",
      packed: bytes(101),
      says: "decoded block of 101 bytes is too large, at most 100",
    },
    { what: "too little", packed: bytes(4, 2 << 2, "abc"), says: "3 bytes where 4 were announced" },
    { what: "a literal beyond its end", packed: bytes(4, 3 << 2, "abc"), says: "a literal is too long" },
    { what: "a literal beyond the block", packed: bytes(2, 2 << 2, "abc"), says: "a literal is too long" },
    { what: "a literal of four gigabytes", packed: bytes(9, 63 << 2, 255, 255, 255, 255), says: "too long" },
    { what: "a cut-off length", packed: bytes(9, 63 << 2, 255), says: "a length is cut off" },
    { what: "a copy from nowhere", packed: bytes(5, 0, "a", 1, 2), says: "a copy from before the beginning" },
    { what: "a copy of offset 0", packed: bytes(5, 0, "a", 1, 0), says: "a copy from before the beginning" },
    { what: "a copy beyond the block", packed: bytes(4, 0, "a", 1, 1), says: "a copy is too long" },
    { what: "a cut-off copy", packed: bytes(5, 0, "a", 2, 1), says: "a copy is cut off" },
  ])("with $what is refused", ({ packed, says }) => {
    expect(() => unpackSnappy(packed, 100)).toThrow(says);
  });
});

test("whatever is packed is unpacked", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200_000, size: "max" }), (given) => {
      expect(Buffer.from(unpackSnappy(packSnappy(given), 200_000)).equals(Buffer.from(given))).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test("whatever comes in, it is unpacked or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(200), (given, size) => {
      try {
        expect(unpackSnappy(Buffer.concat([Buffer.of(size & 127), given]), 1_000).length).toBe(size & 127);
      } catch (error) {
        if (!(error instanceof OpsError)) throw error;
      }
    }),
    { numRuns: 2_000 },
  );
});
