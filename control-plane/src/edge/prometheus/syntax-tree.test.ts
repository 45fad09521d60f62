import { describe, expect, test } from "vitest";
import { parseExpr } from "../../promql/parse.js";
import { syntaxTree } from "./syntax-tree.js";

const up = {
  type: "vectorSelector",
  name: "up",
  offset: 0,
  matchers: [{ name: "__name__", value: "up", type: "=" }],
  timestamp: null,
  startOrEnd: null,
};

describe("the tree of", () => {
  test.each([
    { text: "1.50", tree: { type: "numberLiteral", val: "1.5" } },
    { text: "-Inf", tree: { type: "numberLiteral", val: "-Inf" } },
    { text: "-up", tree: { type: "unaryExpr", op: "-", expr: up } },
    { text: '"x"', tree: { type: "stringLiteral", val: "x" } },
    { text: "up", tree: up },
    { text: "(up)", tree: { type: "parenExpr", expr: up } },
    {
      text: 'up{job=~"a|b"} offset 5m @ 12.5',
      tree: {
        ...up,
        offset: 300_000,
        matchers: expect.arrayContaining([{ name: "job", value: "a|b", type: "=~" }]),
        timestamp: 12_500,
      },
    },
    { text: "up[5m] @ end()", tree: { ...up, type: "matrixSelector", range: 300_000, startOrEnd: "end" } },
    {
      text: "up[30m:1m] offset -1m",
      tree: {
        type: "subquery",
        expr: up,
        range: 1_800_000,
        step: 60_000,
        offset: -60_000,
        timestamp: null,
        startOrEnd: null,
      },
    },
    { text: "up[30m:]", tree: expect.objectContaining({ type: "subquery", step: 0 }) },
    {
      text: "rate(up[5m])",
      tree: {
        type: "call",
        func: { name: "rate", argTypes: ["matrix"], variadic: 0, returnType: "vector" },
        args: [{ ...up, type: "matrixSelector", range: 300_000 }],
      },
    },
    {
      text: "topk by (job) (3, up)",
      tree: {
        type: "aggregation",
        op: "topk",
        expr: up,
        param: { type: "numberLiteral", val: "3" },
        grouping: ["job"],
        without: false,
      },
    },
    {
      text: "up == bool on (job) group_left (x) up",
      tree: {
        type: "binaryExpr",
        op: "==",
        lhs: up,
        rhs: up,
        matching: { card: "many-to-one", labels: ["job"], on: true, include: ["x"] },
        bool: true,
      },
    },
    { text: "1 + 2", tree: expect.objectContaining({ matching: null, bool: false }) },
  ])("$text", ({ text, tree }) => {
    expect(syntaxTree(parseExpr(text))).toEqual(tree);
  });
});
