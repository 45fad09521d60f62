import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tokenId } from "../../kernel/ids.js";
import { formatTokenText, judgeToken, parseTokenText, type Token } from "./token.js";

const token: Token = {
  tokenId: tokenId("0".repeat(16)),
  name: "ada",
  roles: ["viewer"],
  createdAt: 0,
  expiresAt: undefined,
  revokedAt: undefined,
  lastUsedAt: undefined,
  kind: "human",
};

describe("a token's text", () => {
  test("is read back as it was written, whatever its secret holds", () => {
    const hex = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 16, maxLength: 16 });
    const secret = fc.string({ unit: fc.constantFrom(..."aZ09_-"), minLength: 43, maxLength: 43 });
    fc.assert(
      fc.property(hex, secret, (id, text) => {
        const parts = { tokenId: tokenId(id), secret: text };
        expect(parseTokenText(formatTokenText(parts))).toEqual(parts);
      }),
    );
  });

  test.each([
    "",
    "mst",
    `mst_${"0".repeat(16)}_`,
    `mst_${"0".repeat(16)}_${"a".repeat(44)}`,
    `mjt_${"0".repeat(16)}_${"a".repeat(43)}`,
  ])("%j is none", (text) => {
    expect(parseTokenText(text)).toBeUndefined();
  });
});

describe("judgeToken", () => {
  test.each([
    { when: "it has no end", facts: {}, at: 1e15, is: "valid" },
    { when: "it is 1 ms before its end", facts: { expiresAt: 10 }, at: 9, is: "valid" },
    { when: "it is its end", facts: { expiresAt: 10 }, at: 10, is: "refused" },
    { when: "it was revoked", facts: { revokedAt: 5 }, at: 6, is: "refused" },
    { when: "it was revoked, in the clock's future", facts: { revokedAt: 5 }, at: 4, is: "refused" },
  ])("$when: $is", ({ facts, at, is }) => {
    expect(judgeToken({ ...token, ...facts }, at).kind).toBe(is);
  });
});
