/**
 * The failover protocol in a million steps of trouble. A run that fails is told by its seed, and told in full by
 * `npm run simulate -- --replay SEED`; `MAINSTAY_SEED` and `MAINSTAY_STEPS` choose others.
 */
import { expect, test } from "vitest";
import { simulate, simulateRun } from "./simulate.js";

const seed = Number(process.env["MAINSTAY_SEED"] ?? 1);
const steps = Number(process.env["MAINSTAY_STEPS"] ?? 1_500_000);

test(`nothing that must not happen happens in ${steps} steps from seed ${seed}`, () => {
  const report = simulate({ seed, steps });
  expect(report.failed, `replay: npm run simulate -- --replay ${report.failed?.seed}`).toBeNull();
  expect(report.steps).toBeGreaterThanOrEqual(steps);
  // A simulator in which nothing happens proves nothing.
  expect(report.promotions).toBeGreaterThan(report.runs * 2);
  expect(report.acknowledged).toBeGreaterThan(report.runs * 500);
}, 120_000);

test("the same seed gives the same run, line by line", () => {
  const tellings = [0, 1].map(() => {
    const lines: string[] = [];
    simulateRun(7, { tell: (line) => lines.push(line) });
    return lines;
  });
  expect(tellings[0]?.length).toBeGreaterThan(500);
  expect(tellings[0]).toEqual(tellings[1]);
});
