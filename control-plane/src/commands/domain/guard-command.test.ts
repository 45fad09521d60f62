import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseInstant } from "../../kernel/window.js";
import { parseYamlText } from "../../platform/policy-file.js";
import { explainGuard, type GuardInput, guardCommand, withSafety } from "./guard-command.js";
import { DENY_ALL, type Policy, parsePolicy } from "./policy.js";

const policyOf = (content: unknown): Policy => {
  const parsed = parsePolicy(content);
  if ("faults" in parsed) throw new Error(parsed.faults.join());
  return parsed.policy;
};
const at = (text: string): number => {
  const instant = parseInstant(text);
  if (instant === undefined) throw new Error(`${text} is no instant`);
  return instant;
};
const policy = policyOf({
  limits: { openPerNode: 2, perNodePerHour: 5 },
  rules: [
    { name: "never on payments", nodes: { role: "payments" }, verdict: "deny" },
    { name: "rules clean", actors: ["rule"], actions: ["clean-directory"], verdict: "allow" },
    { name: "people ask", actors: ["human", "mcp"], actions: ["*"], verdict: "ask" },
  ],
});
const by = (kind: GuardInput["requestedBy"]["kind"], more: Partial<GuardInput> = {}): GuardInput => ({
  requestedBy: { kind, name: "x" },
  action: "clean-directory",
  nodeLabels: { role: "db" },
  roles: ["operator"],
  requireApproval: false,
  undo: false,
  inverse: "nothing-to-undo",
  reach: {
    nodes: ["db-1"],
    components: ["pg-primary"],
    dependents: ["api"],
    roleShare: 0.25,
    criticality: "high",
  },
  openOnNode: 0,
  recentOnNode: 0,
  now: at("2026-11-20T15:00:00Z"),
  ...more,
});

describe("policy", () => {
  test.each<[string, GuardInput, string, string]>([
    ["a rule's cleaning", by("rule"), "allow", 'policy rule "rules clean" allows it'],
    [
      "a person's wish",
      by("human", { action: "restart-service" }),
      "ask",
      'policy rule "people ask" asks for an approval',
    ],
    [
      "what an earlier rule denies",
      by("rule", { nodeLabels: { role: "payments" } }),
      "deny",
      'policy rule "never on payments" denies it',
    ],
    [
      "what no rule names",
      by("schedule"),
      "deny",
      "no policy rule lets a schedule run clean-directory on this node",
    ],
    [
      "a requester who wants an approval",
      by("rule", { requireApproval: true }),
      "ask",
      'the requester asked for an approval; policy rule "rules clean" would allow it',
    ],
    [
      "the last under way that is allowed",
      by("rule", { openOnNode: 1 }),
      "allow",
      'policy rule "rules clean" allows it',
    ],
    [
      "one too many under way",
      by("rule", { openOnNode: 2 }),
      "ask",
      "2 commands are under way on the node, and openPerNode is 2",
    ],
    [
      "one too many within the hour",
      by("rule", { recentOnNode: 5 }),
      "ask",
      "5 commands ran on the node within the hour, and perNodePerHour is 5",
    ],
  ])("on %s", (_, input, verdict, because) => {
    expect(guardCommand(input, policy)).toMatchObject({ verdict, because });
  });

  test("denies everything where there is none", () => {
    expect(guardCommand(by("system"), DENY_ALL).verdict).toBe("deny");
  });

  test("names every fault of its file with the path to it", () => {
    const parsed = parsePolicy({
      rules: [
        { name: "", verdict: "maybe" },
        { actors: ["robot"], name: "a", verdict: "ask" },
      ],
    });
    if (!("faults" in parsed)) throw new Error("expected faults");
    expect(parsed.faults.map((fault) => fault.split(":")[0])).toEqual([
      "rules.0.name",
      "rules.0.verdict",
      "rules.1.actors.0",
    ]);
  });

  test("the file that comes with Mainstay is one", () => {
    const text = readFileSync(new URL("../../../config/command-policy.yaml", import.meta.url), "utf8");
    const parsed = parseYamlText("policy", text, ({ value }) => {
      const result = parsePolicy(value);
      return "policy" in result ? { value: result.policy } : result;
    });
    expect(parsed).toMatchObject({
      value: {
        twoPersons: { irreversible: true },
        rules: ["allow", "allow", "allow", "ask", "ask"].map((verdict) => ({ verdict })),
      },
    });
  });

  test("one of before freezes and reach were known means what it meant", () => {
    const old = { limits: { openPerNode: 2 }, rules: [{ name: "all", actors: ["human"], verdict: "allow" }] };
    const irreversible = by("human", {
      inverse: "irreversible",
      reach: { ...by("human").reach, roleShare: 1 },
    });
    expect(guardCommand(irreversible, policyOf(old))).toMatchObject({ verdict: "allow", rule: "all" });
  });
});

