import { describe, expect, test } from "vitest";
import type { Expr } from "./ast.js";
import { PromqlError } from "./errors.js";
import { parseExpr, parseSelector } from "./parse.js";

function messageOf(text: string): string {
  try {
    parseExpr(text);
  } catch (error) {
    if (error instanceof PromqlError && error.kind === "parse") return error.message;
    throw error;
  }
  return "no error";
}

describe("what is wrong, and where, in Prometheus' words", () => {
  test.each([
    { text: "", says: "1:1: parse error: no expression found in input" },
    { text: " # nothing\n", says: "1:1: parse error: no expression found in input" },
    { text: "1+", says: "1:3: parse error: unexpected end of input" },
    { text: "up\n  and\n", says: "3:1: parse error: unexpected end of input" },
    { text: "(1", says: "1:3: parse error: unclosed left parenthesis" },
    { text: "(1))", says: "1:4: parse error: unexpected right parenthesis ')'" },
    { text: "*1", says: "1:1: parse error: unexpected <op:*>" },
    { text: "1 ! 2", says: "1:3: parse error: unexpected character after '!': ' '" },
    { text: "up = 1", says: '1:4: parse error: unexpected "="' },
    { text: "up =~ 1", says: "1:4: parse error: unexpected character after '=': '~'" },
    { text: "up down", says: '1:4: parse error: unexpected identifier "down"' },
    { text: "up}", says: "1:3: parse error: unexpected character: '}'" },
    { text: "é", says: "1:1: parse error: unexpected character: 'é'" },
    { text: '"é" + $', says: "1:8: parse error: unexpected character: '$'" },
    { text: "2.5.", says: '1:1: parse error: bad number or duration syntax: "2.5."' },
    { text: "5mm", says: '1:1: parse error: bad number or duration syntax: "5mm"' },
    {
      text: "1e400",
      says: '1:1: parse error: error parsing number: strconv.ParseFloat: parsing "1e400": invalid syntax',
    },
    { text: "up{", says: "1:4: parse error: unexpected end of input inside braces" },
    {
      text: 'up{job="a" x}',
      says: '1:12: parse error: unexpected identifier "x" in label matching, expected "," or "}"',
    },
    {
      text: "up{job=a}",
      says: '1:8: parse error: unexpected identifier "a" in label matching, expected string',
    },
    {
      text: "up{job}",
      says: '1:7: parse error: unexpected "}" in label matching, expected label matching operator',
    },
    { text: "up{,}", says: '1:4: parse error: unexpected "," in label matching, expected identifier or "}"' },
    { text: "up{a:b=1}", says: "1:5: parse error: unexpected character inside braces: ':'" },
    { text: "up{a!b}", says: "1:5: parse error: unexpected character after '!' inside braces: 'b'" },
    {
      text: '{job=""}',
      says: "1:1: parse error: vector selector must contain at least one non-empty matcher",
    },
    { text: 'up{__name__="x"}', says: '1:1: parse error: metric name must not be set twice: "up" or "x"' },
    { text: 'up{job=~"("}', says: "1:4: parse error: error parsing regexp: missing closing ): `(`" },
    {
      text: 'up{job=~"(?<!a)b"}',
      says: "1:4: parse error: error parsing regexp: invalid or unsupported Perl syntax: `(?<!`",
    },
    {
      text: 'up{job=~"(a)\\\\1"}',
      says: "1:4: parse error: error parsing regexp: invalid escape sequence: `\\1`",
    },
    { text: '"a', says: "1:1: parse error: unterminated quoted string" },
    { text: '"\\q"', says: "1:1: parse error: unknown escape sequence U+0071 'q'" },
    { text: "up[5m", says: "1:6: parse error: unclosed left bracket" },
    {
      text: "up[]",
      says: '1:4: parse error: unexpected "]" in subquery selector, expected number or duration',
    },
    { text: "up[0s]", says: "1:4: parse error: duration must be greater than 0" },
    { text: "up[1h5h]", says: '1:4: parse error: not a valid duration string: "1h5h"' },
    { text: "up[5m+1m]", says: "1:4: parse error: experimental duration expression is not enabled" },
    { text: "up[5m:1m:1m]", says: "1:9: parse error: unexpected colon ':'" },
    { text: "sum(up)[5m]", says: "1:8: parse error: ranges only allowed for vector selectors" },
    { text: "up offset 1m[5m]", says: "1:13: parse error: no offset modifiers allowed before range" },
    {
      text: "up offset x",
      says: '1:11: parse error: unexpected identifier "x" in offset, expected number or duration',
    },
    {
      text: "1 offset 5m",
      says: "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
    },
    { text: "up offset 1m offset 2m", says: "1:1: parse error: offset may not be set multiple times" },
    { text: "up @ 1 @ 2", says: "1:1: parse error: @ <timestamp> may not be set multiple times" },
    { text: "up @ x", says: '1:6: parse error: unexpected identifier "x" in @, expected timestamp' },
    { text: "up @ Inf", says: "1:1: parse error: timestamp out of bounds for @ modifier: +Inf" },
    {
      text: "rate(up)",
      says: '1:6: parse error: expected type range vector in call to function "rate", got instant vector',
    },
    { text: "rate()", says: '1:1: parse error: expected 1 argument(s) in call to "rate", got 0' },
    {
      text: "round(up, 1, 2)",
      says: '1:1: parse error: expected at most 2 argument(s) in call to "round", got 3',
    },
    {
      text: "label_join(up)",
      says: '1:1: parse error: expected at least 3 argument(s) in call to "label_join", got 1',
    },
    { text: "abs(up,)", says: "1:7: parse error: trailing commas not allowed in function call args" },
    { text: "1 + rat(up[5m])", says: '1:5: parse error: unknown function with name "rat"' },
    { text: "mad_over_time(up[5m])", says: '1:1: parse error: function "mad_over_time" is not enabled' },
    {
      text: "limitk(1, up)",
      says: "1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
    },
    { text: "sum()", says: "1:1: parse error: no arguments for aggregate expression provided" },
    {
      text: "topk(up)",
      says: "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
    },
    {
      text: "sum(1)",
      says: "1:5: parse error: expected type instant vector in aggregation expression, got scalar",
    },
    {
      text: "sum by job (up)",
      says: '1:8: parse error: unexpected identifier "job" in grouping opts, expected "("',
    },
    {
      text: "sum by (job instance) (up)",
      says: '1:13: parse error: unexpected identifier "instance" in grouping opts, expected "," or ")"',
    },
    { text: "sum up", says: '1:5: parse error: unexpected identifier "up" in aggregation' },
    { text: "1 == 1", says: "1:3: parse error: comparisons between scalars must use BOOL modifier" },
    { text: "up + bool 1", says: "1:4: parse error: bool modifier can only be used on comparison operators" },
    {
      text: "up and 1",
      says: '1:1: parse error: set operator "and" not allowed in binary scalar expression',
    },
    { text: "up == on(a) 1", says: "1:1: parse error: vector matching only allowed between instant vectors" },
    { text: "a and on(x) group_left b", says: '1:1: parse error: no grouping allowed for "and" operation' },
    {
      text: "a * on(x) group_left(x) b",
      says: '1:3: parse error: label "x" must not occur in ON and GROUP clause at once',
    },
    {
      text: 'up + "a"',
      says: "1:6: parse error: binary expression must contain only scalar and instant vector types",
    },
    {
      text: "-up[5m]",
      says: '1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got "range vector"',
    },
    {
      text: "up[5m][10m:]",
      says: "1:1: parse error: subquery is only allowed on instant vector, got matrix instead",
    },
  ])("$text", ({ text, says }) => {
    expect(messageOf(text)).toBe(says);
  });

  test("an expression too deep to be evaluated is refused, however it got deep", () => {
    expect(messageOf(`${"(".repeat(5000)}1${")".repeat(5000)}`)).toContain("nested more than");
    expect(messageOf(`${"-".repeat(5000)}up`)).toContain("nested more than");
    expect(messageOf(Array.from({ length: 5000 }, () => "up").join(" + "))).toContain("nested more than");
    expect(messageOf(Array.from({ length: 900 }, () => "up").join(" or "))).toBe("no error");
  });

  test("the error says where in the text", () => {
    expect(() => parseExpr("sum(rat(up[5m]))")).toThrow(
      expect.objectContaining({ span: { type: "identifier", text: "rat", start: 4, end: 7 } }),
    );
  });
});

