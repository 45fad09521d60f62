import { createServer, type Server } from "node:http";
import { McpServer } from "@modelcontextprotocol/server";
import { afterEach, expect, test } from "vitest";
import { type SessionLimits, Sessions } from "./sessions.js";

let server: Server;
let sessions: Sessions;
let now = 0;
/** Sleepers, woken by hand. */
let sleeping: (() => void)[] = [];
const clock = {
  now: () => now,
  monotonic: () => now,
  sleep: (_ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (signal?.aborted === true) return resolve();
      sleeping.push(resolve);
      signal?.addEventListener("abort", () => resolve(), { once: true });
    }),
};

async function open(limits: Partial<SessionLimits> = {}): Promise<string> {
  let made = 0;
  sessions = new Sessions({
    factory: () => new McpServer({ name: "test", version: "1" }, { capabilities: { tools: {} } }),
    clock,
    hex: (digits) => {
      made += 1;
      return String(made).padStart(digits, "0");
    },
    limits: { most: 3, mostEach: 2, idleMs: 1_000, ...limits },
    onError: () => {},
  });
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const clientId = String(request.headers["x-who"] ?? "vera");
    const exchange = {
      request,
      response,
      auth: { token: "t", clientId, scopes: [] },
      body: text === "" ? undefined : JSON.parse(text),
    };
    const id = request.headers["mcp-session-id"];
    const served = await (typeof id === "string" ? sessions.resume(id, exchange) : sessions.begin(exchange));
    if (served.kind !== "served") response.writeHead(served.kind === "full" ? 503 : 404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`;
}

afterEach(async () => {
  await sessions.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  sleeping = [];
  now = 0;
});

const HEADERS = {
  "mcp-protocol-version": "2025-11-25",
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
};
const INITIALIZE = {
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } },
};

function post(url: string, message: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { ...HEADERS, ...headers },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, ...message }),
  });
}

async function begin(url: string, who = "vera"): Promise<string> {
  const answer = await post(url, INITIALIZE, { "x-who": who });
  await answer.text();
  return answer.headers.get("mcp-session-id") ?? `none: ${answer.status}`;
}

const LIST = { method: "ping" };

test("a session is its owner's; to anybody else it does not exist", async () => {
  const url = await open();
  const id = await begin(url);
  expect((await post(url, LIST, { "mcp-session-id": id })).status).toBe(200);
  expect((await post(url, LIST, { "mcp-session-id": id, "x-who": "otto" })).status).toBe(404);
  expect((await post(url, LIST, { "mcp-session-id": "0".repeat(32) })).status).toBe(404);
});

test("there is an end to the sessions of one principal, and to all of them", async () => {
  const url = await open();
  const ids = [await begin(url), await begin(url), await begin(url)];
  expect(ids[2]).toBe("none: 503");
  await begin(url, "otto");
  expect(await begin(url, "pia")).toBe("none: 503");
  expect(sessions.size).toBe(3);
});

test("a session that is ended makes room, and is gone", async () => {
  const url = await open({ mostEach: 1 });
  const id = await begin(url);
  const end = await fetch(url, { method: "DELETE", headers: { "mcp-session-id": id } });
  expect(end.status).toBe(200);
  expect((await post(url, LIST, { "mcp-session-id": id })).status).toBe(404);
  expect(await begin(url)).toMatch(/^\d+$/);
});

test("a session is ended after its idle time, not while its client waits for news", async () => {
  const url = await open();
  const idle = await begin(url);
  const waiting = await begin(url, "otto");
  const stream = new AbortController();
  const news = await fetch(url, {
    headers: { accept: "text/event-stream", "mcp-session-id": waiting, "x-who": "otto" },
    signal: stream.signal,
  });
  expect(news.status).toBe(200);
  now = 999;
  for (const wake of sleeping.splice(0)) wake();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(sessions.size).toBe(2);
  now = 1_000;
  for (const wake of sleeping.splice(0)) wake();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(sessions.size).toBe(1);
  expect((await post(url, LIST, { "mcp-session-id": idle })).status).toBe(404);
  stream.abort();
});

test("what is no initialize opens no session", async () => {
  const url = await open();
  const answer = await post(url, { ...INITIALIZE, params: {} });
  await answer.text();
  expect(sessions.size).toBe(0);
});

test("a stream goes on after the last event its client has seen", async () => {
  const url = await open();
  const id = await begin(url);
  const answer = await post(url, LIST, { "mcp-session-id": id });
  const events = (await answer.text()).split("\n\n").filter((event) => event.includes("id: "));
  const first = /id: (\d+)/.exec(events[0] ?? "")?.[1] ?? "";
  const again = await fetch(url, {
    headers: { accept: "text/event-stream", "mcp-session-id": id, "last-event-id": first },
  });
  let said = "";
  for await (const piece of again.body ?? []) {
    said += new TextDecoder().decode(piece);
    if (said.includes('"result":{}')) break;
  }
  expect(said).toContain('"result":{}');
});
