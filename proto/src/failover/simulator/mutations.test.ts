/** Each rule of the protocol, broken alone, is missed: the simulator finds what goes wrong without it. */
import { describe, expect, test } from "vitest";
import { type Rules, soundRules } from "../rules.js";
import { type RunOptions, simulate } from "./simulate.js";

interface Mutation {
  readonly rule: keyof Rules;
  readonly mistake: string;
  /** What is simulated to find it, where all faults together would take long. */
  readonly focus?: Pick<RunOptions, "faults" | "mode">;
}

/** Clocks that part by as much as they may: the owner is cut off and its lease runs out to the last millisecond. */
const cutOff = { mode: "asynchronous", faults: ["full partition", "power loss"] } as const;
const late = { mode: "asynchronous", faults: ["answers come late, and then nothing goes out"] } as const;

const mutations: readonly Mutation[] = [
  { rule: "fenceBeforePromote", mistake: "promotes without waiting for the lease" },
  { rule: "rememberGrants", mistake: "a restarted voter forgets what it granted" },
  { rule: "leaseFromSend", mistake: "a lease is counted from the answer", focus: late },
  { rule: "leaseNeedsMajority", mistake: "an owner grants itself its lease" },
  { rule: "bootFenced", mistake: "an old primary starts as a primary" },
  { rule: "guardKills", mistake: "a frozen agent's database goes on without a guard" },
  { rule: "margin", mistake: "clocks drift and nobody allows for it", focus: cutOff },
  { rule: "keepPromise", mistake: "a promise is forgotten with the process" },
  { rule: "detachOnPromise", mistake: "a replica goes on taking from the old primary after it promised" },
  { rule: "limitByRpo", mistake: "an asynchronous primary acknowledges whatever the lag" },
  { rule: "onlyEligible", mistake: "a node is promoted that nobody waited for" },
  { rule: "holdBeforeEligible", mistake: "a replica is relied on before writes wait for it" },
  {
    rule: "ineligibleBeforeLetGo",
    mistake: "writes stop waiting for a replica that is still relied on (both modes)",
  },
  { rule: "checkEpoch", mistake: "an agent obeys a late order of another epoch" },
  { rule: "promoteOnce", mistake: "a promotion is begun twice in one epoch" },
  { rule: "keepLog", mistake: "the control plane forgets its decision, and takes the epoch again" },
  { rule: "keepCandidate", mistake: "another candidate is promoted after a crash" },
  { rule: "switchoverComplete", mistake: "a planned switchover does not wait for the last writes" },
  { rule: "rejoinAfterCheckpoint", mistake: "a node rejoins before the checkpoint" },
];

test("every rule has its mutation", () => {
  expect(mutations.map(({ rule }) => rule).sort()).toEqual(Object.keys(soundRules).sort());
});

describe("within 3,000,000 steps the simulator finds", () => {
  test.each(mutations)(
    "$mistake",
    ({ rule, focus }) => {
      const { failed } = simulate({
        seed: 1,
        steps: 3_000_000,
        rules: { ...soundRules, [rule]: false },
        ...focus,
      });
      expect(failed?.violation).toMatch(/open|acknowledge|relied|redundant|log does not hold/);
    },
    120_000,
  );
});

describe("and nothing where no rule is broken, with", () => {
  test.each([{ focus: late }, { focus: cutOff }])(
    "$focus.faults",
    ({ focus }) => {
      expect(simulate({ seed: 1, steps: 300_000, ...focus }).failed).toBeNull();
    },
    120_000,
  );
});

describe("in either mode a guard that is let go too early is found", () => {
  test.each([{ mode: "synchronous" }, { mode: "asynchronous" }] as const)(
    "$mode",
    ({ mode }) => {
      const rules = { ...soundRules, ineligibleBeforeLetGo: false };
      expect(simulate({ seed: 1, steps: 3_000_000, rules, mode }).failed?.violation).toMatch(/acknowledge/);
    },
    120_000,
  );
});
