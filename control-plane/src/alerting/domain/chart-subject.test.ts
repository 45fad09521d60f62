import { expect, test } from "vitest";
import { chartSubject } from "./chart-subject.js";

test.each([
  ["a > 5", "a", { kind: "number", op: ">", value: 5 }],
  ["5 >= a", "a", { kind: "number", op: "<=", value: 5 }],
  ["((a / b) < 1 - 0.2 * 2)", "(a / b)", { kind: "number", op: "<", value: 0.6 }],
  ["a == -1", "a", { kind: "number", op: "==", value: -1 }],
  ["a > b * 2", "a", { kind: "expression", op: ">", expr: "b * 2" }],
  ["up unless a > 3 and b", "a", { kind: "number", op: ">", value: 3 }],
  ["a > 10 and b < 3", "a", { kind: "number", op: ">", value: 10 }],
  ["absent(up)", "absent(up)", undefined],
  ["sum(a > 5)", "sum(a > 5)", undefined],
])("of %s it is %s", (text, expr, threshold) => {
  expect(chartSubject(text)).toEqual(threshold === undefined ? { expr } : { expr, threshold });
});