/** The tree as a text with all parentheses. */
function shape(expr: Expr): string {
  switch (expr.kind) {
    case "binary":
      return `(${shape(expr.left)} ${expr.op} ${shape(expr.right)})`;
    case "unary":
      return `(${expr.op}${shape(expr.expr)})`;
    case "vector-selector":
      return expr.name;
    case "number":
      return String(expr.value);
    default:
      return expr.kind;
  }
}

describe("what binds how tightly", () => {
  test.each([
    { text: "a + b * c", means: "(a + (b * c))" },
    { text: "a - b - c", means: "((a - b) - c)" },
    { text: "a ^ b ^ c", means: "(a ^ (b ^ c))" },
    { text: "-a ^ b", means: "(-(a ^ b))" },
    { text: "-a * b", means: "((-a) * b)" },
    { text: "-1 ^ 2", means: "(-(1 ^ 2))" },
    { text: "2 ^ -1", means: "(2 ^ -1)" },
    { text: "a or b and c", means: "(a or (b and c))" },
    { text: "a and b unless c", means: "((a and b) unless c)" },
    { text: "a > b + c", means: "(a > (b + c))" },
    { text: "a atan2 b + c", means: "((a atan2 b) + c)" },
    { text: "a == b and c", means: "((a == b) and c)" },
    { text: "sum or and", means: "(sum or and)" },
  ])("$text", ({ text, means }) => {
    expect(shape(parseExpr(text))).toBe(means);
  });
});