describe("a rule's conditions", () => {
  const night = { from: "22:00", until: "06:00", timeZone: "Europe/Berlin" };
  const friday = at("2026-11-20T15:00:00Z");
  const reach = by("human").reach;
  test.each<[string, object, Partial<GuardInput>, boolean]>([
    ["a requester's name", { requesters: ["ann"] }, { requestedBy: { kind: "human", name: "ann" } }, true],
    ["another's name", { requesters: ["ann"] }, {}, false],
    ["a role that the requester has", { roles: ["operator", "admin"] }, {}, true],
    ["a role that the requester has not", { roles: ["admin"] }, {}, false],
    ["a component on the node", { components: ["redis", "pg-primary"] }, {}, true],
    ["a component that only depends on the node's", { components: ["api"] }, {}, false],
    ["a time before it begins", { from: "2026-11-20T15:00:01Z" }, {}, false],
    ["the moment it begins", { from: "2026-11-20T15:00:00Z" }, {}, true],
    ["the moment it ends", { until: "2026-11-20T16:00:00+01:00" }, {}, false],
    ["a day of the week", { windows: [{ days: ["fri"] }] }, {}, true],
    ["another day of the week", { windows: [{ days: ["mon"] }, { days: ["tue"] }] }, {}, false],
    ["a night, before midnight", { windows: [night] }, { now: at("2026-11-20T21:00:00Z") }, true],
    [
      "a night, after midnight",
      { windows: [{ ...night, days: ["fri"] }] },
      { now: at("2026-11-21T04:59:00Z") },
      true,
    ],
    [
      "the morning after",
      { windows: [{ ...night, days: ["fri"] }] },
      { now: at("2026-11-21T05:00:00Z") },
      false,
    ],
    [
      "the night of another day",
      { windows: [{ ...night, days: ["sat"] }] },
      { now: at("2026-11-21T04:59:00Z") },
      false,
    ],
    ["the same wall time in summer", { windows: [night] }, { now: at("2026-07-20T20:00:00Z") }, true],
    ["an hour before it in winter", { windows: [night] }, { now: at("2026-11-20T20:00:00Z") }, false],
    [
      "the last day of the month",
      { windows: [{ daysOfMonth: [-1] }] },
      { now: at("2028-02-29T12:00:00Z") },
      true,
    ],
    [
      "the last day but one",
      { windows: [{ daysOfMonth: [-1] }] },
      { now: at("2028-02-28T12:00:00Z") },
      false,
    ],
    [
      "new year's eve until new year",
      { windows: [{ months: [12], daysOfMonth: [31], from: "20:00", until: "04:00" }] },
      { now: at("2027-01-01T03:00:00Z") },
      true,
    ],
    [
      "the 31st of January",
      { windows: [{ months: [12], daysOfMonth: [31] }] },
      { now: at("2027-01-31T03:00:00Z") },
      false,
    ],
    ["a share of the role", { reach: { maxRoleShare: 0.25 } }, {}, true],
    ["more than a share of the role", { reach: { maxRoleShare: 0.2 } }, {}, false],
    ["more nodes", { reach: { maxNodes: 1 } }, { reach: { ...reach, nodes: ["a", "b"] } }, false],
    ["what is more critical", { reach: { maxCriticality: "medium" } }, {}, false],
    ["what is as critical", { reach: { maxCriticality: "high" } }, {}, true],
    [
      "what affects nothing",
      { reach: { maxCriticality: "low" } },
      { reach: { ...reach, criticality: undefined } },
      true,
    ],
    ["what can be undone", { reversible: true }, { inverse: "action" }, true],
    ["what cannot be undone", { reversible: true }, { inverse: "irreversible" }, false],
    ["what nobody knows how to undo", { reversible: false }, { inverse: "unknown" }, true],
  ])("hold or do not for %s", (_, conditions, more, holds) => {
    const rules = policyOf({ rules: [{ name: "r", verdict: "allow", ...conditions }] });
    expect(guardCommand(by("human", { now: friday, ...more }), rules).verdict).toBe(holds ? "allow" : "deny");
  });

  test.each([
    ["an unknown zone", { windows: [{ timeZone: "Mars/Base" }] }, /"Mars\/Base" is no time zone/],
    ["a time of day that is none", { windows: [{ from: "25:00" }] }, /"25:00", expected 00:00 to 24:00/],
    ["a window of no length", { windows: [{ from: "10:00", until: "10:00" }] }, /are the same/],
    ["a day that is none", { from: "2026-02-30T00:00:00Z" }, /not an instant/],
    ["an instant without its offset", { from: "2026-02-03T00:00:00" }, /not an instant/],
    ["a share above one", { reach: { maxRoleShare: 50 } }, /maxRoleShare/],
    ["a condition that is not known", { labels: {} }, /labels/],
  ])("are refused when they name %s", (_, conditions, fault) => {
    const parsed = parsePolicy({ rules: [{ name: "r", verdict: "allow", ...conditions }] });
    expect("faults" in parsed && parsed.faults.join()).toMatch(fault);
  });
});

