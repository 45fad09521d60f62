import { describe, expect, test } from "vitest";
import { createLogger } from "../logger.js";
import { LoopLag } from "./loop-lag.js";
import { ControlPlaneWatch, nextReadiness, type Readiness } from "./readiness.js";

const fine: Readiness = { kind: "ready", failures: 0 };

test.each<[string, Readiness, string | undefined, Readiness]>([
  ["the first answer", { kind: "starting" }, undefined, fine],
  ["a first miss before any answer", { kind: "starting" }, "no", { kind: "unready", because: "no" }],
  ["one miss", fine, "no", { kind: "ready", failures: 1 }],
  ["a second miss in a row", { kind: "ready", failures: 1 }, "no", { kind: "unready", because: "no" }],
  ["an answer between two misses", { kind: "ready", failures: 1 }, undefined, fine],
  ["one answer after a loss", { kind: "unready", because: "no" }, undefined, fine],
])("after %s", (_, before, missed, after) => {
  expect(nextReadiness(before, missed)).toEqual(after);
});

test("each change is logged once, with its reason", async () => {
  const lines: string[] = [];
  const clock = { now: () => 0, monotonic: () => 0, sleep: async () => {} };
  let fault: Error | undefined;
  const watch = new ControlPlaneWatch(
    async () => {
      if (fault !== undefined) throw fault;
    },
    clock,
    createLogger(clock, (line) => lines.push(JSON.parse(line).sentence), "info"),
  );
  await watch.probe();
  await watch.probe();
  fault = new Error("away");
  await watch.probe();
  expect(watch.isReady()).toBe(true);
  await watch.probe();
  await watch.probe();
  expect(watch.isReady()).toBe(false);
  expect(lines).toEqual(["the control plane answers", "the control plane does not answer"]);
});

describe("the loop's lag", () => {
  let now = 0;
  const clock = { now: () => now, monotonic: () => now, sleep: async () => {} };

  test("is seen while it goes on, and for ten seconds after", () => {
    const lag = new LoopLag(clock);
    now += 250;
    lag.beat();
    expect(lag.worst()).toBe(0);
    now += 6_250;
    expect(lag.worst()).toBe(6_000);
    lag.beat();
    now += 250;
    lag.beat();
    expect(lag.worst()).toBe(6_000);
    for (let i = 0; i < 40; i++) {
      now += 250;
      lag.beat();
    }
    expect(lag.worst()).toBe(0);
  });
});
