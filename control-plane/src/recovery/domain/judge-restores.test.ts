import { describe, expect, test } from "vitest";
import { MINUTE, SECOND } from "../../kernel/time.js";
import type { Component } from "../../topology/domain/component.js";
import type { DrillRun } from "./drill-run.js";
import { judgeObjective } from "./judge-objective.js";
import { historyOf, judgeRestores, withRestores } from "./judge-restores.js";
import type { RestoreReport } from "./restore-report.js";

const component: Component = {
  id: "main",
  title: "main",
  selector: undefined,
  dependsOn: [],
  criticality: "high",
  objectives: [{ source: "a test", rto: MINUTE, rpo: 10 * SECOND }],
};
const report: RestoreReport = {
  repository: "main",
  component: "main",
  backup: "b1",
  to: undefined,
  begunAt: 0,
  steps: {},
  rto: 10 * SECOND,
  rpo: 5 * SECOND,
  newestAt: undefined,
  measuredBy: "marker",
  bytes: 1,
  says: [],
  probes: {},
  failedAt: undefined,
  because: undefined,
  destroyed: true,
};
const run = (at: number, changes: Partial<RestoreReport> = {}): DrillRun => ({
  id: String(at),
  drill: "main-restore",
  component: "main",
  kind: "restore",
  begunBy: { kind: "system", name: "control-plane" },
  reason: "",
  begunAt: at,
  reach: "",
  to: undefined,
  state: "passed",
  reference: "c",
  abortBecause: "",
  because: "",
  score: 100,
  report: { ...report, ...changes },
  endedAt: at + 1,
});
const NOW = 1_000 * MINUTE;
const newest = { at: NOW - 7 * SECOND, seenAt: NOW - SECOND, because: "the log" };
const judged = (runs: readonly DrillRun[], restorable: typeof newest | null = newest) =>
  withRestores(judgeObjective(component, []), judgeRestores(runs, restorable ?? undefined), NOW);

describe("an objective of a component that is restored", () => {
  test.each([
    { when: "in time, with no more missing than may be", changes: {}, verdict: "met", rpoVerdict: "met" },
    { when: "at the very RTO", changes: { rto: MINUTE }, verdict: "met", rpoVerdict: "met" },
    { when: "later", changes: { rto: MINUTE + 1 }, verdict: "missed", rpoVerdict: "met" },
    { when: "with more missing", changes: { rpo: 10 * SECOND + 1 }, verdict: "missed", rpoVerdict: "missed" },
    {
      when: "to a moment that was wanted",
      changes: { rpo: undefined },
      verdict: "met",
      rpoVerdict: "unknown",
    },
  ])("restored $when: $verdict", ({ changes, verdict, rpoVerdict }) => {
    expect(judged([run(1, changes)])).toMatchObject({ verdict, rpoVerdict });
  });

  test("what was not whole measured nothing", () => {
    expect(judged([run(1, { because: "damaged", failedAt: "verify" })]).verdict).toBe("not-measured");
  });

  test("what would be lost now is counted from the newest restorable moment", () => {
    expect(judged([]).live).toMatchObject({ at: newest.seenAt, rpo: 7 * SECOND, rto: undefined });
    expect(judged([run(1)]).live).toMatchObject({ rto: 10 * SECOND });
    expect(judged([run(1)], null).live.rpo).toBeUndefined();
  });

  test.each([
    { rtos: [10], trend: "unknown" },
    { rtos: [10, 10, 10], trend: "steady" },
    { rtos: [12, 10, 10], trend: "steady" },
    { rtos: [13, 10, 10], trend: "worse" },
    { rtos: [7, 10, 10], trend: "better" },
  ])("restores that took $rtos s, newest first, are $trend", ({ rtos, trend }) => {
    const runs = rtos.map((rto, at) => run(100 - at, { rto: rto * SECOND }));
    expect(judgeRestores(runs, undefined).trend).toBe(trend);
  });

  test("failovers and restores are one history, newest first, each held to the objectives of now", () => {
    const failover = {
      epoch: 2,
      at: 5,
      openAfter: 2 * MINUTE,
      rto: undefined,
      rpo: undefined,
      missingBytes: 0,
    };
    const aims = { rto: MINUTE, rpo: 10 * SECOND };
    expect(historyOf([failover], judgeRestores([run(9), run(1)], undefined), aims)).toEqual([
      { at: 9, kind: "restore", rto: 10 * SECOND, rpo: 5 * SECOND, met: true },
      { at: 5, kind: "failover", rto: 2 * MINUTE, rpo: 0, met: false },
      { at: 1, kind: "restore", rto: 10 * SECOND, rpo: 5 * SECOND, met: true },
    ]);
  });
});