describe("an approval", () => {
  const asks = (more: object, twoPersons?: object) =>
    policyOf({
      ...(twoPersons === undefined ? {} : { twoPersons }),
      rules: [{ name: "r", verdict: "ask", ...more }],
    });
  const mcp = by("mcp", { inverse: "action" });
  test.each<[string, Policy, GuardInput, object]>([
    ["of one person", asks({}), mcp, { approvals: 1, approver: "approver", elicitation: false }],
    ["of two", asks({ approvals: 2, approver: "admin" }), mcp, { approvals: 2, approver: "admin" }],
    ["of the person at the client", asks({ elicitation: true }), mcp, { approvals: 1, elicitation: true }],
    [
      "of the person at the client, who requested it as a person",
      asks({ elicitation: true }),
      by("human"),
      { elicitation: false },
    ],
    [
      "of the person at the client, when two are needed",
      asks({ approvals: 2, elicitation: true }),
      mcp,
      { elicitation: false },
    ],
    [
      "of what cannot be undone",
      asks({ elicitation: true }, {}),
      by("mcp", { inverse: "irreversible" }),
      { approvals: 2, elicitation: false },
    ],
    [
      "of what cannot be undone, where a rule takes that on itself",
      asks({ onePersonIsEnough: true }, {}),
      by("mcp", { inverse: "irreversible" }),
      { approvals: 1 },
    ],
    ["of what nobody knows how to undo", asks({}, {}), by("mcp", { inverse: "unknown" }), { approvals: 2 }],
    ["of a quarter of a role", asks({}, { overRoleShare: 0.25 }), mcp, { approvals: 1 }],
    ["of more than a share of a role", asks({}, { overRoleShare: 0.2 }), mcp, { approvals: 2 }],
    [
      "of three people, which is more than two",
      asks({ approvals: 3 }, { overRoleShare: 0.2 }),
      mcp,
      { approvals: 3 },
    ],
  ])("%s", (_, rules, input, expected) => {
    expect(guardCommand(input, rules)).toMatchObject({ verdict: "ask", rule: "r", ...expected });
  });

  test("of two people is asked for even where a rule allows, and says why", () => {
    const rules = policyOf({ twoPersons: {}, rules: [{ name: "r", verdict: "allow" }] });
    expect(guardCommand(by("rule", { inverse: "irreversible" }), rules)).toMatchObject({
      verdict: "ask",
      approvals: 2,
      because: "it cannot be undone, so two people must agree",
    });
    expect(guardCommand(by("rule", { reach: { ...mcp.reach, roleShare: 1 } }), rules)).toMatchObject({
      because: "it acts on 100 % of the role's nodes, more than 50 %, so two people must agree",
    });
  });
});

