import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatExpr } from "./format.js";
import { parseExpr } from "./parse.js";
import { anyExpression } from "./testing/any-expression.js";

describe("an expression is printed as Prometheus prints it", () => {
  test.each([
    ["sum(up)by(job)", "sum by (job) (up)"],
    ["sum without() (up)", "sum without () (up)"],
    ["sum by () (up)", "sum(up)"],
    ["topk without (a,b) (5,up)", "topk without (a, b) (5, up)"],
    [`up{job!='a',x=~"b"}`, `up{job!="a",x=~"b"}`],
    [`{__name__="up"}`, `{__name__="up"}`],
    ["up [ 90s ] offset 1h @ 5", "up[1m30s] @ 5.000 offset 1h"],
    ["up[1d:] @ start() offset -5m", "up[1d:] @ start() offset -5m"],
    ["a==bool on(x)group_right(y)b", "a == bool on (x) group_right (y) b"],
    ["a+ignoring()b", "a + b"],
    ["a and on() b", "a and on () b"],
    ["-(-1)", "-(-1)"],
    ["1e3+.5", "1000 + 0.5"],
    ["5m", "5m"],
    [`label_replace(up, "a", "\\\\$1", "b", \`c\`)`, `label_replace(up, "a", "\\\\$1", "b", "c")`],
    [`sum by ("a.b") (x)`, `sum by ("a.b") (x)`],
  ])("%s", (text, printed) => {
    expect(formatExpr(parseExpr(text))).toBe(printed);
  });
});

test("what is printed reads back as what was printed", () => {
  fc.assert(
    fc.property(anyExpression, (text) => {
      const once = formatExpr(parseExpr(text));
      expect(formatExpr(parseExpr(once))).toBe(once);
    }),
    { numRuns: 400 },
  );
});
