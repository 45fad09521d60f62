import { expect, test } from "vitest";
import type { Alert } from "./evaluate-rule.js";
import { whatToStore } from "./what-to-store.js";

const FIRING: Alert = {
  ruleKey: "g/High",
  labels: { alertname: "High", node: "a" },
  annotations: { summary: "5 of 9", more: "x" },
  state: { kind: "firing", activeAt: 1, firedAt: 2 },
  value: 5,
  because: "the condition holds",
  turns: [2],
  flapping: false,
};

test.each<[string, Partial<Alert>, "now" | "later" | "not"]>([
  ["nothing", {}, "not"],
  ["texts in another order", { annotations: { more: "x", summary: "5 of 9" } }, "not"],
  ["the value", { value: 6 }, "later"],
  ["the value, which is no number any more", { value: Number.NaN }, "later"],
  ["why", { because: "the condition has held for 1m of 5m" }, "later"],
  ["a text", { annotations: { summary: "6 of 9", more: "x" } }, "later"],
  ["a text that is gone", { annotations: { summary: "5 of 9" } }, "later"],
  ["its state", { state: { kind: "pending", activeAt: 1 } }, "now"],
  ["since when it is active", { state: { kind: "firing", activeAt: 0, firedAt: 2 } }, "now"],
  ["since when it fires", { state: { kind: "firing", activeAt: 1, firedAt: 3 } }, "now"],
  ["since when it is kept", { state: { kind: "firing", activeAt: 1, firedAt: 2, keptSince: 3 } }, "now"],
  ["when it fired of late", { turns: [2, 3] }, "now"],
  ["that it flaps", { flapping: true }, "now"],
])("of an alert of which %s changed", (_, change, storing) => {
  expect(whatToStore(FIRING, { ...FIRING, ...change })).toBe(storing);
});

test("a new alert is stored at once; one that stays resolved is as it was", () => {
  expect(whatToStore(undefined, FIRING)).toBe("now");
  const resolved: Alert = {
    ...FIRING,
    state: { kind: "resolved", activeAt: 1, firedAt: 2, resolvedAt: 3 },
  };
  expect(whatToStore(resolved, { ...resolved, because: "the condition does not hold" })).toBe("not");
  expect(whatToStore(resolved, FIRING)).toBe("now");
});
