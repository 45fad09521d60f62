/**
 * People of a real OpenID provider come with a real MCP client: they sign in where the server says, get what both their
 * role here and their token allow, ask for more when they need it, and stand in the journal by name.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Role } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import { McpSwitch } from "@mainstay/proto/gen/mainstay/operator/v1/mcp_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type IdentityProvider, startIdentityProvider } from "../harness/identity-provider.js";
import { McpPerson } from "../harness/mcp-person.js";
import type { Operator } from "../harness/operator.js";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";

let stack: Stack;
let operator: Operator;
let provider: IdentityProvider;
let url: URL;
let spool = "";
const ELSEWHERE = "https://other.example.org/mcp";

beforeAll(async () => {
  stack = await Stack.start({
    policy: "rules: [{ name: AI clients ask, actors: [mcp], actions: ['*'], verdict: ask }]\n",
  });
  operator = stack.operator();
  const resource = `http://127.0.0.1:${stack.ports.mcp}/mcp`;
  provider = await startIdentityProvider(["claude", "cursor"], [resource, ELSEWHERE]);
  stack.atEnd(() => provider.stop());
  const { token } = await operator
    .access()
    .createToken({ name: "mcp-1", kind: "mcp", roles: [Role.DELEGATE, Role.OPERATOR] });
  url = await stack.startMcpServer({
    MAINSTAY_MCP_OAUTH_ISSUERS: provider.issuer,
    MAINSTAY_MCP_PUBLIC_URL: resource,
    MAINSTAY_MCP_SERVER_TOKEN: token,
  });
  const rule = { issuer: provider.issuer, claim: "groups", value: "ops", roles: [Role.ADMIN] };
  await operator.mcp().putPrincipalRule({ rule });
  await operator.mcp().putPrincipalRule({
    rule: { issuer: provider.issuer, subject: "vito", roles: [Role.VIEWER] },
  });
  spool = join(stack.directory, "spool");
  mkdirSync(spool);
  await stack.startAgent("db-1", { actions: { cleanDirectory: { roots: [spool], minAgeSeconds: 60 } } });
  await until("the node", async () => (await operator.fleet().getNode({ nodeId: "db-1" })).node?.actions[0]);
});
afterAll(() => stack?.stop());

const ADA = { subject: "ada", groups: ["ops", "everybody"] };
const WRITING = "change_plan";
const change = () => ({
  name: WRITING,
  arguments: {
    node: "db-1",
    action: "clean-directory",
    arguments: { path: spool, minAgeSeconds: 3_600 },
    reason: "the spool grows",
  },
});
const place = (): string => new URL(provider.issuer).host;

test.each(["2025-11-25", "2026-07-28"] as const)(
  "a client of %s signs in, reads, and asks for more when it must",
  async (era) => {
    provider.user = ADA;
    const person = new McpPerson("claude", url);
    const client = await person.connect(era);
    stack.atEnd(() => person.close());
    const [first] = person.sentTo;
    expect(first?.searchParams.get("resource")).toBe(url.href);
    expect(first?.searchParams.get("code_challenge_method")).toBe("S256");
    expect(first?.searchParams.get("scope")).toBe("mainstay:read");

    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain(WRITING);
    const overview = await client.callTool({ name: "health_overview", arguments: {} });
    expect(overview.isError ?? false).toBe(false);

    const planned = await person.signingIn(() => client.callTool(change()));
    expect(person.sentTo.at(-1)?.searchParams.get("scope")).toBe("mainstay:read mainstay:plan");
    expect(planned.isError ?? false, JSON.stringify(planned)).toBe(false);
    const { commands } = await operator.commands().listCommands({});
    expect(commands[0]?.requestedBy).toMatchObject({ kind: "mcp", name: `claude for ada@${place()}` });

    const name = `claude for ada@${place()}`;
    const written = await until("the account of the calls", async () => {
      const { entries } = await operator.journal().listEntries({ subject: `caller:${name}`, size: 500 });
      const calls = entries.filter(({ kind }) => kind === "mcp.called");
      return calls.some(({ factsJson }) => factsJson.includes(WRITING)) ? entries : undefined;
    });
    expect(written.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(["delegation.issued", "mcp.call-begun", "mcp.called"]),
    );
    const call = written.findLast(
      ({ kind, factsJson }) => kind === "mcp.called" && factsJson.includes(WRITING),
    );
    expect(JSON.parse(call?.factsJson ?? "{}")).toMatchObject({
      tool: WRITING,
      code: "OK",
      argumentsDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
      planHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  },
);

test("who may only look is offered nothing else, and who has no role is told so", async () => {
  provider.user = { subject: "vito", groups: [] };
  const viewer = new McpPerson("claude", url);
  const client = await viewer.connect("2026-07-28");
  stack.atEnd(() => viewer.close());
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toContain("health_overview");
  expect(tools.map(({ name }) => name)).not.toContain(WRITING);

  provider.user = { subject: "mallory", groups: ["everybody"] };
  const stranger = new McpPerson("claude", url);
  await expect(stranger.connect("2026-07-28")).rejects.toThrow();
  const answer = await bare(stranger.accessToken);
  expect(answer.status).toBe(403);
  expect(await answer.text()).toContain("no rule gives claude for mallory");
});

test("a token for another server, a changed one and none are refused, with the way to a good one", async () => {
  provider.user = ADA;
  const person = new McpPerson("cursor", url);
  await person.connect("2026-07-28");
  stack.atEnd(() => person.close());
  const [head = "", body = "", signature = ""] = person.accessToken.split(".");
  const changed = Buffer.from(body, "base64url").toString().replace('"ada"', '"eve"');
  for (const token of [
    undefined,
    `${head}.${Buffer.from(changed).toString("base64url")}.${signature}`,
    `${Buffer.from('{"alg":"none"}').toString("base64url")}.${body}.`,
  ]) {
    const answer = await bare(token);
    expect(answer.status).toBe(401);
    const challenge = answer.headers.get("www-authenticate") ?? "";
    const [, metadata = ""] = /resource_metadata="([^"]+)"/.exec(challenge) ?? [];
    const described = await fetch(metadata);
    expect(await described.json()).toMatchObject({
      resource: url.href,
      authorization_servers: [provider.issuer],
    });
  }
  expect(stack.controlPlane.text()).not.toContain(signature);
  expect(stack.mcpServer.text()).not.toContain(signature);
});

test("a rule that is taken away ends what it gave, within seconds", async () => {
  provider.user = { subject: "gus", groups: [] };
  const rule = { issuer: provider.issuer, subject: "gus", roles: [Role.VIEWER] };
  const { ruleId } = await operator.mcp().putPrincipalRule({ rule });
  const person = new McpPerson("claude", url);
  const client = await person.connect("2026-07-28");
  stack.atEnd(() => person.close());
  const look = () => client.callTool({ name: "health_overview", arguments: {} });
  expect((await look()).isError ?? false).toBe(false);
  await operator.mcp().deletePrincipalRule({ ruleId });
  await until("the refusal", async () => {
    const refused = await look().then(
      ({ isError }) => isError === true,
      () => true,
    );
    return refused ? true : undefined;
  });
});

test("the switch ends all calls, in words, and lets them again", async () => {
  provider.user = ADA;
  const person = new McpPerson("claude", url);
  const client = await person.connect("2026-07-28");
  stack.atEnd(() => person.close());
  const look = () => client.callTool({ name: "health_overview", arguments: {} });
  await operator.mcp().setMcpSwitch({ state: McpSwitch.OFF, because: "a drill of the kill switch" });
  const refused = await until("the refusal", async () => {
    const answer = await look();
    return answer.isError === true ? answer : undefined;
  });
  expect(JSON.stringify(refused)).toContain("switched off by local-operator: a drill of the kill switch");
  await operator.mcp().setMcpSwitch({ state: McpSwitch.ON });
  await until("an answer", async () => ((await look()).isError === true ? undefined : true));
});

function bare(token: string | undefined): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
  });
}
