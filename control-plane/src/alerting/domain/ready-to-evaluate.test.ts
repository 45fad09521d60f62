import { expect, test } from "vitest";
import { CATCH_UP_MAX, readyToEvaluate } from "./ready-to-evaluate.js";

test.each([
  ["with no node there is nothing to wait for", { expected: 0, caughtUp: 0 }, 0, true],
  ["while a node has not caught up", { expected: 3, caughtUp: 2 }, CATCH_UP_MAX - 1, false],
  ["when all have", { expected: 3, caughtUp: 3 }, 1, true],
  ["when the last has been waited for long enough", { expected: 3, caughtUp: 2 }, CATCH_UP_MAX, true],
])("%s", (_, nodes, waited, ready) => {
  expect(readyToEvaluate(1_000, nodes, 1_000 + waited).ready).toBe(ready);
});
