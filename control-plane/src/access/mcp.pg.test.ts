import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Role } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import {
  DeletePrincipalRuleRequestSchema,
  GetMcpSwitchRequestSchema,
  IssueDelegationRequestSchema,
  JournalCallsRequestSchema,
  ListPrincipalRulesRequestSchema,
  McpSwitch,
  PutPrincipalRuleRequestSchema,
  SetMcpSwitchRequestSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/mcp_pb";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readEntries } from "../journal/journal.module.js";
import type { Caller } from "../kernel/caller.js";
import { tokenId } from "../kernel/ids.js";
import { MINUTE, SECOND } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import { silentLogger } from "../platform/logger.js";
import { sql } from "../platform/postgres/sql.js";
import { systemDraws } from "../platform/system.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { Authenticator } from "./authenticate.js";
import { mcpApi } from "./mcp.api.js";
import { McpSwitchWatch } from "./mcp-switch.loop.js";
import { endToken, makeToken } from "./tokens.js";

const START = Date.UTC(2026, 10, 22);
const ISSUER = "https://idp.example.org";
const fake = fakeSystem(START);
const system = { clock: fake.clock, draws: systemDraws };
const root: Caller = { actor: { kind: "human", name: "root" }, roles: ["admin"], tokenId: "t" };
const contextOf = (caller: Caller): CallContext => ({
  caller,
  trace: { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true },
  signal: new AbortController().signal,
});

let db: TestDatabase;
let authenticator: Authenticator;
let server: Caller;
let api: ReturnType<typeof mcpApi>;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.close());
beforeEach(async () => {
  await db.database.query(sql`truncate delegation, principal_rule, mcp_switch`);
  const { database } = db;
  authenticator = new Authenticator({ database, clock: system.clock, logger: silentLogger });
  const made = await makeToken(
    { database, system },
    { name: "mcp-1", kind: "mcp", roles: ["delegate", "operator"], validFor: undefined, by: root.actor },
  );
  server = { actor: { kind: "mcp", name: "mcp-1" }, roles: made.token.roles, tokenId: made.token.tokenId };
  api = mcpApi({
    database,
    system,
    switchWatch: new McpSwitchWatch(database, system.clock, silentLogger),
  });
});

const put = (rule: { subject?: string; claim?: string; value?: string; roles: Role[] }) =>
  api.putPrincipalRule(
    create(PutPrincipalRuleRequestSchema, { rule: { issuer: ISSUER, ...rule } }),
    contextOf(root),
  );
const issue = (by: Caller = server, change: object = {}) =>
  api.issueDelegation(
    create(IssueDelegationRequestSchema, {
      issuer: ISSUER,
      subject: "vera",
      client: "claude",
      scopes: ["mainstay:read", "mainstay:plan"],
      claims: [{ name: "groups", values: ["ops"] }],
      ...change,
    }),
    contextOf(by),
  );
const lastEntry = async () => (await readEntries(db.database, { after: 0, limit: 1, tail: true })).at(-1);

