import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commandId } from "../../kernel/ids.js";
import { MINUTE } from "../../kernel/time.js";
import { madeCommand, madePlan, REQUESTED_AT } from "../testing/made-command.js";
import { COMMAND_STATES, type Command, type CommandEvent, type CommandState, mayMove } from "./command.js";
import type { GuardDecision, JudgedPlan } from "./guard-command.js";
import {
  ANSWER_GRACE,
  ATTEMPTS_MAX,
  afterCancellation,
  afterEvent,
  afterTime,
  changed,
} from "./next-command.js";

const NOW = REQUESTED_AT;
const command = madeCommand;
const judged = (verdict: GuardDecision["verdict"], because = "a rule"): (() => JudgedPlan) => {
  const reach = { nodes: ["db-1"], components: [], dependents: [], roleShare: 0, criticality: undefined };
  const decision: GuardDecision = {
    verdict,
    because,
    rule: "r",
    approvals: verdict === "ask" ? 1 : 0,
    approver: "approver",
    elicitation: false,
  };
  return () => ({ reach, decision });
};
const finished = (
  outcome: "succeeded" | "failed" | "timed-out" | "cancelled",
  planHash = "",
  resultJson = "",
) => ({ kind: "finished", outcome, exitCode: 0, summary: "done", resultJson, planHash }) as const;
const event = (
  mode: "preview" | "run",
  what: CommandEvent["what"],
  sequence = 1,
  attempt = 1,
): CommandEvent => ({
  commandId: commandId("c"),
  attempt,
  sequence,
  at: NOW,
  mode,
  what,
});
const becomes = (decision: ReturnType<typeof afterTime>) =>
  decision.kind === "change" ? decision.change.state : "same";

describe("after an agent's event", () => {
  const verdicts = { allow: "approved", ask: "awaiting-approval", deny: "refused" } as const;
  test.each(Object.entries(verdicts))("a plan that policy judges %s makes it %s", (verdict, state) => {
    const decision = afterEvent(
      command("planning"),
      event("preview", finished("succeeded", "ab")),
      judged(verdict as keyof typeof verdicts),
      NOW,
    );
    expect(decision).toMatchObject({
      kind: "change",
      change: { state, because: "a rule", plan: { hash: "ab", verdict } },
    });
  });

  const never = () => {
    throw new Error("policy is asked only about a plan");
  };
  test.each<[string, Command, CommandEvent, CommandState | "same"]>([
    ["a plan without a hash", command("planning"), event("preview", finished("succeeded")), "failed"],
    ["a plan that failed", command("planning"), event("preview", finished("failed")), "failed"],
    [
      "a plan that comes after a cancellation",
      command("cancelled"),
      event("preview", finished("succeeded", "ab")),
      "same",
    ],
    [
      "an agent that died planning",
      command("planning"),
      event("preview", { kind: "interrupted", detail: "" }),
      "failed",
    ],
    ["the start", command("sent"), event("run", { kind: "started" }), "running"],
    ["the end without a start seen", command("sent"), event("run", finished("succeeded")), "succeeded"],
    ["a failure", command("running"), event("run", finished("failed")), "failed"],
    ["a time-out", command("running"), event("run", finished("timed-out")), "timed-out"],
    ["a cancellation carried out", command("running"), event("run", finished("cancelled")), "cancelled"],
    [
      "a death of the agent",
      command("running"),
      event("run", { kind: "interrupted", detail: "3 of 5 gone" }),
      "interrupted",
    ],
    [
      "a refusal",
      command("sent"),
      event("run", { kind: "refused", because: "unknown-plan", detail: "" }),
      "refused",
    ],
    ["a result after it was given up", command("expired"), event("run", finished("succeeded")), "succeeded"],
    ["a second end", command("succeeded"), event("run", finished("failed")), "same"],
    [
      "a run of what was never approved",
      command("awaiting-approval"),
      event("run", finished("succeeded")),
      "same",
    ],
    [
      "an event taken before",
      command("running", { runSequence: 3 }),
      event("run", finished("failed"), 3),
      "same",
    ],
  ])("%s", (_, before, happened, state) => {
    expect(becomes(afterEvent(before, happened, never, NOW))).toBe(state);
  });
});

describe("a plan that was asked to be held", () => {
  test.each([
    ["allow", "planned"],
    ["ask", "planned"],
    ["deny", "refused"],
  ] as const)("and that policy judges %s is %s", (verdict, state) => {
    const held = command("planning", { hold: true });
    expect(
      becomes(afterEvent(held, event("preview", finished("succeeded", "ab")), judged(verdict), NOW)),
    ).toBe(state);
  });
});

