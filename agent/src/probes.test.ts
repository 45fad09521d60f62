import { mkdtempSync, rmSync, statSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { exposition, type PartHealth, type ProbeSubject, probeToken, serveProbes } from "./probes.js";

const home = mkdtempSync(join(tmpdir(), "mainstay-probes-"));
afterAll(() => rmSync(home, { recursive: true }));

let server: Server;
let base = "";
const state: { parts: Record<string, PartHealth>; lag: number } = { parts: {}, lag: 0 };
const subject: ProbeSubject = {
  version: "1.2.3",
  uptimeMs: () => 1500,
  parts: () => state.parts,
  figures: () => [{ name: "mainstay_agent_x", help: "h", type: "gauge", value: 1 }],
  loopLagMs: () => state.lag,
  now: () => 0,
};
const healthy: PartHealth = { status: "healthy", because: "fine" };

beforeEach(async () => {
  state.parts = { link: healthy };
  state.lag = 0;
  server = await serveProbes({ host: "127.0.0.1", port: 0 }, "t0ken", subject);
  const at = server.address();
  base = `http://127.0.0.1:${typeof at === "object" ? at?.port : 0}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const get = (path: string, token?: string): Promise<Response> =>
  fetch(`${base}${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });

describe("the probes", () => {
  test.each([
    { path: "/health", token: undefined, status: 200 },
    { path: "/health/live", token: undefined, status: 200 },
    { path: "/health/ready", token: undefined, status: 200 },
    { path: "/health/detailed", token: undefined, status: 401 },
    { path: "/health/detailed", token: "wrong", status: 401 },
    { path: "/health/detailed", token: "t0ken", status: 200 },
    { path: "/metrics", token: undefined, status: 401 },
    { path: "/metrics", token: "t0ken", status: 200 },
    { path: "/etc/passwd", token: "t0ken", status: 404 },
  ])("$path with token $token answers $status", async ({ path, token, status }) => {
    expect((await get(path, token)).status).toBe(status);
  });

  test.each([
    { worst: "healthy", ready: 200, detailed: 200 },
    { worst: "degraded", ready: 200, detailed: 200 },
    { worst: "unhealthy", ready: 503, detailed: 503 },
  ] as const)("the worst part counts: $worst", async ({ worst, ready, detailed }) => {
    // The order of the parts must not matter: a later, milder one hides nothing.
    state.parts = {
      first: { status: worst, because: "x" },
      second: { status: worst === "healthy" ? "healthy" : "degraded", because: "y" },
      last: healthy,
    };
    expect(await (await get("/health")).json()).toMatchObject({
      status: worst,
      version: "1.2.3",
      uptime: 1.5,
    });
    expect((await get("/health/ready")).status).toBe(ready);
    expect((await get("/health/detailed", "t0ken")).status).toBe(detailed);
  });

  test("a loop that hangs is not alive", async () => {
    state.lag = 5001;
    expect((await get("/health/live")).status).toBe(503);
  });

  test("what is open to all tells nothing internal", async () => {
    state.parts = { link: { status: "degraded", because: "no stream to 10.0.0.1" } };
    for (const path of ["/health", "/health/live", "/health/ready"]) {
      expect(await (await get(path)).text()).not.toContain("10.0.0.1");
    }
  });

  test("only GET is answered", async () => {
    expect((await fetch(`${base}/health`, { method: "POST", body: "x" })).status).toBe(405);
  });

  test("the token is made once and is for this user only", () => {
    const path = join(home, "token");
    expect(probeToken(path, () => "first")).toBe("first");
    expect(probeToken(path, () => "second")).toBe("first");
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});

test("figures of one name stand together under one head", () => {
  const own = (name: string, value: number, outcome?: string) => ({
    name,
    help: "h",
    type: "counter" as const,
    value,
    ...(outcome && { labels: { outcome } }),
  });
  expect(exposition([own("a", 1, "x"), own("b", 2), own("a", 3, 'y"z')])).toBe(
    '# HELP a h\n# TYPE a counter\na{outcome="x"} 1\na{outcome="y\\"z"} 3\n# HELP b h\n# TYPE b counter\nb 2\n',
  );
});
