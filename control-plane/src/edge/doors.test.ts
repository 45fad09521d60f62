import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { portError } from "./grpc-server.js";
import { madeUpRooms } from "./testing/made-up-rooms.js";
import { openTestDoors, type TestDoors, TOKEN } from "./testing/open-test-doors.js";

let doors: TestDoors;
const { services, seen } = madeUpRooms();

beforeAll(async () => {
  doors = await openTestDoors({
    services,
    permit: (method, roles) =>
      method.endsWith("/CreateJoinToken") && !roles.includes("viewer")
        ? { kind: "deny", because: "CreateJoinToken needs role viewer" }
        : { kind: "allow", because: "test" },
  });
});
afterAll(() => doors.close());
const bearer = { authorization: `Bearer ${TOKEN}` };
const get = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`${doors.rest}${path}`, { ...init, headers: { ...bearer, ...init.headers } });

describe("nothing is answered without a token", () => {
  test.each([
    "/api/mainstay/v1/nodes",
    "/api/mainstay/v1/nothing",
    "/openapi.json",
    "/metrics",
    "/health/ready",
    "/health/detailed",
    "/nothing/at/all",
    "/",
    "/health/",
    "/health/live/",
    "/health/failover/",
    "//health",
    "/HEALTH",
  ])("%s is 401", async (path) => {
    const answer = await fetch(`${doors.rest}${path}`);
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toContain("Bearer");
    expect(await answer.json()).toMatchObject({ code: "UNAUTHENTICATED" });
  });

  test.each(["/health", "/health/live", "/health/failover"])("%s is 200 for everyone", async (path) => {
    expect((await fetch(`${doors.rest}${path}`)).status).toBe(200);
  });

  test("/health says status, time, version and uptime, and nothing else", async () => {
    const body: unknown = await (await fetch(`${doors.rest}/health`)).json();
    expect(Object.keys(body as object).sort()).toEqual(["status", "timestamp", "uptime", "version"]);
  });

  test("a wrong token is 401, and basic authentication with the token as password is let in", async () => {
    expect((await get("/api/mainstay/v1/nodes", { headers: { authorization: "Bearer x" } })).status).toBe(
      401,
    );
    const basic = `Basic ${Buffer.from(`any:${TOKEN}`).toString("base64")}`;
    expect((await get("/api/mainstay/v1/nodes", { headers: { authorization: basic } })).status).toBe(200);
  });
});

