import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Role } from "../../kernel/caller.js";
import { madeCommand, madePlan, REQUESTED_AT } from "../testing/made-command.js";
import { afterApply, afterApproval, beforeSending, type Vote } from "./approve-command.js";
import type { Approval, Command } from "./command.js";
import type { GuardDecision } from "./guard-command.js";
import { type CommandDecision, changed } from "./next-command.js";

const NOW = REQUESTED_AT;
const judged = (verdict: GuardDecision["verdict"], more: Partial<GuardDecision> = {}): GuardDecision => ({
  verdict,
  because: "a rule says so",
  rule: "r",
  approvals: verdict === "ask" ? 1 : 0,
  approver: "approver",
  elicitation: false,
  ...more,
});
const vote = (name: string, more: Partial<Vote> = {}): Vote => ({
  by: { kind: "human", name },
  roles: ["approver"],
  planHash: "ab",
  reason: "",
  elicited: false,
  ...more,
});
const waiting = (more: Partial<Command> = {}): Command =>
  madeCommand("awaiting-approval", { plan: madePlan(), ...more });
const code = (decision: CommandDecision) =>
  decision.kind === "keep" ? (decision.code ?? "FAILED_PRECONDITION") : "";
const becomes = (decision: CommandDecision) =>
  decision.kind === "change" ? decision.change.state : code(decision);
const claude = { kind: "mcp", name: "claude" } as const;

describe("an approval", () => {
  const elicits = madePlan({ elicitation: true });
  const two = madePlan({ approvals: 2, elicitation: true });
  const asked = (more: Partial<Vote> = {}): Vote =>
    vote("claude", { by: claude, roles: ["operator"], elicited: true, ...more });
  test.each<[string, Command, Vote, GuardDecision, string]>([
    ["by another, of the plan that was seen", waiting(), vote("bob"), judged("ask"), "approved"],
    ["by the requester", waiting(), vote("ann"), judged("ask"), "PERMISSION_DENIED"],
    [
      "by the requester under another kind",
      waiting(),
      vote("ann", { by: { kind: "mcp", name: "ann" } }),
      judged("ask"),
      "PERMISSION_DENIED",
    ],
    [
      "by the one for whom a client requested it",
      waiting({ requestedBy: { kind: "mcp", name: "claude for bob@id.example" } }),
      vote("bob"),
      judged("ask"),
      "PERMISSION_DENIED",
    ],
    ...(
      [
        ["the requester through a client", "human", "ann", "mcp", "claude for ann@id.example", false],
        [
          "the requester through another client",
          "mcp",
          "cursor for ann@id",
          "mcp",
          "claude for ann@id",
          false,
        ],
        ["a client that names itself after another", "mcp", "x for bob@id for ann@id", "human", "ann", false],
        ["a namesake at another issuer", "mcp", "claude for ann@one", "mcp", "claude for ann@two", true],
        [
          "another person through the same client",
          "mcp",
          "claude for bob@id",
          "mcp",
          "claude for ann@id",
          true,
        ],
        ["somebody whose name begins alike", "human", "an", "mcp", "claude for ann@id", true],
      ] as const
    ).map(([who, kind, name, byKind, byName, may]): [string, Command, Vote, GuardDecision, string] => [
      `by ${who}`,
      waiting({ requestedBy: { kind: byKind, name: byName } }),
      vote(name, { by: { kind, name } }),
      judged("ask"),
      may ? "approved" : "PERMISSION_DENIED",
    ]),
    [
      "the second of two, by the first one's client",
      waiting({
        plan: two,
        requestedBy: { kind: "human", name: "eve" },
        approvals: [
          { actor: { kind: "mcp", name: "claude for bob@id" }, at: NOW, reason: "", elicited: false },
        ],
      }),
      vote("bob", { by: { kind: "mcp", name: "cursor for bob@id" } }),
      judged("ask", { approvals: 2 }),
      "PERMISSION_DENIED",
    ],
    ["of another plan", waiting(), vote("bob", { planHash: "cd" }), judged("ask"), "FAILED_PRECONDITION"],
    [
      "of what runs",
      madeCommand("running", { plan: madePlan() }),
      vote("bob"),
      judged("ask"),
      "FAILED_PRECONDITION",
    ],
    ["of what has expired", waiting({ expiresAt: NOW }), vote("bob"), judged("ask"), "FAILED_PRECONDITION"],
    ["without the role", waiting(), vote("bob", { roles: ["operator"] }), judged("ask"), "PERMISSION_DENIED"],
    [
      "by an admin where an approver is asked for",
      waiting(),
      vote("bob", { roles: ["admin"] }),
      judged("ask"),
      "approved",
    ],
    [
      "by an approver where an admin is asked for",
      waiting({ plan: madePlan({ approver: "admin" }) }),
      vote("bob"),
      judged("ask"),
      "PERMISSION_DENIED",
    ],
    ["of what policy denies meanwhile", waiting(), vote("bob"), judged("deny"), "FAILED_PRECONDITION"],
    ["of what policy would allow meanwhile", waiting(), vote("bob"), judged("allow"), "approved"],
    ["the first of two", waiting({ plan: two }), vote("bob"), judged("ask"), "awaiting-approval"],
    [
      "the first of two that policy asks for meanwhile",
      waiting(),
      vote("bob"),
      judged("ask", { approvals: 2 }),
      "awaiting-approval",
    ],
    [
      "by the person at the client, where that is enough",
      waiting({ plan: elicits, requestedBy: claude }),
      asked(),
      judged("ask", { elicitation: true }),
      "approved",
    ],
    [
      "by the person at another client",
      waiting({ plan: elicits, requestedBy: claude }),
      asked({ by: { kind: "mcp", name: "other" } }),
      judged("ask", { elicitation: true }),
      "PERMISSION_DENIED",
    ],
    [
      "by the person at the client, where it is not",
      waiting({ requestedBy: claude }),
      asked(),
      judged("ask"),
      "PERMISSION_DENIED",
    ],
    [
      "by the person at the client, where policy says so no more",
      waiting({ plan: elicits, requestedBy: claude }),
      asked(),
      judged("ask"),
      "PERMISSION_DENIED",
    ],
    [
      "by the person at the client, where two are needed",
      waiting({ plan: two, requestedBy: claude }),
      asked(),
      judged("ask", { elicitation: true }),
      "PERMISSION_DENIED",
    ],
    [
      "that a person claims an MCP server asked for",
      waiting({ plan: elicits }),
      vote("bob", { elicited: true }),
      judged("ask", { elicitation: true }),
      "PERMISSION_DENIED",
    ],
  ])("%s", (_, before, cast, policy, outcome) => {
    expect(becomes(afterApproval(before, cast, policy, NOW))).toBe(outcome);
  });

  test("makes a new generation, so that an older order is refused", () => {
    expect(afterApproval(waiting(), vote("bob"), judged("ask"), NOW)).toMatchObject({
      change: {
        generation: 2,
        approvedBy: { name: "bob" },
        approvals: [{ actor: { name: "bob" }, at: NOW }],
      },
    });
  });

  test("of as many different people as are needed, and of no fewer, lets it run", () => {
    const people = fc.constantFrom("ann", "bob", "cid", "dora", "eve");
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(people, { maxLength: 12 }), (needed, votes) => {
        let command = waiting({ plan: madePlan({ approvals: needed }) });
        const agreed = new Set<string>();
        for (const name of votes) {
          const decision = afterApproval(command, vote(name), judged("ask"), NOW);
          if (agreed.size < needed && name !== "ann") agreed.add(name);
          if (decision.kind === "change") command = changed(command, decision.change, NOW);
          expect(command.state).toBe(agreed.size >= needed ? "approved" : "awaiting-approval");
        }
        expect(command.approvals.map(({ actor }) => actor.name)).toEqual([...agreed]);
      }),
      { numRuns: 300 },
    );
  });
});

