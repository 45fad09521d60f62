import { request } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type House, openHouse, textOf } from "../testing/house.js";

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.close());
beforeEach(() => {
  house.fake.heard.length = 0;
});

const LIST = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} });
const JSON_TYPE = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const post = (headers: Record<string, string> = {}, body = LIST) =>
  house.http("/mcp", { method: "POST", headers: { ...JSON_TYPE, ...headers }, body });

/** A request with headers that fetch does not let one set. */
function raw(path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(
      `${house.url}${path}`,
      { headers: { authorization: "Bearer viewer-token", ...headers } },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      },
    );
    call.on("error", reject);
    call.end();
  });
}

describe("who may come in", () => {
  test.each([
    ["no token", { authorization: "" }, 401],
    ["another scheme", { authorization: "Basic dmlld2VyLXRva2Vu" }, 401],
    ["an unknown token", { authorization: "Bearer nobody" }, 401],
    ["a token that is too long", { authorization: `Bearer ${"x".repeat(5_000)}` }, 401],
    ["a good token", { authorization: "Bearer viewer-token" }, 200],
    ["a good token, the scheme in other letters", { authorization: "bearer viewer-token" }, 200],
    ["a page from elsewhere", { origin: "https://evil.example" }, 403],
    ["a sandboxed page", { origin: "null" }, 403],
    ["a page whose name begins like ours", { origin: "http://localhost.evil.example" }, 403],
    ["a page on this machine", { origin: "http://localhost:5173" }, 200],
    ["a page that was admitted", { origin: "https://ops.example.org" }, 200],
  ])("with %s the answer is as it should be", async (_, headers, status) => {
    const answer = await post(headers);
    expect(answer.status).toBe(status);
    if (status === 401) expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer realm="mainstay"/);
  });

  test.each(["/mcp", "/health", "/health/live", "/metrics", "/nothing"])(
    "another Host is refused on %s",
    async (path) => {
      expect(await raw(path, { host: "evil.example" })).toBe(403);
      expect(await raw(path, { host: "evil.example:80" })).toBe(403);
      expect(await raw(path, { host: "mcp.example.org:443" })).not.toBe(403);
    },
  );

  test("a revoked token is out after 30 s at most; until then it is not asked for again", async () => {
    house.fake.tokens.set("short-token", { name: "s", roles: [1] });
    await post({ authorization: "Bearer short-token" });
    await post({ authorization: "Bearer short-token" });
    expect(house.fake.heardOf("WhoAmI").filter((heard) => heard.token === "short-token")).toHaveLength(1);
  });

  test.each(["/health/ready", "/health/detailed", "/metrics", "/nothing"])(
    "%s wants a token",
    async (path) => {
      expect((await fetch(`${house.url}${path}`)).status).toBe(401);
    },
  );
});

describe("what is sent", () => {
  test.each([
    ["not JSON", {}, "{", 400, -32_700],
    ["empty", {}, "", 400, -32_700],
    ["not UTF-8 but in JSON's clothes", {}, "\u0000", 400, -32_700],
    ["a batch", {}, `[${LIST}]`, 400, -32_600],
    ["larger than allowed", {}, JSON.stringify({ pad: "x".repeat(70_000) }), 413, -32_000],
    ["of another type", { "content-type": "text/plain" }, LIST, 415, -32_000],
  ])("when it is %s it is refused with the right code", async (_, headers, body, status, code) => {
    const answer = await post(headers, body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ jsonrpc: "2.0", error: { code }, id: null });
  });

  test("a body without a length is cut off at the bound", async () => {
    const status = await new Promise<string>((resolve, reject) => {
      const socket = connect(house.server.port, "127.0.0.1");
      let answer = "";
      socket.on("data", (bytes) => {
        answer += bytes.toString();
      });
      socket.on("close", () => resolve(answer.split("\r\n")[0] ?? ""));
      socket.on("error", (error) => (answer === "" ? reject(error) : undefined));
      socket.write(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer viewer-token\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
      );
      const chunk = `2000\r\n${"x".repeat(0x2000)}\r\n`;
      const feed = setInterval(() => (socket.writable ? socket.write(chunk) : clearInterval(feed)), 2);
      socket.on("close", () => clearInterval(feed));
    });
    expect(status).toContain("413");
  });

  test.each(["GET", "DELETE"])("%s on /mcp is not allowed: this server keeps no sessions", async (method) => {
    expect((await house.http("/mcp", { method, headers: { accept: "text/event-stream" } })).status).toBe(405);
  });

  test("an unknown tool and an unknown method are errors of the protocol", async () => {
    const client = await house.connect();
    await expect(client.callTool({ name: "rm_rf", arguments: {} })).rejects.toMatchObject({ code: -32_602 });
    const answer = await post({}, JSON.stringify({ jsonrpc: "2.0", id: 1, method: "nothing/here" }));
    expect(await answer.text()).toContain('"code":-32601');
  });
});

