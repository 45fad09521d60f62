import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileRegexp, expandTemplate } from "./regexp.js";

describe("patterns in RE2's syntax, matched against the whole text", () => {
  test.each([
    { pattern: "", yes: [""], no: ["a"] },
    { pattern: "abc", yes: ["abc"], no: ["abcd", "xabc", "ABC"] },
    { pattern: "a|bc|", yes: ["a", "bc", ""], no: ["abc", "b"] },
    { pattern: ".*", yes: ["", "a\nb", "😀"], no: [] },
    { pattern: ".+", yes: ["a", "\n"], no: [""] },
    { pattern: "api-.*", yes: ["api-", "api-1"], no: ["api", "xapi-1"] },
    { pattern: ".*-api", yes: ["-api", "x-api"], no: ["x-apis"] },
    { pattern: ".*api.*", yes: ["api", "xapiy"], no: ["ap"] },
    { pattern: "^api$", yes: ["api"], no: ["api\n"] },
    { pattern: "(?i)api", yes: ["API", "aPi"], no: ["apis"] },
    { pattern: "(?i:a)b", yes: ["Ab"], no: ["AB"] },
    { pattern: "((?i)a)b", yes: ["Ab"], no: ["AB"] },
    { pattern: "(?i)straße|[à-ü]", yes: ["STRAßE", "Ü"], no: ["STRASSE"] },
    { pattern: "(?-s).", yes: ["a"], no: ["\n"] },
    { pattern: "(?m)a$\\n^b", yes: ["a\nb"], no: ["ab"] },
    { pattern: "[a-c]+[^a-c]?", yes: ["abc", "ax"], no: ["xa", "axy"] },
    { pattern: "[]a]", yes: ["]", "a"], no: ["b"] },
    { pattern: "[^]a]", yes: ["b"], no: ["]", "a"] },
    { pattern: "[a-]", yes: ["a", "-"], no: ["b"] },
    { pattern: "[[:digit:][:^alpha:]]", yes: ["1", "-"], no: ["a"] },
    { pattern: "\\d{2,3}", yes: ["12", "123"], no: ["1", "1234", "٣٣"] },
    { pattern: "a{,2}", yes: ["a{,2}"], no: ["aa"] },
    { pattern: "\\w\\W\\s\\S", yes: ["a- b"], no: ["é- b"] },
    { pattern: "\\pL+\\p{Greek}\\P{L}", yes: ["éα1"], no: ["1α1"] },
    { pattern: "\\x41\\x{1F600}\\101\\.", yes: ["A😀A."], no: ["A😀Ax"] },
    { pattern: "\\Qa.b*\\E+", yes: ["a.b*", "a.b**"], no: ["aab"] },
    { pattern: "\\bab\\b", yes: ["ab"], no: [] },
    { pattern: "a\\Bb", yes: ["ab"], no: [] },
    { pattern: "a\\bb", yes: [], no: ["ab"] },
    { pattern: "(a*)*b", yes: ["b", "aab"], no: ["a"] },
    { pattern: "(?U)a+", yes: ["aaa"], no: [""] },
  ])("$pattern", ({ pattern, yes, no }) => {
    const regexp = compileRegexp(pattern);
    for (const text of yes) expect([text, regexp.test(text)]).toEqual([text, true]);
    for (const text of no) expect([text, regexp.test(text)]).toEqual([text, false]);
  });

  test.each([
    { pattern: "(", says: "missing closing ): `(`" },
    { pattern: "a)", says: "unexpected ): `a)`" },
    { pattern: "[a", says: "missing closing ]: `[a`" },
    { pattern: "*", says: "missing argument to repetition operator: `*`" },
    { pattern: "a**", says: "invalid nested repetition operator: `**`" },
    { pattern: "a++", says: "invalid nested repetition operator: `++`" },
    { pattern: "a{1001}", says: "invalid repeat count: `{1001}`" },
    { pattern: "a{3,2}", says: "invalid repeat count: `{3,2}`" },
    { pattern: "(a{1000}){1000}", says: "expression too large" },
    { pattern: "[b-a]", says: "invalid character class range: `b-a`" },
    { pattern: "\\p{Klingon}", says: "invalid character class range: `\\p{Klingon}`" },
    { pattern: "(?=a)", says: "invalid or unsupported Perl syntax: `(?=`" },
    { pattern: "(?<=a)", says: "invalid or unsupported Perl syntax: `(?<=`" },
    { pattern: "(a)\\1", says: "invalid escape sequence: `\\1`" },
    { pattern: "\\", says: "trailing backslash at end of expression: ``" },
    { pattern: "(?P<n>a)(?P<n>b)", says: "duplicate capture group name: `n`" },
    { pattern: "(".repeat(500) + ")".repeat(500), says: "expression nests too deeply" },
  ])("$pattern is refused", ({ pattern, says }) => {
    expect(() => compileRegexp(pattern)).toThrow(`error parsing regexp: ${says}`);
  });
});