describe("a credential that speaks for another", () => {
  test("has the rights that all have in common, and names both in the journal", async () => {
    await put({ claim: "groups", value: "ops", roles: [Role.ADMIN] });
    const made = await issue();
    expect(made).toMatchObject({ name: "claude for vera@idp.example.org", roles: [Role.OPERATOR] });
    const caller = await authenticator.authenticate(made.token);
    expect(caller).toMatchObject({
      actor: { kind: "mcp", name: "claude for vera@idp.example.org" },
      roles: ["operator"],
    });
    expect(await lastEntry()).toMatchObject({
      kind: "delegation.issued",
      actor: { name: "mcp-1" },
      facts: { subject: "vera", issuer: ISSUER, roles: ["operator"] },
    });
    expect(JSON.stringify(await lastEntry())).not.toContain(made.token?.split("_")[2] ?? "?");
  });

  test("is refused to who is in no rule", async () => {
    await expect(issue()).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });

  test("is refused to a person's token, whatever its roles", async () => {
    await put({ subject: "vera", roles: [Role.VIEWER] });
    const person: Caller = { ...server, actor: { kind: "human", name: "root" } };
    await expect(issue(person)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });

  test.each([
    ["issuer", { issuer: "" }],
    ["subject", { subject: "a\u0000b" }],
    ["client", { client: "x".repeat(256) }],
    ["claims", { claims: Array.from({ length: 9 }, () => ({ name: "g", values: [] })) }],
  ])("refuses a %s that is none", async (field, change) => {
    await expect(issue(server, change)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining(field),
    });
  });

  test("ends with the access token, and after five minutes at the latest", async () => {
    await put({ subject: "vera", roles: [Role.VIEWER] });
    const { token } = await issue(server, { notAfter: timestampFromMs(system.clock.now() + MINUTE) });
    await authenticator.authenticate(token);
    fake.clock.advance(MINUTE);
    await expect(authenticator.authenticate(token)).rejects.toThrow("expired");
    const { token: longer } = await issue();
    fake.clock.advance(5 * MINUTE);
    await expect(authenticator.authenticate(longer)).rejects.toThrow("expired");
    await expect(issue(server, { notAfter: timestampFromMs(system.clock.now()) })).rejects.toThrow("expired");
  });

  test.each([
    [
      "its rule is taken away",
      async (ruleId: string) =>
        api.deletePrincipalRule(create(DeletePrincipalRuleRequestSchema, { ruleId }), contextOf(root)),
    ],
    ["its rule gives other roles", async () => put({ subject: "vera", roles: [Role.VIEWER] })],
    [
      "the server's own token is revoked",
      async () => endToken({ database: db.database, system }, tokenId(server.tokenId), root.actor),
    ],
  ])("ends within seconds when %s", async (_, end) => {
    const { ruleId } = await put({ subject: "vera", roles: [Role.OPERATOR] });
    const { token } = await issue();
    await authenticator.authenticate(token);
    fake.clock.advance(SECOND);
    await end(ruleId ?? "");
    fake.clock.advance(5 * SECOND);
    await expect(authenticator.authenticate(token)).rejects.toThrow("revoked");
  });

  test("with another secret it is unknown", async () => {
    await put({ subject: "vera", roles: [Role.VIEWER] });
    const { token = "" } = await issue();
    const other = token.slice(0, -1) + (token.endsWith("A") ? "B" : "A");
    await expect(authenticator.authenticate(other)).rejects.toThrow("unknown");
  });
});

describe("rules", () => {
  test("one for the same whom is replaced, and listed once", async () => {
    const first = await put({ subject: "vera", roles: [Role.VIEWER] });
    const second = await put({ subject: "vera", roles: [Role.OPERATOR] });
    expect(second.ruleId).toBe(first.ruleId);
    const { rules } = await api.listPrincipalRules(create(ListPrincipalRulesRequestSchema), contextOf(root));
    expect(rules).toMatchObject([{ subject: "vera", roles: [Role.OPERATOR], createdBy: "root" }]);
  });

  test.each([
    ["neither a subject nor a claim", { roles: [Role.VIEWER] }],
    ["both", { subject: "vera", claim: "groups", value: "ops", roles: [Role.VIEWER] }],
    ["a claim without a value", { claim: "groups", roles: [Role.VIEWER] }],
    ["no role", { subject: "vera", roles: [] }],
    ["the role delegate", { subject: "vera", roles: [Role.DELEGATE] }],
  ])("%s is refused", async (_, rule) => {
    await expect(put(rule)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

test("the switch says who put it so and why, and stands in the journal", async () => {
  const set = (state: McpSwitch, because: string) =>
    api.setMcpSwitch(create(SetMcpSwitchRequestSchema, { state, because }), contextOf(root));
  await expect(set(McpSwitch.OFF, " ")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await set(McpSwitch.READ_ONLY, "a drill");
  const now = await api.getMcpSwitch(create(GetMcpSwitchRequestSchema), contextOf(root));
  expect(now).toMatchObject({ state: McpSwitch.READ_ONLY, because: "a drill", setBy: "root" });
  expect(await lastEntry()).toMatchObject({
    kind: "mcp.switched",
    because: expect.stringContaining("a drill"),
  });
});

test("calls are written as their caller's, all or none", async () => {
  const good = {
    kind: "tool",
    name: "nodes_list",
    phase: "ended",
    argumentsDigest: "a".repeat(64),
    code: "OK",
    transport: "http",
  };
  const write = (calls: object[]) =>
    api.journalCalls(create(JournalCallsRequestSchema, { calls }), contextOf(server));
  const { position } = await write([good, { ...good, name: "node_get" }]);
  const entry = await lastEntry();
  expect(entry).toMatchObject({ position: Number(position), kind: "mcp.called", actor: { name: "mcp-1" } });
  await expect(write([good, { ...good, kind: "?" }])).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(write([])).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(write(Array.from({ length: 201 }, () => good))).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
  expect(await lastEntry()).toEqual(entry);
});