describe("REST", () => {
  test("a listing, its nested query and the caller's trace", async () => {
    seen.length = 0;
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const answer = await get("/api/mainstay/v1/nodes?page.size=5&page.token=x&liveness=LIVENESS_LIVE", {
      headers: { traceparent },
    });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ nodes: [{ nodeId: "n-1", labels: {} }], nextToken: "" });
    expect(seen[0]?.request).toMatchObject({ page: { size: 5, token: "x" }, liveness: 1 });
    expect(seen[0]?.context.trace.traceId).toBe("0af7651916cd43dd8448eb211c80319c");
    expect(seen[0]?.context.trace.spanId).not.toBe("b7ad6b7169203331");
    expect(seen[0]?.context.caller.actor.name).toBe("tester");
  });

  test("a path field is decoded, and a verb with a body reaches its method", async () => {
    seen.length = 0;
    expect((await get("/api/mainstay/v1/nodes/web%2D1")).status).toBe(200);
    const revoked = await get("/api/mainstay/v1/nodes/n-7:revoke", {
      method: "POST",
      body: JSON.stringify({ reason: "stolen", node_id: "other" }),
      headers: { "content-type": "application/json" },
    });
    expect(revoked.status).toBe(200);
    expect(seen[1]?.request).toMatchObject({ nodeId: "n-7", reason: "stolen" });
  });

  test.each([
    {
      what: "an unknown node",
      path: "/api/mainstay/v1/nodes/x",
      status: 404,
      body: { code: "NOT_FOUND", details: { nodeId: "x" } },
    },
    { what: "an unknown path", path: "/api/mainstay/v1/nothing", status: 404, body: { code: "NOT_FOUND" } },
    {
      what: "an unknown parameter",
      path: "/api/mainstay/v1/nodes?colour=red",
      status: 400,
      body: { code: "INVALID_ARGUMENT" },
    },
    {
      what: "a bad number",
      path: "/api/mainstay/v1/nodes?page.size=many",
      status: 400,
      body: { code: "INVALID_ARGUMENT" },
    },
    { what: "a path beside the API", path: "/elsewhere", status: 404, body: { code: "NOT_FOUND" } },
  ])("$what is $status in JSON", async ({ path, status: expected, body }) => {
    const answer = await get(path);
    expect(answer.status).toBe(expected);
    expect(await answer.json()).toMatchObject(body);
  });

  test("another verb is 405 and says which are there", async () => {
    const answer = await get("/api/mainstay/v1/nodes", { method: "DELETE" });
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toBe("GET");
    expect(await answer.json()).toMatchObject({ code: "UNIMPLEMENTED" });
  });

  test("a body that is no JSON is 400, one that is too large 413", async () => {
    const post = (body: string): Promise<Response> =>
      get("/api/mainstay/v1/nodes/a:revoke", {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
      });
    expect((await post("{")).status).toBe(400);
    expect((await post(`"${"x".repeat(1_100_000)}"`)).status).toBe(413);
  });

  test("a page of another site can change nothing with what the browser knows", async () => {
    const post = async (headers: Record<string, string>): Promise<number> => {
      const init = { method: "POST", body: "{}", headers };
      return (await get("/api/mainstay/v1/nodes/a:revoke", init)).status;
    };
    expect(await post({ "content-type": "application/json" })).toBe(200);
    expect(await post({ "content-type": "application/json; charset=utf-8" })).toBe(200);
    expect(await post({ "content-type": "text/plain" })).toBe(400);
    expect(await post({ "content-type": "application/x-www-form-urlencoded" })).toBe(400);
    expect(await post({ "content-type": "application/json", "sec-fetch-site": "cross-site" })).toBe(403);
    expect(await post({ "content-type": "application/json", "sec-fetch-site": "same-origin" })).toBe(200);
  });

  test("a name of 500 characters reaches its method", async () => {
    const name = "n".repeat(500);
    expect((await get(`/api/mainstay/v1/nodes/${name}`)).status).toBe(404);
    expect(seen.at(-1)?.request).toMatchObject({ nodeId: name });
  });

  test("what the caller may not is 403 with the reason", async () => {
    const answer = await get("/api/mainstay/v1/join-tokens", { method: "POST" });
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({
      code: "PERMISSION_DENIED",
      message: "CreateJoinToken needs role viewer",
    });
  });

  test("a fault inside tells an id and nothing else; the log has both", async () => {
    const answer = await get("/api/mainstay/v1/nodes?page.size=999");
    expect(answer.status).toBe(500);
    const text = await answer.text();
    expect(text).not.toContain("secret");
    const { details } = JSON.parse(text) as { details: { correlationId: string } };
    const line = doors.lines.find((logged) => logged.includes(details.correlationId));
    expect(line).toContain("secret of the inside");
    expect(line).not.toContain(TOKEN);
  });

  test("a client that goes away aborts the call", async () => {
    seen.length = 0;
    const leaving = new AbortController();
    const answer = get("/api/mainstay/v1/nodes/slow", { signal: leaving.signal });
    await expect.poll(() => seen.length).toBe(1);
    leaving.abort();
    await expect(answer).rejects.toThrow();
    await expect.poll(() => seen[0]?.context.signal.aborted).toBe(true);
  });

  test("requests are counted by route, never by path", async () => {
    await get("/api/mainstay/v1/nodes/x");
    const text = await (await get("/metrics")).text();
    expect(text).toMatch(
      /mcp_server_requests_total\{method="GET",endpoint="\/api\/mainstay\/v1\/nodes\/\{node_id\}",status="404"\} \d/,
    );
    expect(text).toMatch(
      /mcp_server_errors_total\{method="GET",endpoint="\/api\/mainstay\/v1\/nodes",status="500"\} 1/,
    );
    expect(text).toMatch(/mcp_server_request_duration_seconds_bucket\{/);
    // The request for the metrics itself.
    expect(text).toMatch(/^mcp_active_requests 1$/m);
  });
});
test("a taken port is one clear sentence", () => {
  const taken = portError(
    "REST",
    "127.0.0.1",
    80,
    Object.assign(new Error("listen"), { code: "EADDRINUSE" }),
  );
  expect(taken.message).toBe(
    "REST: port 80 on 127.0.0.1 is taken; stop what listens there or choose another port",
  );
});
