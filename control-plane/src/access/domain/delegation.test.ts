import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Role } from "../../kernel/caller.js";
import {
  decideDelegation,
  delegationEnd,
  displayName,
  MCP_SCOPES,
  type PrincipalRule,
} from "./delegation.js";
import { refusedBySwitch, SWITCHED_ON } from "./judge-switch.js";
import { entryOfCall, type McpCall } from "./mcp-call.js";
import { needsOf } from "./permit.js";

const issuer = "https://idp.example.org/realms/ops";
const vera = { issuer, subject: "vera", client: "claude", claims: [{ name: "groups", values: ["ops"] }] };
const bySubject = (roles: readonly Role[]): PrincipalRule => ({
  ruleId: "s",
  issuer,
  whom: { subject: "vera" },
  roles,
});
const byGroup = (value: string, roles: readonly Role[]): PrincipalRule => ({
  ruleId: value,
  issuer,
  whom: { claim: "groups", value },
  roles,
});

describe("decideDelegation", () => {
  test.each<[string, readonly PrincipalRule[], readonly string[], readonly Role[], readonly Role[] | "deny"]>(
    [
      ["nobody speaks of the principal", [byGroup("dba", ["admin"])], MCP_SCOPES, ["operator"], "deny"],
      ["the subject is known", [bySubject(["viewer"])], MCP_SCOPES, ["operator"], ["viewer"]],
      ["a group is known", [byGroup("ops", ["operator"])], MCP_SCOPES, ["operator"], ["operator"]],
      [
        "two rules fit",
        [bySubject(["viewer"]), byGroup("ops", ["operator"])],
        MCP_SCOPES,
        ["operator"],
        ["operator"],
      ],
      ["the server may less than the principal", [bySubject(["admin"])], MCP_SCOPES, ["viewer"], ["viewer"]],
      [
        "nobody becomes an administrator",
        [bySubject(["admin"])],
        MCP_SCOPES,
        ["admin"],
        ["operator", "approver"],
      ],
      ["the scopes let read only", [bySubject(["operator"])], ["mainstay:read"], ["operator"], ["viewer"]],
      [
        "planning lets ask",
        [bySubject(["admin"])],
        ["mainstay:read", "mainstay:plan"],
        ["admin"],
        ["operator"],
      ],
      ["there is no scope of ours", [bySubject(["operator"])], ["openid", "mainstay"], ["operator"], "deny"],
      ["writing without reading", [bySubject(["operator"])], ["mainstay:plan"], ["operator"], "deny"],
      ["the server may only delegate", [bySubject(["operator"])], MCP_SCOPES, ["delegate"], "deny"],
      [
        "another issuer's user has the name",
        [{ ...bySubject(["operator"]), issuer: "https://else" }],
        MCP_SCOPES,
        ["operator"],
        "deny",
      ],
    ],
  )("%s", (_, rules, scopes, most, expected) => {
    const verdict = decideDelegation(vera, scopes, rules, most);
    expect(verdict.kind === "grant" ? verdict.roles : "deny").toEqual(expected);
  });

  test("what the scopes leave out is told apart from what can never be had", () => {
    expect(
      decideDelegation(vera, ["mainstay:read"], [bySubject(["operator"])], ["operator", "delegate"]),
    ).toMatchObject({
      roles: ["viewer"],
      rolesWithAllScopes: ["operator"],
    });
  });

  test("never gives more than each of the three allows", () => {
    const roles = fc.subarray<Role>(["viewer", "operator", "approver", "admin", "delegate"]);
    fc.assert(
      fc.property(roles, roles, fc.subarray([...MCP_SCOPES]), (theirs, ours, scopes) => {
        const verdict = decideDelegation(vera, scopes, [bySubject(theirs)], ours);
        if (verdict.kind === "deny") return;
        const given = [...needsOf(verdict.roles)];
        expect(given.every((need) => needsOf(theirs).has(need) && needsOf(ours).has(need))).toBe(true);
        expect(given).not.toContain("administer");
        expect(given).not.toContain("delegate");
        if (!scopes.includes("mainstay:apply")) expect(given).not.toContain("approve");
      }),
    );
  });

  test("a name says client, subject and issuer, without control characters", () => {
    expect(displayName(vera)).toBe("claude for vera@idp.example.org/realms/ops");
    expect(displayName({ ...vera, client: "a\u001b[31mb\u202e" })).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test("ends with the access token, and after five minutes at the latest", () => {
    expect(delegationEnd(1_000, 2_000)).toBe(2_000);
    expect(delegationEnd(1_000, undefined)).toBe(301_000);
    expect(delegationEnd(1_000, 1e12)).toBe(301_000);
  });
});

describe("the switch of AI clients", () => {
  const P = "mainstay.operator.v1";
  test.each([
    ["on", "mcp", "CommandsService/RequestCommand", false],
    ["read-only", "mcp", "CommandsService/RequestCommand", true],
    ["read-only", "mcp", "CommandsService/ListCommands", false],
    ["read-only", "human", "CommandsService/RequestCommand", false],
    ["off", "mcp", "CommandsService/ListCommands", true],
    ["off", "human", "CommandsService/ListCommands", false],
    ["off", "rule", "CommandsService/RequestCommand", false],
    ["off", "mcp", "McpService/JournalCalls", false],
    ["off", "mcp", "AccessService/WhoAmI", false],
    ["off", "mcp", "UnknownService/Unknown", true],
    ["read-only", "mcp", "UnknownService/Unknown", true],
  ] as const)("%s: a %s calling %s is refused: %s", (state, kind, method, refused) => {
    const said = refusedBySwitch(
      { ...SWITCHED_ON, state, because: "a drill", setBy: "ada" },
      { kind, name: "x" },
      `${P}.${method}`,
    );
    expect(said !== undefined).toBe(refused);
    if (refused) expect(said).toContain("switched off by ada: a drill");
  });
});

describe("a call in the journal", () => {
  const call: McpCall = {
    kind: "tool",
    name: "nodes_list",
    phase: "ended",
    argumentsDigest: "a".repeat(64),
    code: "OK",
    at: 5,
    durationMs: 12,
    planHash: "",
    commandId: "",
    approver: "",
    traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01`,
    transport: "http",
  };
  const actor = { kind: "mcp", name: "claude for vera@idp" } as const;

  test("says who called what, how it ended, and nothing that was not told", () => {
    expect(entryOfCall(call, actor, 9)).toEqual({
      kind: "entry",
      entry: {
        at: 9,
        kind: "mcp.called",
        subject: "caller:claude for vera@idp",
        actor,
        because: "claude for vera@idp called the tool nodes_list",
        facts: {
          tool: "nodes_list",
          argumentsDigest: "a".repeat(64),
          transport: "http",
          code: "OK",
          durationMs: 12,
          calledAt: 5,
        },
        traceparent: call.traceparent,
      },
    });
  });

  test("keeps plan, command and approver", () => {
    const read = entryOfCall(
      { ...call, planHash: "b".repeat(64), commandId: "c-1", approver: "ada" },
      actor,
      9,
    );
    expect(read).toMatchObject({
      entry: { facts: { planHash: "b".repeat(64), commandId: "c-1", approver: "ada" } },
    });
  });

  test.each([
    ["kind", { kind: "alert" }],
    ["name", { name: "\u0000 " }],
    ["phase", { phase: "" }],
    ["code", { code: "all is well" }],
    ["arguments_digest", { argumentsDigest: "password=1" }],
    ["plan_hash", { planHash: "x" }],
    ["command_id", { commandId: "a b" }],
    ["transport", { transport: "pigeon" }],
  ])("refuses another %s", (field, change) => {
    const read = entryOfCall({ ...call, ...change }, actor, 9);
    expect(read).toMatchObject({ kind: "fault" });
    expect(JSON.stringify(read)).toContain(`journal calls: ${field}`);
  });

  test("a traceparent that is none is left out", () => {
    const read = entryOfCall({ ...call, traceparent: "<script>" }, actor, 9);
    expect(read.kind === "entry" && "traceparent" in read.entry).toBe(false);
  });
});
