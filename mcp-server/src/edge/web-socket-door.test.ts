import { afterEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type House, openHouse } from "../testing/house.js";

let house: House;
const sockets: WebSocket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await house.close();
});

type Json = Record<string, unknown>;

interface Line {
  readonly socket: WebSocket;
  readonly heard: Json[];
  /** The close code, once it is closed. */
  readonly closed: Promise<number>;
  ask(message: Json): Promise<Json>;
}

/** Opens a WebSocket; rejects with the HTTP status when it is refused. */
function open(headers: Record<string, string> = {}, path = "/mcp/ws"): Promise<Line> {
  const socket = new WebSocket(`${house.url.replace("http", "ws")}${path}`, "mcp", {
    headers: { authorization: "Bearer viewer-token", ...headers },
  });
  sockets.push(socket);
  const heard: Json[] = [];
  socket.on("message", (data) => heard.push(JSON.parse(String(data))));
  socket.on("error", () => {});
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  const ask = async (message: Json): Promise<Json> => {
    socket.send(JSON.stringify({ jsonrpc: "2.0", ...message }));
    return until(() => heard.find((answer) => answer["id"] === message["id"]));
  };
  return new Promise((resolve, reject) => {
    socket.once("open", () => resolve({ socket, heard, closed, ask }));
    socket.once("unexpected-response", (_request, answer) =>
      reject(new Error(`status ${answer.statusCode}`)),
    );
  });
}

async function until<T>(look: () => T | undefined): Promise<T> {
  for (let i = 0; i < 300; i++) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it did not come");
}

const metric = async (name: string): Promise<number> => {
  const text = await (await house.http("/metrics")).text();
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length));
};

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

test("a client of 2026-07-28 calls a tool, as the token's owner", async () => {
  house = await openHouse();
  const { ask } = await open();
  const params = { name: "health_overview", arguments: {}, _meta: META };
  expect(await ask({ id: 1, method: "tools/call", params })).toMatchObject({
    result: { resultType: "complete", structuredContent: { status: "degraded" } },
  });
  expect(house.fake.heardOf("GetOverview").map(({ token }) => token)).toEqual(["viewer-token"]);
});

test("a client of 2025-11-25 shakes hands and calls a tool", async () => {
  house = await openHouse();
  const { ask, socket } = await open();
  const clientInfo = { name: "test", version: "1" };
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
  expect(await ask({ id: 1, method: "initialize", params })).toMatchObject({
    result: { protocolVersion: "2025-11-25", serverInfo: { name: "mainstay" } },
  });
  socket.send(JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }));
  expect(await ask({ id: 2, method: "tools/call", params: { name: "health_overview" } })).toMatchObject({
    result: { structuredContent: { status: "degraded" } },
  });
});

test("a client that listens is told of changes; when it goes, the journal is let go", async () => {
  house = await openHouse();
  const { socket, heard } = await open();
  const notifications = { resourceSubscriptions: ["mainstay://node/n-1"] };
  const params = { notifications, _meta: META };
  socket.send(JSON.stringify({ jsonrpc: "2.0", id: 7, method: "subscriptions/listen", params }));
  await until(() => heard.find(({ method }) => method === "notifications/subscriptions/acknowledged"));
  await until(() => (house.fake.watchers.size === 1 ? true : undefined));
  house.fake.note("node.lost", "node:n-2");
  house.fake.note("node.lost", "node:n-1");
  await until(() => heard.find(({ method }) => method === "notifications/resources/updated"));
  expect(heard.filter(({ method }) => method === "notifications/resources/updated")).toMatchObject([
    { params: { uri: "mainstay://node/n-1", _meta: { "io.modelcontextprotocol/subscriptionId": 7 } } },
  ]);
  socket.close();
  await until(() => (house.fake.watchers.size === 0 ? true : undefined));
});

test.each([
  ["no token", { authorization: "" }, "/mcp/ws", 401],
  ["an unknown token", { authorization: "Bearer nobody" }, "/mcp/ws", 401],
  ["a page from elsewhere", { origin: "https://evil.example" }, "/mcp/ws", 403],
  ["another Host", { host: "evil.example" }, "/mcp/ws", 403],
  ["another path", {}, "/mcp", 404],
])("with %s it is refused", async (_, headers, path, status) => {
  house = await openHouse();
  await expect(open(headers, path)).rejects.toThrow(`status ${status}`);
});

test("while the control plane is away a stranger is asked to come again", async () => {
  house = await openHouse({}, 300);
  house.fake.stop();
  await expect(open()).rejects.toThrow("status 503");
});

test.each([
  ["not JSON", "{", -32_700],
  ["not JSON-RPC", '{"hello":1}', -32_600],
  ["a batch", "[]", -32_600],
])("what is %s is an error, and the connection stays", async (_, text, code) => {
  house = await openHouse();
  const { socket, heard, ask } = await open();
  socket.send(text);
  await until(() => heard.find(({ error }) => error !== undefined));
  expect(heard[0]).toMatchObject({ id: null, error: { code } });
  expect(await ask({ id: 1, method: "tools/list", params: { _meta: META } })).toMatchObject({
    result: { tools: expect.any(Array) },
  });
});

test.each([
  ["larger than allowed", () => JSON.stringify({ pad: "x".repeat(70_000) }), 1009],
  ["bytes", () => Buffer.from("{}"), 1003],
])("what is %s ends the connection, with a code that is counted", async (_, message, code) => {
  house = await openHouse();
  const { socket, closed } = await open();
  socket.send(message());
  expect(await closed).toBe(code);
  expect(await metric(`mcp_websocket_closes_total{code="${code}"}`)).toBe(1);
});

test("open connections are counted, and those that go", async () => {
  house = await openHouse();
  const [first] = [await open(), await open(), await open()];
  expect(await metric("mcp_websocket_connections_active")).toBe(3);
  first.socket.close(1000);
  await first.closed;
  expect(await metric("mcp_websocket_connections_active")).toBe(2);
  expect(await metric('mcp_websocket_closes_total{code="1000"}')).toBe(1);
});

test("a client that answers pings stays, one that does not is given up after the timeout", async () => {
  house = await openHouse({ webSocket: { heartbeatMs: 100, timeoutMs: 300 } });
  const alive = await open();
  const dead = await open();
  // It no longer reads, so it no longer answers.
  dead.socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 800));
  expect(await metric("mcp_websocket_connections_active")).toBe(1);
  expect(await metric('mcp_websocket_closes_total{code="1006"}')).toBe(1);
  expect(alive.socket.readyState).toBe(WebSocket.OPEN);
});

test("a server that stops says farewell", async () => {
  house = await openHouse();
  const { closed } = await open();
  await house.server.stop();
  expect(await closed).toBe(1001);
});
