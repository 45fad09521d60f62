import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseYamlText } from "../../platform/policy-file.js";
import { type GuardInput, guardCommand } from "./guard-command.js";
import { DENY_ALL, parsePolicy } from "./policy.js";

const policy = (() => {
  const parsed = parsePolicy({
    limits: { openPerNode: 2, perNodePerHour: 5 },
    rules: [
      { name: "never on payments", nodes: { role: "payments" }, verdict: "deny" },
      { name: "rules clean", actors: ["rule"], actions: ["clean-directory"], verdict: "allow" },
      { name: "people ask", actors: ["human", "mcp"], actions: ["*"], verdict: "ask" },
    ],
  });
  if ("faults" in parsed) throw new Error(parsed.faults.join());
  return parsed.policy;
})();
const by = (kind: GuardInput["requestedBy"]["kind"], more: Partial<GuardInput> = {}): GuardInput => ({
  requestedBy: { kind, name: "x" },
  action: "clean-directory",
  nodeLabels: { role: "db" },
  requireApproval: false,
  openOnNode: 0,
  recentOnNode: 0,
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
    expect(guardCommand(input, policy)).toEqual({ verdict, because });
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
      value: { rules: [{ verdict: "allow" }, { verdict: "allow" }, { verdict: "ask" }] },
    });
  });
});
