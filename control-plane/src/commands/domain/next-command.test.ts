import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commandId } from "../../kernel/ids.js";
import { MINUTE } from "../../kernel/time.js";
import { madeCommand, REQUESTED_AT } from "../testing/made-command.js";
import { COMMAND_STATES, type Command, type CommandEvent, type CommandState, mayMove } from "./command.js";
import { ANSWER_GRACE, afterApproval, afterCancellation, afterEvent, afterTime } from "./next-command.js";

const NOW = REQUESTED_AT;
const command = madeCommand;
const plan = {
  hash: "ab",
  summary: "2 files",
  json: "[]",
  verdict: "ask",
  verdictBecause: "",
  madeAt: NOW,
} as const;
const finished = (outcome: "succeeded" | "failed" | "timed-out" | "cancelled", planHash = "") =>
  ({ kind: "finished", outcome, exitCode: 0, summary: "done", resultJson: "", planHash }) as const;
const event = (mode: "preview" | "run", what: CommandEvent["what"], sequence = 1): CommandEvent => ({
  commandId: commandId("c"),
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
    const guard = () => ({ verdict: verdict as keyof typeof verdicts, because: "a rule" });
    const decision = afterEvent(
      command("planning"),
      event("preview", finished("succeeded", "ab")),
      guard,
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

describe("an approval", () => {
  const waiting = command("awaiting-approval", { plan });
  const bob = { kind: "human", name: "bob" } as const;
  test.each([
    ["by another, of the plan that was seen", waiting, bob, "ab", "approved"],
    ["by the requester", waiting, { kind: "human", name: "ann" } as const, "ab", "same"],
    ["by the requester under another kind", waiting, { kind: "mcp", name: "ann" } as const, "ab", "same"],
    ["of another plan", waiting, bob, "cd", "same"],
    ["of what runs", command("running", { plan }), bob, "ab", "same"],
    ["of what has expired", { ...waiting, expiresAt: NOW }, bob, "ab", "same"],
  ])("%s", (_, before, by, hash, state) => {
    expect(becomes(afterApproval(before, by, hash, NOW))).toBe(state);
  });

  test("makes a new generation, so that an older order is refused", () => {
    expect(afterApproval(waiting, bob, "ab", NOW)).toMatchObject({
      change: { generation: 2, approvedBy: bob },
    });
  });
});

describe("time", () => {
  const atExpiry = NOW + 10 * MINUTE;
  test.each<[CommandState, number, CommandState | "same"]>([
    ["planning", atExpiry - 1, "same"],
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

test("no event, in any order, makes a move that is not on the list, and nothing leaves an end the host reported", () => {
  const what = fc.constantFrom<CommandEvent["what"]>(
    { kind: "accepted" },
    { kind: "started" },
    { kind: "refused", because: "x", detail: "" },
    { kind: "interrupted", detail: "" },
    finished("succeeded", "ab"),
    finished("failed"),
    finished("timed-out"),
    finished("cancelled"),
  );
  const step = fc.record({
    what,
    mode: fc.constantFrom("preview" as const, "run" as const),
    sequence: fc.integer({ min: 1, max: 9 }),
    later: fc.nat(20 * MINUTE),
  });
  fc.assert(
    fc.property(fc.constantFrom(...COMMAND_STATES), fc.array(step, { maxLength: 20 }), (start, steps) => {
      let now = command(start);
      let at = NOW;
      for (const { what: happened, mode, sequence, later } of steps) {
        at += later;
        const happen = (before: Command) =>
          afterEvent(before, event(mode, happened, sequence), () => ({ verdict: "allow", because: "" }), at);
        for (const decide of [happen, (before: Command) => afterTime(before, at)]) {
          const decision = decide(now);
          if (decision.kind === "keep") continue;
          expect(mayMove(now.state, decision.change.state), `${now.state} → ${decision.change.state}`).toBe(
            true,
          );
          now = { ...now, ...decision.change, changedAt: at };
        }
      }
    }),
    { numRuns: 1_000 },
  );
});
