import { expect, test } from "vitest";
import { PlanMemory, settledLabels } from "./plans.js";

const a = { x: "a" };
const b = { x: "b" };
const node = {};

test("a plan holds as long as the label sets are the same objects in the same order", () => {
  const plans = new PlanMemory<number>();
  let made = 0;
  const recall = (...inputs: readonly (readonly (typeof a)[])[]): number =>
    plans.recall(node, inputs, () => ++made);
  expect(recall([a, b], [a])).toBe(1);
  expect(recall([a, b], [a])).toBe(1);
  expect(recall([b, a], [a])).toBe(2);
  expect(recall([b], [a])).toBe(3);
  expect(recall([b, a], [a])).toBe(4);
  expect(recall([b, { x: "a" }], [a])).toBe(5);
  expect(recall([], [a])).toBe(6);
});

test("each expression has its own plan", () => {
  const plans = new PlanMemory<string>();
  expect(plans.recall({}, [[a]], () => "one")).toBe("one");
  expect(plans.recall({}, [[a]], () => "other")).toBe("other");
});

test("the same selection is the same array", () => {
  const first = settledLabels(node, [a, b]);
  expect(settledLabels(node, [a, b])).toBe(first);
  expect(settledLabels(node, [a])).not.toBe(first);
});
