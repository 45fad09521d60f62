import { expect, test } from "vitest";
import { createMeter } from "./metrics.js";

const clock = { now: () => 0, monotonic: () => 0, sleep: async () => {} };

test("every series has a name that promtool takes: a counter's ends with _total, and no gauge's does", async () => {
  const { text } = await createMeter(clock, { ready: () => true, loopLagMs: () => 0 }, true).expose();
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", type]) => ({ name, type }));
  expect(types.length).toBeGreaterThan(20);
  const wrong = types.filter(({ name, type }) => name.endsWith("_total") !== (type === "counter"));
  expect(wrong).toEqual([]);
});
