import { describe, expect, test } from "vitest";
import { HOUR, MINUTE, SECOND } from "../../kernel/time.js";
import type { DrillRun } from "../../recovery/domain/drill-run.js";
import type { RestoreReport } from "../../recovery/domain/restore-report.js";
import {
  momentBetween,
  newestRestorable,
  proofOf,
  standRepositories,
  type ToldSample,
  usedRpo,
} from "./repository-standing.js";

const NOW = 1_000 * HOUR;
const sample = (name: string, value: number, more: Readonly<Record<string, string>> = {}): ToldSample => ({
  labels: { __name__: `mainstay_backup_${name}`, node: "a", repository: "r", component: "main", ...more },
  timestamp: NOW - SECOND,
  value,
});
const told = [
  sample("repository_up", 1),
  sample("backups", 3),
  sample("newest_restorable_timestamp_seconds", (NOW - MINUTE) / SECOND, { evidence: "archived-log" }),
  sample("newest_restorable_timestamp_seconds", (NOW - HOUR) / SECOND, { evidence: "backup" }),
  sample("last_completed_timestamp_seconds", (NOW - HOUR) / SECOND, { type: "full" }),
];
const [standing] = standRepositories(told);
if (standing === undefined) throw new Error("it is told of");

const report: RestoreReport = {
  repository: "r",
  component: "main",
  backup: "b1",
  to: undefined,
  begunAt: 0,
  steps: {},
  rto: SECOND,
  rpo: SECOND,
  newestAt: new Date(NOW - 2 * MINUTE).toISOString(),
  measuredBy: "marker",
  bytes: 1,
  says: [],
  probes: {},
  failedAt: undefined,
  because: undefined,
  destroyed: true,
};
const run = (at: number, state: DrillRun["state"], changes: Partial<RestoreReport> = {}): DrillRun => ({
  id: String(at),
  drill: "main-restore",
  component: "main",
  kind: "restore",
  begunBy: { kind: "system", name: "control-plane" },
  reason: "",
  begunAt: at,
  reach: "",
  to: undefined,
  state,
  reference: "",
  abortBecause: "",
  because: "",
  score: 0,
  report: { ...report, ...changes },
  endedAt: at,
});
const damaged = { because: "damaged", failedAt: "verify" };

describe("a repository as its series tell of it", () => {
  test("the newest moment counts, whatever evidence was told before", () => {
    expect(standing).toEqual({
      node: "a",
      repository: "r",
      component: "main",
      readable: true,
      backups: 3,
      newest: { at: NOW - MINUTE, evidence: "archived-log" },
      seenAt: NOW - SECOND,
      lastCompleted: [{ type: "full", at: NOW - HOUR }],
    });
    expect(newestRestorable([standing], "main")).toMatchObject({ at: NOW - MINUTE, seenAt: NOW - SECOND });
    expect(newestRestorable([standing], "other")).toBeUndefined();
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, -1, 1e12])("what is no moment is none: %s", (value) => {
    expect(standRepositories([sample("newest_restorable_timestamp_seconds", value)])).toEqual([]);
  });

  test("the better one of a component's repositories counts", () => {
    const other = { ...standing, repository: "late", newest: { at: NOW - HOUR, evidence: "backup" } };
    expect(newestRestorable([other, standing], "main")?.because).toContain("repository r on a");
  });

  test.each([
    { rpo: undefined, used: undefined },
    { rpo: 0, used: undefined },
    { rpo: 2 * MINUTE, used: 0.5 },
    { rpo: MINUTE, used: 1 },
  ])("of an RPO of $rpo ms $used is used up", ({ rpo, used }) => {
    expect(usedRpo(standing, rpo, NOW)).toBe(used);
  });
});

describe("a backup is called good only once a drill has restored it", () => {
  test.each<{ when: string; runs: readonly DrillRun[]; kind: string; says: string }>([
    { when: "nobody tried", runs: [], kind: "unproven", says: "no drill" },
    { when: "one is under way", runs: [run(NOW, "open")], kind: "unproven", says: "no drill" },
    { when: "one was called off", runs: [run(NOW, "aborted")], kind: "unproven", says: "no drill" },
    {
      when: "another repository was tried",
      runs: [run(NOW, "passed", { repository: "o" })],
      kind: "unproven",
      says: "no drill",
    },
    { when: "it was restored", runs: [run(NOW, "passed")], kind: "proven", says: "b1 was restored" },
    {
      when: "it was whole, and too slow",
      runs: [run(NOW, "failed")],
      kind: "proven",
      says: "b1 was restored",
    },
    {
      when: "it was damaged",
      runs: [run(NOW, "failed", damaged)],
      kind: "disproven",
      says: "verify: damaged",
    },
    {
      when: "it was damaged after it had been whole",
      runs: [run(NOW, "failed", damaged), run(NOW - HOUR, "passed")],
      kind: "disproven",
      says: "verify: damaged",
    },
    {
      when: "another backup was made since",
      runs: [run(NOW - 2 * HOUR, "passed")],
      kind: "proven",
      says: "another backup was completed, which was not tried",
    },
  ])("$when: $kind", ({ runs, kind, says }) => {
    const proof = proofOf(standing, runs, NOW);
    expect(proof.kind).toBe(kind);
    expect(proof.because).toContain(says);
  });
});

describe("a moment that a restore can be to", () => {
  test.each([
    { when: "at the end of the backup", fraction: 0, at: NOW - HOUR },
    { when: "midway", fraction: 0.5, at: NOW - 31 * MINUTE },
  ])("lies between the backup and the newest row that was shown: $when", ({ fraction, at }) => {
    expect(momentBetween(standing, [run(NOW, "passed")], fraction)).toBe(at);
  });

  test.each([
    { when: "nothing was restored yet", runs: [] },
    { when: "what was restored was damaged", runs: [run(NOW, "failed", damaged)] },
    {
      when: "all that was shown is in the backup",
      runs: [run(NOW, "passed", { newestAt: new Date(NOW - HOUR).toISOString() })],
    },
  ])("is none when $when", ({ runs }) => {
    expect(momentBetween(standing, runs, 0.5)).toBeUndefined();
  });
});