describe("groups", () => {
  test.each([
    { pattern: "(a+)(a*)", text: "aaa", groups: ["aaa", "aaa", ""] },
    { pattern: "(a+?)(a*)", text: "aaa", groups: ["aaa", "a", "aa"] },
    { pattern: "(a|ab)(c|bcd)?", text: "abcd", groups: ["abcd", "a", "bcd"] },
    { pattern: "(x)?(y)", text: "y", groups: ["y", undefined, "y"] },
    { pattern: "(?:(a)|b)*", text: "ab", groups: ["ab", "a"] },
    { pattern: "(.)😀", text: "é😀", groups: ["é😀", "é"] },
    { pattern: "a", text: "b", groups: undefined },
  ])("$pattern on $text", ({ pattern, text, groups }) => {
    expect(compileRegexp(pattern).groups(text)).toEqual(groups);
  });

  test.each([
    { template: "$1-$2", gives: "x-y" },
    { template: ["$", "{1}0$name"].join(""), gives: "x0x" },
    { template: "$10$$$unknown", gives: "$" },
    { template: "$name_", gives: "" },
    { template: "$ ${ $", gives: "$ ${ $" },
  ])("$template", ({ template, gives }) => {
    const { names, groups } = compileRegexp("(?P<name>x)(y)");
    expect(expandTemplate(template, groups("xy") ?? [], names)).toBe(gives);
  });
});

/** Patterns that mean the same to JavaScript, short enough for it. */
const commonPattern = fc.letrec<{ either: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom("a", "b", "c", "[ab]", "[^a]", ".", "\\d"),
    tie("either").map((inner) => `(${inner})`),
    fc
      .tuple(tie("atom"), fc.constantFrom("*", "+", "?", "*?", "+?", "{1,2}"))
      .map(([inner, times]) => `(?:${inner})${times}`),
  ),
  either: fc
    .array(fc.array(tie("atom"), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 2 })
    .map((options) => options.map((parts) => parts.join("")).join("|")),
})).either;

test("matches exactly what JavaScript's regular expressions match", () => {
  fc.assert(
    fc.property(
      commonPattern,
      fc.array(fc.constantFrom("a", "b", "c", "1"), { maxLength: 6 }),
      (pattern, chars) => {
        const text = chars.join("");
        const theirs = new RegExp(`^(?:${pattern})$`, "s").exec(text);
        const ours = compileRegexp(pattern);
        expect(ours.test(text)).toBe(theirs !== null);
        expect(ours.groups(text) === undefined).toBe(theirs === null);
      },
    ),
    { numRuns: 2000 },
  );
});

test("a pattern made to run for years ends at once", () => {
  const text = `${"a".repeat(5000)}!`;
  expect(compileRegexp("(a+)+b").test(text)).toBe(false);
  expect(compileRegexp("(a|a)*(a|a)*c").test(text)).toBe(false);
  expect(compileRegexp("(?:a?){500}a{500}").test("a".repeat(500))).toBe(true);
}, 5000);
