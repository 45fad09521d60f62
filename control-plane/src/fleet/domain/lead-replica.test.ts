import { describe, expect, test } from "vitest";
import { judgeLeadership, type LeadershipFacts } from "./lead-replica.js";

const NOW = 1_000_000;
const facts: LeadershipFacts = { leads: false, lease: "ours", leaseUntil: NOW + 5_000, othersLive: false };

describe("who leads", () => {
  test.each<[string, Partial<LeadershipFacts>, boolean]>([
    ["holds the lease", {}, true],
    ["another holds it", { lease: "another's" }, false],
    ["another holds it now", { lease: "another's", leads: true }, false],
    ["led, cannot ask, is alone", { lease: "unknown", leads: true, leaseUntil: NOW - 60_000 }, true],
    ["led, cannot ask, and its lease counts", { lease: "unknown", leads: true, othersLive: true }, true],
    [
      "led, cannot ask, its lease is over and another lives",
      { lease: "unknown", leads: true, othersLive: true, leaseUntil: NOW },
      false,
    ],
    ["did not lead and cannot ask", { lease: "unknown" }, false],
  ])("%s", (_, given, leads) => {
    const verdict = judgeLeadership({ ...facts, ...given }, NOW);
    expect(verdict.leads).toBe(leads);
    expect(verdict.because).not.toBe("");
  });
});
