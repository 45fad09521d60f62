/**
 * An MCP server that is asked too much, wrongly, too slowly, or by too many: each gets the answer its era has for it, and
 * everybody else goes on. Its spans reach a collector, and no secret goes along.
 */
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { McpSwitch } from "@mainstay/proto/gen/mainstay/operator/v1/mcp_pb";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
let stack: Stack;
let url: URL;
let collector: Server;
const collected: string[] = [];

beforeAll(async () => {
  collector = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (piece: string) => {
      body += piece;
    });
    request.on("end", () => {
      collected.push(`${request.url} ${body}`);
      response.setHeader("content-type", "application/json").end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const address = collector.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  stack = await Stack.start({});
  stack.atEnd(() => {
    collector.close();
    collector.closeAllConnections();
  });
  url = await stack.startMcpServer({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${address.port}`,
    OTEL_BSP_SCHEDULE_DELAY: "200",
    MAINSTAY_MCP_COST_PER_MINUTE: "180",
    MAINSTAY_MCP_BODY_MAX: "65536",
  });
});
afterAll(() => stack?.stop());

const MODERN = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

async function somebody(name: string): Promise<string> {
  const made = await stack
    .operator()
    .access()
    .createToken({ name, kind: "mcp", roles: [2] });
  return made.token;
}

async function call(
  bearer: string,
  era: "2025-11-25" | "2026-07-28",
  name = "health_overview",
  given: object = {},
): Promise<Response> {
  const modern = era === "2026-07-28";
  const params = { name, arguments: given, ...(modern ? { _meta: MODERN } : {}) };
  return fetch(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${bearer}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": era,
      ...(modern ? { "mcp-method": "tools/call", "mcp-name": name } : {}),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params }),
  });
}

test.each(["2025-11-25", "2026-07-28"] as const)(
  "whoever of %s asks too much is told when to come back, and nobody else notices",
  async (era) => {
    const greedy = await somebody(`greedy-${era}`);
    const modest = await somebody(`modest-${era}`);
    let refused: Response | undefined;
    for (let i = 0; i < 200 && refused === undefined; i++) {
      const answer = await call(greedy, era);
      if (answer.status === 429) refused = answer;
      else await answer.text();
    }
    expect(refused?.status).toBe(429);
    expect(Number(refused?.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(await refused?.json()).toMatchObject({
      jsonrpc: "2.0",
      id: 7,
      error: { code: -32_000, data: { retryAfterMs: expect.any(Number) } },
    });
    expect((await call(modest, era)).status).toBe(200);
  },
);

test("bodies that are too large, cut short or hostile are refused, and the server answers on", async () => {
  const careful = await somebody("careful");
  const send = (body: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(url, {
      method: "POST",
      headers: {
        authorization: `Bearer ${careful}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...headers,
      },
      body,
    });
  const code = async (answer: Response): Promise<unknown> => {
    const body: unknown = await answer.json();
    const error = typeof body === "object" && body !== null && "error" in body ? body.error : undefined;
    return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  };
  const large = await send(`{"jsonrpc":"2.0","id":1,"method":"${"x".repeat(70_000)}"}`);
  expect(large.status).toBe(413);
  const broken = await send('{"jsonrpc":"2.0","id":1,');
  expect([broken.status, await code(broken)]).toEqual([400, -32_700]);
  const deep = await send("[".repeat(30_000));
  expect([deep.status, await code(deep)]).toEqual([400, -32_700]);
  const batch = await send("[]");
  expect([batch.status, await code(batch)]).toEqual([400, -32_600]);

  const asked = (method: string, meta: object, headers: Record<string, string>): Promise<Response> =>
    send(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { _meta: meta } }), {
      "mcp-protocol-version": "2026-07-28",
      ...headers,
    });
  const unknown = await asked("tools/burn", MODERN, { "mcp-method": "tools/burn" });
  expect([unknown.status, await code(unknown)]).toEqual([404, -32_601]);
  const version = { ...MODERN, "io.modelcontextprotocol/protocolVersion": "2099-01-01" };
  const future = await asked("tools/list", version, {
    "mcp-method": "tools/list",
    "mcp-protocol-version": "2099-01-01",
  });
  expect([future.status, await code(future)]).toEqual([400, -32_022]);
  const mismatch = await asked("tools/list", MODERN, { "mcp-method": "tools/call" });
  expect([mismatch.status, await code(mismatch)]).toEqual([400, -32_020]);
  expect((await call(careful, "2026-07-28")).status).toBe(200);
});