describe("applying a held plan", () => {
  const held = (more: Partial<Command> = {}) =>
    madeCommand("planned", { hold: true, plan: madePlan(), ...more });
  const ann = { kind: "human", name: "ann" } as const;
  const by = (name: string): Approval => ({
    actor: { kind: "human", name },
    at: NOW,
    reason: "",
    elicited: false,
  });
  test.each<[string, Command, string, GuardDecision, readonly Approval[], string]>([
    ["that policy allows", held(), "ab", judged("allow"), [], "approved"],
    ["that policy asks about", held(), "ab", judged("ask"), [], "awaiting-approval"],
    ["that policy denies meanwhile", held(), "ab", judged("deny"), [], "FAILED_PRECONDITION"],
    ["of another hash", held(), "cd", judged("allow"), [], "FAILED_PRECONDITION"],
    ["that has expired", held({ expiresAt: NOW }), "ab", judged("allow"), [], "FAILED_PRECONDITION"],
    ["that is not held", waiting(), "ab", judged("allow"), [], "FAILED_PRECONDITION"],
    ["that was approved as a part of something", held(), "ab", judged("ask"), [by("bob")], "approved"],
    [
      "that the requester approved as a part of something",
      held(),
      "ab",
      judged("ask"),
      [by("ann")],
      "awaiting-approval",
    ],
    [
      "that needs one more",
      held(),
      "ab",
      judged("ask", { approvals: 2 }),
      [by("bob"), by("bob")],
      "awaiting-approval",
    ],
  ])("%s", (_, before, hash, policy, approvals, outcome) => {
    expect(becomes(afterApply(before, ann, hash, policy, approvals, NOW))).toBe(outcome);
  });
});

describe("right before it is sent", () => {
  const holds = (verdict: "ask" | "deny", passing: boolean) =>
    ({ kind: "hold", verdict, passing, because: "the brake" }) as const;
  test.each([
    ["nothing holds it back", judged("allow"), { kind: "clear" } as const, "sent"],
    ["policy that asks has been answered", judged("ask"), { kind: "clear" } as const, "sent"],
    ["a freeze has begun", judged("deny"), { kind: "clear" } as const, "refused"],
    ["the budget holds it for a while", judged("allow"), holds("deny", true), "approved"],
    ["the budget holds it until a person acts", judged("allow"), holds("deny", false), "refused"],
    ["the budget wants a person to look", judged("allow"), holds("ask", false), "awaiting-approval"],
  ])("%s", (_, policy, safety, outcome) => {
    expect(becomes(beforeSending(madeCommand("approved"), policy, safety))).toBe(outcome);
  });
});

test("that an order is held back is said once, for how long it still takes changes with every look", () => {
  const held = (minutes: number) =>
    ({ kind: "hold", verdict: "deny", passing: true, because: `again in ${minutes}m` }) as const;
  const first = beforeSending(madeCommand("approved"), judged("allow"), held(2));
  if (first.kind === "keep") throw new Error(first.because);
  const waits = changed(madeCommand("approved"), first.change, NOW);
  expect(waits.because).toBe("it may run and is held back for a while: again in 2m");
  expect(beforeSending(waits, judged("allow"), held(1))).toEqual({ kind: "keep", because: "again in 1m" });
});

const roles: readonly Role[] = ["viewer", "operator"];
test("nobody below an approver approves", () => {
  for (const role of roles)
    expect(becomes(afterApproval(waiting(), vote("bob", { roles: [role] }), judged("ask"), NOW))).toBe(
      "PERMISSION_DENIED",
    );
});
