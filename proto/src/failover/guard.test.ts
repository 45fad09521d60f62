import { expect, test } from "vitest";
import { type GuardEvent, type GuardState, noDeadline, stepGuard } from "./guard.js";
import { faultsOfPolicy, localPolicy } from "./policy.js";

const running: GuardState = { deadline: 3_000, killing: false };

test.each<{
  when: string;
  state: GuardState;
  event: GuardEvent;
  now: number;
  kills: boolean;
  deadline: number;
}>([
  {
    when: "a millisecond is left",
    state: running,
    event: { kind: "tick" },
    now: 2_999,
    kills: false,
    deadline: 3_000,
  },
  {
    when: "the deadline has come",
    state: running,
    event: { kind: "tick" },
    now: 3_000,
    kills: true,
    deadline: 3_000,
  },
  {
    when: "the lease is renewed in time",
    state: running,
    event: { kind: "deadline", at: 3_500 },
    now: 2_999,
    kills: false,
    deadline: 3_500,
  },
  {
    when: "a renewal comes that has passed",
    state: running,
    event: { kind: "deadline", at: 2_999 },
    now: 2_999,
    kills: true,
    deadline: 3_000,
  },
  {
    when: "the agent ends",
    state: running,
    event: { kind: "agent-gone" },
    now: 0,
    kills: true,
    deadline: 3_000,
  },
  {
    when: "it kills and a renewal comes",
    state: { deadline: 3_000, killing: true },
    event: { kind: "deadline", at: 9_000 },
    now: 3_001,
    kills: true,
    deadline: 3_000,
  },
  {
    when: "the database has ended",
    state: { deadline: 3_000, killing: true },
    event: { kind: "database-gone" },
    now: 3_001,
    kills: false,
    deadline: 0,
  },
  {
    when: "nothing was started yet",
    state: noDeadline,
    event: { kind: "tick" },
    now: 9_000,
    kills: false,
    deadline: 0,
  },
  {
    when: "what runs is a replica",
    state: { deadline: Number.POSITIVE_INFINITY, killing: false },
    event: { kind: "tick" },
    now: 9e9,
    kills: false,
    deadline: Number.POSITIVE_INFINITY,
  },
])("the guard kills: $kills, when $when", ({ state, event, now, kills, deadline }) => {
  const step = stepGuard(state, event, now);
  expect(step.kill).toBe(kills);
  expect(step.state.deadline).toBe(deadline);
});

test("a policy that cannot hold is refused, with what was expected", () => {
  const good = localPolicy(["a", "b"], { mode: "synchronous", rpoBytes: 0 });
  expect(faultsOfPolicy(good)).toEqual([]);
  expect(faultsOfPolicy({ ...good, members: ["a"] }).join()).toContain("expected at least 2");
  expect(faultsOfPolicy({ ...good, members: ["a", "a"] })).toEqual(["members: a name stands there twice"]);
  expect(faultsOfPolicy({ ...good, required: 2 }).join()).toContain("expected 1 to 1");
  expect(faultsOfPolicy({ ...good, marginMs: 179 }).join()).toContain("expected at least 180");
  expect(faultsOfPolicy({ ...good, renewMs: 1_001 }).join()).toContain("at most a third");
  expect(faultsOfPolicy({ ...good, silentMs: 600 }).join()).toContain("more than two reports");
});
