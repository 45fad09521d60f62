import { expect, test } from "vitest";
import { FIRINGS_MAX, firingsOf, type StateChange } from "./firings.js";

const change = (at: number, to: StateChange["to"], node = "a"): StateChange => ({
  at,
  to,
  labels: { node },
  value: at * 10,
});

test.each([
  {
    what: "fired and resolved",
    changes: [change(1, "pending"), change(2, "firing"), change(5, "resolved")],
    gives: [[2, 5]],
  },
  { what: "fires still", changes: [change(2, "firing")], gives: [[2, undefined]] },
  { what: "never fired", changes: [change(1, "pending"), change(2, "inactive")], gives: [] },
  { what: "began before", changes: [change(5, "resolved")], gives: [] },
  {
    what: "fired twice",
    changes: [change(1, "firing"), change(2, "resolved"), change(3, "firing")],
    gives: [
      [1, 2],
      [3, undefined],
    ],
  },
  {
    what: "two at once",
    changes: [change(1, "firing"), change(2, "firing", "b"), change(3, "resolved")],
    gives: [
      [1, 3],
      [2, undefined],
    ],
  },
])("$what", ({ changes, gives }) => {
  expect(firingsOf(changes).map(({ firedAt, resolvedAt }) => [firedAt, resolvedAt])).toEqual(gives);
});

test("there is an end to what is told", () => {
  const many = Array.from({ length: FIRINGS_MAX + 50 }, (_, at) => change(at, "firing", String(at)));
  expect(firingsOf(many).length).toBe(FIRINGS_MAX);
});