test("two hundred clients that send their requests a byte at a time hold up nobody", async () => {
  const patient = await somebody("patient");
  const slow = Array.from({ length: 200 }, () => {
    const socket = connect(Number(url.port), "127.0.0.1");
    socket.on("error", () => {});
    socket.write(
      `POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${patient}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{`,
    );
    return socket;
  });
  const quick = await somebody("quick");
  expect((await call(quick, "2026-07-28")).status).toBe(200);
  for (const socket of slow) socket.destroy();
});

test("while the control plane is away each call says so; when it is back they are answered, by the same server", async () => {
  const steady = await somebody("steady");
  expect((await call(steady, "2026-07-28")).status).toBe(200);
  await stack.controlPlane.stop();
  const away = await call(steady, "2026-07-28");
  expect(await away.text()).toMatch(/UNAVAILABLE|temporarily_unavailable/);
  await stack.startControlPlane();
  await until(
    "an answer",
    async () => {
      const answer = await call(steady, "2026-07-28");
      return answer.status === 200 && !(await answer.text()).includes('"isError":true') ? true : undefined;
    },
    30_000,
  );
});

test("the switch leaves reading and ends asking for changes, within seconds", async () => {
  const operator = stack.operator();
  await operator.mcp().setMcpSwitch({ state: McpSwitch.READ_ONLY, because: "a change freeze" });
  const change = { node: "nobody", action: "clean-directory", arguments: {}, reason: "a try" };
  let tries = 0;
  await until("the refusal", async () => {
    tries += 1;
    const answer = await call(await somebody(`writer-${tries}`), "2026-07-28", "change_plan", change);
    return (await answer.text()).includes("switched off by local-operator: a change freeze")
      ? true
      : undefined;
  });
  const looked = await call(await somebody("reader"), "2026-07-28");
  expect(await looked.text()).not.toContain("switched off");
  await operator.mcp().setMcpSwitch({ state: McpSwitch.ON });
});

test("spans by the conventions reach the collector, below the caller's; no secret is in them, the logs or the journal", async () => {
  const SECRET = "hunter2-in-an-argument";
  const token = await somebody("watched");
  const client = new Client(
    { name: "story", version: "1" },
    { versionNegotiation: { mode: { pin: "2026-07-28" } } },
  );
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit }));
  stack.atEnd(() => client.close());
  await client.callTool({
    name: "health_overview",
    arguments: {},
    _meta: { traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01` },
  });
  await client.callTool({
    name: "change_apply",
    arguments: { command_id: SECRET, plan_hash: "5a".repeat(32) },
  });
  const spans = await until("the spans", async () => {
    const all = collected.filter((line) => line.startsWith("/v1/traces")).join("\n");
    return all.includes(TRACE_ID) && all.includes("tools/call change_apply") ? all : undefined;
  });
  expect(spans).toContain('"name":"tools/call health_overview"');
  expect(spans).toContain('"parentSpanId":"00f067aa0ba902b7"');
  expect(spans).toContain('{"key":"mcp.protocol.version","value":{"stringValue":"2026-07-28"}}');
  const journal = await until("the account", async () => {
    const { entries } = await stack
      .operator()
      .journal()
      .listEntries({ kind: "mcp.called", tail: true, size: 500 });
    return entries.some(({ traceparent }) => traceparent.includes(TRACE_ID)) ? entries : undefined;
  });
  const said = [
    ...collected,
    stack.mcpServer.text(),
    stack.controlPlane.text(),
    ...journal.map(({ factsJson, because }) => `${factsJson} ${because}`),
  ].join("\n");
  const secretOfToken = token.slice(token.indexOf("_", 4) + 1);
  expect(said).not.toContain(secretOfToken);
  expect([...collected, ...journal.map(({ factsJson }) => factsJson)].join("\n")).not.toContain(SECRET);
});
