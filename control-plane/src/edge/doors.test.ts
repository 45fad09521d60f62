import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:tls";
import { promisify } from "node:util";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type Client,
  credentials,
  Metadata,
  makeClientConstructor,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import {
  Health,
  HealthCheckRequestSchema,
  type HealthCheckResponse,
} from "@mainstay/proto/gen/grpc/health/v1/health_pb";
import {
  FleetService,
  GetNodeRequestSchema,
  type GetNodeResponse,
  type GetNodeResponseSchema,
  ListNodesRequestSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import {
  JournalService,
  WatchJournalRequestSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OpsError } from "../kernel/errors.js";
import type { CallContext } from "../platform/call.js";
import { operatorService } from "./operator-api.js";
import { openTestDoors, type TestDoors, TOKEN, testIdentity } from "./testing/open-test-doors.js";

const run = promisify(execFile);
const BUF = new URL("../../../node_modules/.bin/buf", import.meta.url).pathname;

let doors: TestDoors;
const seen: { request: unknown; context: CallContext }[] = [];
let produced = 0;
let watchEnded = 0;

const fleet = operatorService(FleetService, {
  async listNodes(request, context) {
    seen.push({ request, context });
    if (request.page?.size === 999) throw new Error("secret of the inside");
    return { nodes: [{ nodeId: "n-1", name: "web-1" }], nextToken: "" };
  },
  async getNode(request, context): Promise<MessageInitShape<typeof GetNodeResponseSchema>> {
    seen.push({ request, context });
    if (request.nodeId === "slow") {
      await once(context.signal, "abort");
      throw new OpsError("CANCELLED", "gone");
    }
    if (request.nodeId !== "web-1") {
      throw new OpsError("NOT_FOUND", `node "${request.nodeId}": not known`, { nodeId: request.nodeId });
    }
    return { node: { nodeId: "n-1", name: request.nodeId } };
  },
  async createJoinToken(request) {
    return { token: `mjt_${request.nodeName}_${request.validSeconds}` };
  },
  async revokeNode(request, context) {
    seen.push({ request, context });
    return { node: { nodeId: request.nodeId } };
  },
  async listCertificates() {
    return {};
  },
});

const journal = operatorService(JournalService, {
  async listEntries() {
    return {};
  },
  async verifyJournal() {
    return { intact: true, entries: 7n };
  },
  async *watchJournal(request) {
    try {
      for (let position = request.afterPosition + 1n; position <= 100_000n; position += 1n) {
        produced += 1;
        yield { entry: { position, because: "x".repeat(1_000) } };
      }
    } finally {
      watchEnded += 1;
    }
  },
});

beforeAll(async () => {
  doors = await openTestDoors({
    services: [fleet, journal],
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
    "//health",
    "/HEALTH",
  ])("%s is 401", async (path) => {
    const answer = await fetch(`${doors.rest}${path}`);
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toContain("Bearer");
    expect(await answer.json()).toMatchObject({ code: "UNAUTHENTICATED" });
  });

  test.each(["/health", "/health/live"])("%s is 200 for everyone", async (path) => {
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

const Made = makeClientConstructor(toServiceDefinition(FleetService), "fleet");

function client(): Client & Record<string, never> {
  return new Made(`127.0.0.1:${doors.grpcPort}`, credentials.createInsecure()) as Client &
    Record<string, never>;
}

function callGetNode(nodeId: string, metadata: Metadata, deadline?: Date): Promise<GetNodeResponse> {
  const { path, requestSerialize, responseDeserialize } = toServiceDefinition(FleetService).getNode;
  const grpc = client();
  return new Promise<GetNodeResponse>((resolve, reject) => {
    const options = deadline === undefined ? {} : { deadline };
    grpc.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      create(GetNodeRequestSchema, { nodeId }),
      metadata,
      options,
      (error, answer) => {
        if (error !== null) reject(error);
        else resolve(answer as GetNodeResponse);
      },
    );
  }).finally(() => grpc.close());
}

function withToken(): Metadata {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${TOKEN}`);
  return metadata;
}

describe("gRPC", () => {
  test("a unary call, and its errors by code, sentence and facts", async () => {
    expect((await callGetNode("web-1", withToken())).node?.name).toBe("web-1");
    const refused = await callGetNode("x", withToken()).catch((error: ServiceError) => error);
    expect(refused).toMatchObject({ code: status.NOT_FOUND, details: 'node "x": not known' });
    const [facts] = (refused as ServiceError).metadata.get("mainstay-details-bin");
    expect(JSON.parse(String(facts))).toEqual({ nodeId: "x" });
  });

  test("without a token it is UNAUTHENTICATED", async () => {
    const refused = await callGetNode("web-1", new Metadata()).catch((error: ServiceError) => error);
    expect(refused).toMatchObject({ code: status.UNAUTHENTICATED });
  });

  test("a deadline aborts the call inside", async () => {
    seen.length = 0;
    const late = await callGetNode("slow", withToken(), new Date(Date.now() + 200)).catch(
      (e: ServiceError) => e,
    );
    expect(late).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await expect.poll(() => seen[0]?.context.signal.aborted).toBe(true);
  });

  test("a stream is written no faster than it is read, and ends when the client leaves", async () => {
    produced = 0;
    watchEnded = 0;
    const { path, requestSerialize, responseDeserialize } = toServiceDefinition(JournalService).watchJournal;
    const grpc = client();
    const call = grpc.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      create(WatchJournalRequestSchema),
      withToken(),
    );
    call.on("error", () => {});
    await once(call, "readable");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(produced).toBeGreaterThan(10);
    expect(produced).toBeLessThan(2_000);
    const before = produced;
    for (let read = 0; read < 1_000; read += 1) if (call.read() === null) await once(call, "readable");
    expect(produced).toBeGreaterThan(before);
    call.cancel();
    await expect.poll(() => watchEnded).toBe(1);
    grpc.close();
  });
});

describe("buf curl, by reflection alone", () => {
  const curl = (args: readonly string[]): Promise<{ stdout: string }> =>
    run(BUF, ["curl", "--protocol", "grpc", "--http2-prior-knowledge", ...args], { cwd: "/" });
  const auth = ["-H", `authorization: Bearer ${TOKEN}`, "--reflect-header", "*"];
  const base = (): string => `http://127.0.0.1:${doors.grpcPort}`;

  test("lists services, calls one, and reads a stream", async () => {
    const { stdout: listed } = await curl([...auth, "--list-services", base()]);
    expect(listed).toContain("mainstay.operator.v1.FleetService");
    expect(listed).toContain("grpc.health.v1.Health");
    const { stdout } = await curl([
      ...auth,
      "-d",
      '{"nodeId":"web-1"}',
      `${base()}/mainstay.operator.v1.FleetService/GetNode`,
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ node: { name: "web-1" } });
    const { stdout: streamed } = await curl([
      ...auth,
      "-d",
      '{"afterPosition":"99998"}',
      `${base()}/mainstay.operator.v1.JournalService/WatchJournal`,
    ]);
    expect(streamed.match(/"position"/g)).toHaveLength(2);
    const { stdout: enrolled } = await curl([
      ...auth,
      "-d",
      "{}",
      `${base()}/mainstay.agent.v1.AgentService/Enroll`,
    ]);
    expect(JSON.parse(enrolled)).toEqual({});
  });

  test("reflection needs a token too, and health does not", async () => {
    await expect(curl(["--list-services", base()])).rejects.toThrow(/not authenticated/i);
    const health = ["--schema", new URL("../../../proto", import.meta.url).pathname];
    const { stdout } = await curl([...health, "-d", "{}", `${base()}/grpc.health.v1.Health/Check`]);
    expect(JSON.parse(stdout)).toEqual({ status: "SERVING" });
    await expect(
      curl([
        ...health,
        "-d",
        '{"service":"mainstay.operator.v1.FleetService"}',
        `${base()}/grpc.health.v1.Health/Check`,
      ]),
    ).rejects.toThrow(/unauthenticated/i);
  });
});

describe("closing and renewing", () => {
  const showsCertificate = (port: number, ca: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const to = { host: "127.0.0.1", port, ca, servername: "localhost", ALPNProtocols: ["h2", "http/1.1"] };
      const socket = connect(to, () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
      socket.on("error", reject);
    });

  test("a renewed certificate is shown to whoever connects next", async () => {
    const secure = await openTestDoors({ tls: true });
    const { clientCaPem: ca } = secure.identity;
    const operatorPorts = [secure.restPort, secure.grpcPort];
    const before = await Promise.all(operatorPorts.map((port) => showsCertificate(port, ca)));
    expect(new Set(before).size).toBe(1);
    const renewed = await testIdentity();
    secure.renew({ agents: renewed, operator: renewed });
    const after = await Promise.all(operatorPorts.map((port) => showsCertificate(port, ca)));
    expect(new Set(after).size).toBe(1);
    expect(after[0]).not.toBe(before[0]);
    await secure.close();
  });

  test("the agents' port speaks to nobody without a certificate of the house", async () => {
    const { agentPort, identity } = doors;
    const greeted = await new Promise<string>((resolve) => {
      const to = { host: "127.0.0.1", port: agentPort, ca: identity.clientCaPem, servername: "localhost" };
      const socket = connect({ ...to, ALPNProtocols: ["h2"] });
      socket.on("error", (error) => resolve(error.message));
      socket.on("close", () => resolve("closed"));
      socket.on("data", () => resolve("spoken to"));
    });
    expect(greeted).toMatch(/certificate required|closed/i);
  });

  test("open streams end with the doors, and health says so first", async () => {
    const closing = await openTestDoors({ services: [journal] });
    const grpc = new Made(`127.0.0.1:${closing.grpcPort}`, credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = toServiceDefinition(Health).watch;
    const question = create(HealthCheckRequestSchema);
    const watch = grpc.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      question,
      new Metadata(),
    );
    const states: unknown[] = [];
    watch.on("data", (state: HealthCheckResponse) => states.push(state.status));
    watch.on("error", () => {});
    const ended = once(watch, "close");
    await expect.poll(() => states).toEqual([1]);
    closing.serving.set(false);
    await expect.poll(() => states).toEqual([1, 2]);
    const started = performance.now();
    await closing.close();
    await ended;
    expect(performance.now() - started).toBeLessThan(2_500);
    grpc.close();
  });
});

test("a taken port is one clear sentence", async () => {
  const { portError } = await import("./grpc-server.js");
  const taken = portError(
    "REST",
    "127.0.0.1",
    80,
    Object.assign(new Error("listen"), { code: "EADDRINUSE" }),
  );
  expect(taken.message).toBe(
    "REST: port 80 on 127.0.0.1 is taken; stop what listens there or choose another port",
  );
  expect(create(ListNodesRequestSchema).page).toBeUndefined();
});
