import { Role } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type House, openHouse } from "../testing/house.js";
import { FakeIssuer } from "../testing/issuer.js";

const RESOURCE = "https://mcp.example.org/mcp";
const METADATA = "https://mcp.example.org/.well-known/oauth-protected-resource/mcp";
const provider = new FakeIssuer();
let house: House;

beforeAll(async () => {
  await provider.start();
  house = await openHouse({}, 2_000, undefined, {
    oauth: {
      issuers: [provider.issuer],
      resource: RESOURCE,
      claims: ["groups"],
      serverToken: "server-token",
    },
  });
  house.fake.subjects.set("vera", [Role.OPERATOR]);
  house.fake.nodes = [{ nodeId: "n-1", name: "db-1" }];
});
afterAll(async () => {
  await house.close();
  provider.stop();
});

const token = (claims: object = {}): Promise<string> => provider.token({ ...claims }, { audience: RESOURCE });
const ask = async (bearer: string | undefined, tool = "health_overview"): Promise<Response> =>
  fetch(`${house.url}/mcp`, {
    method: "POST",
    headers: {
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 9,
      method: "tools/call",
      params: { name: tool, arguments: {} },
    }),
  });

test.each(["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"])(
  "%s says, to anybody, where to get a token",
  async (path) => {
    const answer = await fetch(`${house.url}${path}`);
    expect(await answer.json()).toEqual({
      resource: RESOURCE,
      authorization_servers: [provider.issuer],
      scopes_supported: ["mainstay:read", "mainstay:plan", "mainstay:apply"],
      bearer_methods_supported: ["header"],
      resource_name: "Mainstay",
    });
    expect((await fetch(`${house.url}${path}`, { method: "POST" })).status).toBe(405);
    const elsewhere = await fetch(`${house.url}${path}`, { headers: { origin: "https://evil.example.org" } });
    expect(elsewhere.status).toBe(403);
  },
);

test.each<[string, () => Promise<string | undefined>, number, string]>([
  [
    "no token",
    async () => undefined,
    401,
    `Bearer realm="mainstay", scope="mainstay:read", resource_metadata="${METADATA}"`,
  ],
  [
    "a token for another server",
    () => provider.token({}, { audience: "https://other.example.org" }),
    401,
    `Bearer realm="mainstay", error="invalid_token", scope="mainstay:read", resource_metadata="${METADATA}"`,
  ],
  [
    "a token without our scopes",
    () => token({ scope: "openid" }),
    403,
    `Bearer realm="mainstay", error="insufficient_scope", scope="mainstay:read", resource_metadata="${METADATA}"`,
  ],
])("with %s the challenge says what is needed", async (_, make, status, challenge) => {
  const answer = await ask(await make());
  expect(answer.status).toBe(status);
  expect(answer.headers.get("www-authenticate")).toBe(challenge);
});

test("a principal without a role is told so, and asked to get no other token", async () => {
  const answer = await ask(await token({ sub: "mallory" }));
  expect(answer.status).toBe(403);
  expect(answer.headers.get("www-authenticate")).toBeNull();
  expect(await answer.text()).toContain("no rule gives them a role here");
});

test("a tool beyond the token's scopes is challenged with all that is needed, in the answer to that call", async () => {
  const answer = await ask(await token(), "change_plan");
  expect(answer.status).toBe(403);
  expect(answer.headers.get("www-authenticate")).toContain('scope="mainstay:read mainstay:plan"');
  expect(await answer.json()).toMatchObject({ id: 9, error: { code: -32_000 } });
});

test("the control plane is called with a credential of this server's, never with the access token", async () => {
  const shown = await token();
  house.fake.heard.length = 0;
  expect((await ask(shown)).status).toBe(200);
  const tokens = house.fake.heardOf("GetOverview").map((call) => call.token);
  expect(tokens).toEqual([expect.stringMatching(/^msd_/)]);
  expect(JSON.stringify(house.lines)).not.toContain(shown.split(".")[2]);
});

test("the control plane's own tokens are taken as before", async () => {
  expect((await ask("viewer-token")).status).toBe(200);
});

describe("a WebSocket", () => {
  const open = (bearer: string): Promise<WebSocket | number> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${house.url.replace("http", "ws")}/mcp/ws`, "mcp", {
        headers: { authorization: `Bearer ${bearer}` },
      });
      socket.once("open", () => resolve(socket));
      socket.once("unexpected-response", (_request, answer) => resolve(answer.statusCode ?? 0));
      socket.once("error", () => {});
    });

  test("is let in by an access token, and held to its scopes call by call", async () => {
    const socket = await open(await token());
    if (typeof socket === "number") throw new Error(`refused with ${socket}`);
    const answers: string[] = [];
    socket.on("message", (data) => answers.push(String(data)));
    const say = (message: object): void => socket.send(JSON.stringify({ jsonrpc: "2.0", ...message }));
    const clientInfo = { name: "test", version: "1" };
    say({
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo },
    });
    say({ method: "notifications/initialized" });
    const change = { node: "db-1", action: "clean-directory", reason: "a try" };
    say({ id: 2, method: "tools/call", params: { name: "change_plan", arguments: change } });
    say({ id: 3, method: "tools/call", params: { name: "health_overview", arguments: {} } });
    for (let i = 0; i < 200 && answers.length < 3; i++)
      await new Promise((resolve) => setTimeout(resolve, 25));
    socket.close();
    expect(answers.find((text) => text.includes('"id":2'))).toContain("lacks the scope mainstay:plan");
    expect(answers.find((text) => text.includes('"id":3'))).not.toContain('"isError":true');
  });

  test.each([
    ["for another server", () => provider.token({}, { audience: "https://other.example.org" }), 401],
    ["without our scopes", () => token({ scope: "openid" }), 403],
    ["of nobody", () => token({ sub: "mallory" }), 403],
  ])("is refused with a token %s", async (_, make, status) => {
    expect(await open(await make())).toBe(status);
  });
});
