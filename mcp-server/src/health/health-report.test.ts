import { expect, test } from "vitest";
import { createLogger } from "../logger.js";
import { createMeter } from "../metrics.js";
import { HealthReport } from "./health-report.js";
import { LoopLag } from "./loop-lag.js";
import { ControlPlaneWatch } from "./readiness.js";

function reportWith(reach: () => Promise<void>) {
  let now = 0;
  const clock = { now: () => now, monotonic: () => now, sleep: async () => {} };
  const lag = new LoopLag(clock);
  const watch = new ControlPlaneWatch(
    reach,
    clock,
    createLogger(clock, () => {}, "error"),
  );
  const meter = createMeter(clock, { ready: () => watch.isReady(), loopLagMs: () => lag.worst() }, false);
  const report = new HealthReport({ clock, lag, watch, meter, version: "1" });
  const pass = (ms: number): void => {
    now += ms;
  };
  return { report, watch, lag, pass };
}

test.each([
  ["turned of late", 250, 200, "healthy"],
  ["was held up a little", 1_250, 200, "degraded"],
  ["was held up for exactly 5 s", 5_250, 200, "degraded"],
  ["hung for more", 5_251, 503, "unhealthy"],
])("when the loop %s, liveness and the details say so", async (_, since, live, status) => {
  const { report, watch, pass } = reportWith(async () => {});
  await watch.probe();
  pass(since);
  expect(report.live().status).toBe(live);
  expect(report.detailed().body).toMatchObject({ status });
});

test("degraded is 200, unhealthy is 503, and the reason stands only in the details", async () => {
  let fault: Error | undefined;
  const { report, watch, lag, pass } = reportWith(async () => {
    if (fault !== undefined) throw fault;
  });
  expect(report.ready().status).toBe(503);
  await watch.probe();
  expect([report.ready().status, report.detailed().status]).toEqual([200, 200]);
  fault = new Error("10.0.0.7 refused");
  await watch.probe();
  expect(report.detailed()).toMatchObject({ status: 200, body: { status: "degraded" } });
  await watch.probe();
  pass(250);
  lag.beat();
  expect(report.detailed()).toMatchObject({ status: 503, body: { status: "unhealthy" } });
  expect(JSON.stringify(report.detailed())).toContain("10.0.0.7");
  expect(JSON.stringify([report.ready(), report.live(), report.brief()])).not.toContain("10.0.0.7");
});