describe("health", () => {
  test("/health says that it runs, to anybody", async () => {
    const answer = await fetch(`${house.url}/health`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({
      status: "healthy",
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      version: "0.0.0-test",
      uptime: expect.any(Number),
    });
  });

  test("/health/live is well while the loop turns", async () => {
    expect((await fetch(`${house.url}/health/live`)).status).toBe(200);
  });

  test("/health/detailed tells of the parts, and readiness of nothing inside", async () => {
    const detailed: unknown = await (await house.http("/health/detailed")).json();
    expect(detailed).toMatchObject({ components: { controlPlane: { status: "healthy" }, eventLoop: {} } });
    // The worst part is the whole's; on a machine that is busy with other tests, the event loop may be late.
    const { status, components } = detailed as {
      status: string;
      components: Record<string, { status: string }>;
    };
    expect(status).toBe(components["eventLoop"]?.status);
    const ready: unknown = await (await house.http("/health/ready")).json();
    expect(Object.keys(ready as object)).toEqual(["status", "timestamp"]);
  });
});

describe("metrics", () => {
  const sample = async (name: string): Promise<number | undefined> => {
    const text = await (await house.http("/metrics")).text();
    const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length + 1));
  };

  test("count each request once: tools by name, the rest by route, unknown names as one", async () => {
    const client = await house.connect();
    const ok = 'mcp_server_requests_total{method="tools/call",endpoint="alerts_list",status="200"}';
    const missing = 'mcp_server_requests_total{method="tools/call",endpoint="node_get",status="not_found"}';
    const before = [await sample(ok), await sample(missing)].map((value) => value ?? 0);
    await client.callTool({ name: "alerts_list", arguments: {} });
    await client.callTool({ name: "node_get", arguments: { node: "zzz" } });
    await house.http("/secret/path?token=x");
    expect(await sample(ok)).toBe((before[0] ?? 0) + 1);
    expect(await sample(missing)).toBe((before[1] ?? 0) + 1);
    expect(
      await sample('mcp_server_requests_total{method="GET",endpoint="other",status="404"}'),
    ).toBeGreaterThan(0);
    expect(await (await house.http("/metrics")).text()).not.toContain("secret");
  });

  test("carry the runbook's names, with true values", async () => {
    const text = await (await house.http("/metrics")).text();
    for (const name of [
      "mcp_server_request_duration_seconds_bucket",
      "mcp_request_size_bytes_bucket",
      "mcp_response_size_bytes_bucket",
      "mcp_server_errors_total",
    ]) {
      expect(text).toContain(name);
    }
    expect(await sample("mcp_websocket_connections_active")).toBe(0);
    expect(await sample("mcp_control_plane_reachable")).toBe(1);
    expect(await sample("mcp_active_requests")).toBe(1);
    expect(await sample("mcp_response_size_bytes_sum")).toBeGreaterThan(1_000);
    expect(await sample("mcp_request_size_bytes_sum")).toBeGreaterThan(100);
  });

  test("an error is counted when it is the house's, not when it is the caller's", async () => {
    const client = await house.connect();
    const errors = 'mcp_server_errors_total{method="tools/call",endpoint="node_get"}';
    await client.callTool({ name: "node_get", arguments: { node: "zzz" } });
    expect(await sample(errors)).toBeUndefined();
    house.fake.stop();
    const result = await client.callTool({ name: "node_get", arguments: { node: "db-1" } });
    expect(textOf(result)).toBe(`UNAVAILABLE: the control plane at ${house.fake.address} cannot be reached`);
    expect(await sample(errors)).toBe(1);
    await house.fake.start();
  });
});

describe("while the control plane is away", () => {
  const status = async (path: string): Promise<number> => (await house.http(path)).status;
  const until = async (path: string, wanted: number): Promise<number> => {
    const started = performance.now();
    while ((await status(path)) !== wanted) {
      if (performance.now() - started > 10_000) throw new Error(`${path} did not become ${wanted}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return performance.now() - started;
  };

  test("it is unready within 5 s, known callers still see why, unknown ones are not called wrong; it comes back by itself", async () => {
    await until("/health/ready", 200);
    house.fake.stop();
    expect(await until("/health/ready", 503)).toBeLessThan(5_000);
    const detailed = await house.http("/health/detailed");
    expect(detailed.status).toBe(503);
    expect(await detailed.json()).toMatchObject({
      status: "unhealthy",
      components: { controlPlane: { because: expect.stringContaining("cannot be reached") } },
    });
    expect(await status("/health/live")).toBe(200);
    expect(await status("/metrics")).toBe(200);
    const unknown = await post({ authorization: "Bearer operator-token-2" });
    expect(unknown.status).toBe(503);
    expect(unknown.headers.get("retry-after")).toBe("2");
    await house.fake.start();
    expect(await until("/health/ready", 200)).toBeLessThan(6_000);
    const client = await house.connect();
    expect((await client.callTool({ name: "alerts_list", arguments: {} })).isError).not.toBe(true);
  });

  test("one that says it does not serve makes this server unready too", async () => {
    house.fake.serving = false;
    await until("/health/ready", 503);
    house.fake.serving = true;
    await until("/health/ready", 200);
  });
});

test("a stop lets a request under way finish, and takes no more", async () => {
  const own = await openHouse();
  const client = await own.connect();
  own.fake.delayMs = 500;
  const call = client.callTool({ name: "alerts_list", arguments: {} });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const stopped = own.server.stop();
  expect((await call).isError).not.toBe(true);
  await stopped;
  await expect(fetch(`${own.url}/health`)).rejects.toThrow();
  await own.close();
});

test("a client that neither finishes nor leaves does not hold up a stop for longer than its bound", async () => {
  const own = await openHouse();
  const socket = connect(own.server.port, "127.0.0.1");
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.on("error", () => {});
  socket.write(
    'POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer viewer-token\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"half":',
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  const started = performance.now();
  await own.close();
  await closed;
  expect(performance.now() - started).toBeLessThan(9_000);
});