describe("a freeze", () => {
  const reason = "the year ends";
  const frozen = policyOf({
    freezes: [
      { name: "year end", reason, from: "2026-12-20T00:00:00Z", until: "2027-01-02T00:00:00Z" },
      {
        name: "friday evening",
        reason: "nobody is here",
        windows: [{ days: ["fri"], from: "16:00" }],
        nodes: { role: "db" },
      },
      {
        name: "audit",
        reason: "audit",
        from: "2026-11-01T00:00:00Z",
        until: "2026-11-02T00:00:00Z",
        components: ["redis"],
      },
    ],
    rules: [{ name: "all", verdict: "allow" }],
  });
  const when = (text: string, more: Partial<GuardInput> = {}) =>
    guardCommand(by("human", { now: at(text), ...more }), frozen);

  test("holds back what a rule allows, and says until when and why", () => {
    expect(when("2026-12-24T12:00:00Z")).toMatchObject({
      verdict: "deny",
      rule: "year end",
      because: 'freeze "year end" until 2027-01-02 00:00 UTC: the year ends; only an undo may run',
    });
  });

  test.each<[string, string, Partial<GuardInput>, string]>([
    ["lets an undo pass", "2026-12-24T12:00:00Z", { undo: true }, "allow"],
    ["ends", "2027-01-02T00:00:00Z", {}, "allow"],
    ["recurs", "2026-11-27T16:00:00Z", {}, "deny"],
    ["is over before midnight is", "2026-11-28T00:00:00Z", {}, "allow"],
    ["is only for some nodes", "2026-11-27T16:00:00Z", { nodeLabels: { role: "web" } }, "allow"],
    ["is only for some components", "2026-11-01T16:00:00Z", {}, "allow"],
  ])("%s", (_, text, more, verdict) => {
    expect(when(text, more).verdict).toBe(verdict);
  });

  test.each([
    ["has no end", { from: "2026-12-20T00:00:00Z" }],
    ["ends before it begins", { from: "2026-12-20T00:00:00Z", until: "2026-12-19T00:00:00Z" }],
  ])("that %s is refused", (_, more) => {
    expect(parsePolicy({ freezes: [{ name: "f", reason: "r", ...more }] })).toHaveProperty("faults");
  });
});

describe("what the safety budget adds", () => {
  const decision = guardCommand(by("rule"), policy);
  const hold = (verdict: "ask" | "deny", passing = false) =>
    ({ kind: "hold", verdict, passing, because: "the brake" }) as const;
  test("a person to ask, a no, or nothing for what goes by itself", () => {
    expect(withSafety(decision, { kind: "clear" })).toBe(decision);
    expect(withSafety(decision, hold("ask"))).toMatchObject({
      verdict: "ask",
      approvals: 1,
      because: "the brake",
    });
    expect(withSafety(decision, hold("deny"))).toMatchObject({ verdict: "deny", because: "the brake" });
    expect(withSafety(decision, hold("deny", true))).toBe(decision);
    const asked = guardCommand(by("human"), policy);
    expect(withSafety(asked, hold("ask"))).toMatchObject({
      approvals: 1,
      because: `${asked.because}; the brake`,
    });
  });
});

test("an explanation names each rule before the one that decides, and why it did not match", () => {
  expect(explainGuard(by("human"), policy).steps).toEqual([
    { rule: 'rule "never on payments"', outcome: "does not match: the node's label role is not payments" },
    { rule: 'rule "rules clean"', outcome: "does not match: it is for rule, and a human asks" },
    { rule: 'rule "people ask"', outcome: "decides: ask" },
  ]);
  expect(explainGuard(by("schedule"), policy).steps.at(-1)).toEqual({
    rule: "no rule",
    outcome: "decides: deny",
  });
});