describe("a plan that the world has outrun", () => {
  const drifted = event("run", { kind: "refused", because: "drifted", detail: "pid: 1 -> 2" });
  const approvals = [
    { actor: { kind: "human", name: "bob" }, at: NOW, reason: "", elicited: false },
  ] as const;
  const sent = command("sent", {
    plan: madePlan({ json: '{"observed":{"pid":1},"n":1}' }),
    approvals,
    approvedBy: approvals[0].actor,
    previewSequence: 4,
    runSequence: 0,
    sentSession: 3,
  });
  const never = () => {
    throw new Error("no plan has come");
  };
  const next = (before: Command, happened: CommandEvent, judge: () => JudgedPlan = never) => {
    const decision = afterEvent(before, happened, judge, NOW);
    if (decision.kind === "keep") throw new Error(decision.because);
    return changed(before, decision.change, NOW);
  };

  test("is planned again as an attempt of its own, and what was approved is void", () => {
    expect(next(sent, drifted)).toMatchObject({
      state: "planning",
      because:
        "the world has changed since the plan: pid: 1 -> 2; approvals are void, and the agent is asked for another plan",
      attempt: 2,
      generation: 2,
      approvals: [],
      approvedBy: undefined,
      previewSequence: 0,
      runSequence: 0,
      sentSession: undefined,
    });
  });

  const another = event("preview", finished("succeeded", "cd", '{"observed":{"pid":2},"n":2}'), 1, 2);
  test.each<[GuardDecision["verdict"], boolean, CommandState]>([
    ["ask", false, "awaiting-approval"],
    ["ask", true, "awaiting-approval"],
    ["allow", false, "approved"],
    ["allow", true, "planned"],
    ["deny", false, "refused"],
  ])("and then judged %s (held: %s) is %s, and says what changed", (verdict, hold, state) => {
    const after = next({ ...next(sent, drifted), hold }, another, judged(verdict));
    expect(after).toMatchObject({ state, plan: { hash: "cd", drift: ["pid: 1 -> 2"] } });
    expect(after.because).toContain("the world has changed since the plan before: pid: 1 -> 2");
  });

  test("hears no more of the attempt before", () => {
    const again = next(sent, drifted);
    expect(
      becomes(afterEvent(again, event("preview", finished("succeeded", "ab"), 9), judged("allow"), NOW)),
    ).toBe("same");
  });

  test.each<[string, Command, CommandState]>([
    ["too often in a row", { ...sent, attempt: ATTEMPTS_MAX }, "refused"],
    ["after its expiry", { ...sent, expiresAt: NOW }, "refused"],
    ["when it was to be cancelled", { ...sent, cancelBecause: "ann cancelled it" }, "cancelled"],
    ["when it had been given up", { ...sent, state: "expired" }, "refused"],
  ])("%s is left alone", (_, before, state) => {
    expect(next(before, { ...drifted, attempt: before.attempt }).state).toBe(state);
  });
});

describe("time", () => {
  const atExpiry = NOW + 10 * MINUTE;
  test.each<[CommandState, number, CommandState | "same"]>([
    ["planning", atExpiry - 1, "same"],
    ["planned", atExpiry - 1, "same"],
    ["planned", atExpiry, "expired"],
    ["planning", atExpiry, "expired"],
    ["awaiting-approval", atExpiry, "expired"],
    ["approved", atExpiry, "expired"],
    ["sent", atExpiry + ANSWER_GRACE - 1, "same"],
    ["sent", atExpiry + ANSWER_GRACE, "expired"],
    ["running", atExpiry + ANSWER_GRACE, "expired"],
    ["running", NOW + MINUTE + ANSWER_GRACE, "same"],
    ["succeeded", atExpiry * 2, "same"],
  ])("makes %s at %d %s", (state, at, expected) => {
    expect(becomes(afterTime(command(state), at))).toBe(expected);
  });
});

test("what was sent is not cancelled here: the agent's word counts", () => {
  const by = { kind: "human", name: "ann" } as const;
  expect(becomes(afterCancellation(command("approved"), by, ""))).toBe("cancelled");
  expect(afterCancellation(command("running"), by, "too slow")).toMatchObject({
    change: { state: "running", cancelBecause: "ann cancelled it: too slow" },
  });
  expect(becomes(afterCancellation(command("failed"), by, ""))).toBe("same");
});

test("what a host refused and its next life did all the same is told; what was refused here a host cannot undo", () => {
  const began = event("run", { kind: "started" }, 2);
  const byHost = command("refused", { because: "the agent refuses: journal (no space)", runSequence: 1 });
  expect(afterEvent(byHost, began, judged("allow"), NOW)).toMatchObject({
    change: { state: "running", because: "it had been refused; the agent runs it" },
  });
  const here = command("refused", { because: "it was not sent: a freeze" });
  expect(becomes(afterEvent(here, began, judged("allow"), NOW))).toBe("same");
});

test("no event, in any order, makes a move that is not on the list, and nothing leaves an end the host reported", () => {
  const what = fc.constantFrom<CommandEvent["what"]>(
    { kind: "accepted" },
    { kind: "started" },
    { kind: "refused", because: "x", detail: "" },
    { kind: "refused", because: "drifted", detail: "pid: 1 -> 2" },
    { kind: "interrupted", detail: "" },
    finished("succeeded", "ab"),
    finished("failed"),
    finished("timed-out"),
    finished("cancelled"),
  );
  const step = fc.record({
    what,
    mode: fc.constantFrom("preview" as const, "run" as const),
    attempt: fc.integer({ min: 1, max: 3 }),
    sequence: fc.integer({ min: 1, max: 9 }),
    later: fc.nat(20 * MINUTE),
  });
  fc.assert(
    fc.property(fc.constantFrom(...COMMAND_STATES), fc.array(step, { maxLength: 20 }), (start, steps) => {
      let now = command(start);
      let at = NOW;
      for (const { what: happened, mode, sequence, attempt, later } of steps) {
        at += later;
        const happen = (before: Command) =>
          afterEvent(before, event(mode, happened, sequence, attempt), judged("allow"), at);
        for (const decide of [happen, (before: Command) => afterTime(before, at)]) {
          const decision = decide(now);
          if (decision.kind === "keep") continue;
          expect(mayMove(now.state, decision.change.state), `${now.state} → ${decision.change.state}`).toBe(
            true,
          );
          now = changed(now, decision.change, at);
        }
      }
    }),
    { numRuns: 1_000 },
  );
});