describe("literals", () => {
  test.each([
    { text: "0x1F", value: 31 },
    { text: "010", value: 8 },
    { text: "09", value: 9 },
    { text: "1_000.5", value: 1000.5 },
    { text: ".5e1", value: 5 },
    { text: "2.", value: 2 },
    { text: "inF", value: Number.POSITIVE_INFINITY },
    { text: "-Inf", value: Number.NEGATIVE_INFINITY },
    { text: "1h30m", value: 5400 },
    { text: "-500ms", value: -0.5 },
  ])("$text", ({ text, value }) => {
    expect(parseExpr(text)).toMatchObject({ kind: "number", value });
  });

  test.each([
    { text: `"a\\n\\x41\\u00e9\\101"`, value: "a\nAéA" },
    { text: "'it\\'s'", value: "it's" },
    { text: "`raw\\n`", value: "raw\\n" },
    { text: `"\\xc3\\xa9"`, value: "é" },
    { text: `"\\xff"`, value: "\udcff" },
  ])("$text", ({ text, value }) => {
    expect(parseExpr(text)).toMatchObject({ kind: "string", value });
  });
});

describe("selectors and their modifiers", () => {
  test("offset and @ belong to the selector, in any order", () => {
    const one = parseExpr("up[5m] offset -1h @ 12.5");
    const other = parseExpr("up[5m] @ 12.5 offset -1h");
    expect(one).toEqual(other);
    expect(one).toMatchObject({
      range: 300_000,
      selector: { offset: -3_600_000, at: { kind: "time", at: 12_500 } },
    });
  });

  test("names and labels may be quoted, and lists may end with a comma", () => {
    expect(parseExpr(`{"http.requests", "label.one"=~"a|b",}`)).toMatchObject({
      matchers: [
        { name: "__name__", op: "=", value: "http.requests" },
        { name: "label.one", op: "=~", value: "a|b" },
      ],
    });
  });

  test("keywords may be labels and metrics where nothing else can stand", () => {
    expect(parseExpr("sum by (by, on, sum) (offset)")).toMatchObject({
      grouping: ["by", "on", "sum"],
      expr: { name: "offset" },
    });
  });

  test("a lone selector gives its matchers", () => {
    expect(parseSelector('up{job="a"}')).toEqual([
      { name: "job", op: "=", value: "a" },
      { name: "__name__", op: "=", value: "up" },
    ]);
    expect(() => parseSelector("sum(up)")).toThrow("1:1: parse error: expected a selector without modifiers");
  });
});
