/** The control plane's doors as strangers find them: by reflection, by OpenAPI, by promtool; and what they say when PostgreSQL is away. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { request } from "node:https";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePorts } from "../harness/ports.js";
import { Program } from "../harness/program.js";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");
const BUF = join(ROOT, "node_modules/.bin/buf");
const PROMTOOL = "/usr/bin/promtool";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start();
  await stack.startAgent("web-1");
  await until("the first readings", async () => {
    const { body } = await ask("/api/v1/query?query=node_load1");
    return (body as { data: { result: unknown[] } }).data.result.length > 0 ? true : undefined;
  });
});
afterAll(() => stack.stop());

const authorization = (): string => `Bearer ${stack.operator().token}`;

async function ask(path: string): Promise<{ status: number; body: unknown; seconds: number }> {
  const started = performance.now();
  const answer = await fetch(`http://127.0.0.1:${stack.ports.rest}${path}`, {
    headers: { authorization: authorization() },
    signal: AbortSignal.timeout(10_000),
  });
  const body: unknown = await answer.json();
  return { status: answer.status, body, seconds: (performance.now() - started) / 1_000 };
}

/** A control plane that is expected to refuse to start. */
function another(...args: string[]): Program {
  const main = join(ROOT, "control-plane/dist/main.js");
  return new Program({ name: "another control plane", command: process.execPath, args: [main, ...args] });
}
const ANY_PORTS = ["--rest-port", "0", "--grpc-port", "0", "--agent-port", "0"];

describe("a stranger finds the way in", () => {
  test("by gRPC reflection", async () => {
    const curl = (...args: string[]) =>
      run(BUF, ["curl", "--protocol", "grpc", "--http2-prior-knowledge", ...args], { cwd: stack.directory });
    const base = `http://127.0.0.1:${stack.ports.grpc}`;
    const asOperator = ["-H", `authorization: ${authorization()}`, "--reflect-header", "*"];
    const services = (await curl(...asOperator, "--list-services", base)).stdout.trim().split("\n");
    expect(services).toEqual(
      expect.arrayContaining(["grpc.health.v1.Health", "mainstay.operator.v1.FleetService"]),
    );
    const { stdout } = await curl(...asOperator, `${base}/mainstay.operator.v1.FleetService/ListNodes`);
    expect(JSON.parse(stdout)).toMatchObject({ nodes: [{ name: "web-1" }] });
    await expect(curl("--list-services", base)).rejects.toThrow(/not authenticated/);
  });

  test("by the OpenAPI document: every listing in it answers", async () => {
    const document = (await ask("/openapi.json")).body as {
      paths: Record<string, { get?: { operationId: string } }>;
    };
    const listings = Object.entries(document.paths).filter(([path, { get }]) => get && !path.includes("{"));
    expect(listings.length).toBeGreaterThanOrEqual(8);
    for (const [path] of listings) {
      // A search without words has nothing to look for, and says so.
      const search = path.endsWith("/outputs");
      expect((await ask(search ? `${path}?query=disk` : path)).status, path).toBe(200);
      if (search) expect((await ask(path)).status, path).toBe(400);
    }
  });

  test.runIf(existsSync(PROMTOOL))("by promtool", async () => {
    const url = `http://any:${stack.operator().token}@127.0.0.1:${stack.ports.rest}`;
    const { stdout } = await run(PROMTOOL, ["query", "instant", url, "count(node_load1)"]);
    expect(stdout).toMatch(/^\{\} => 1 @\[/);
  });

  test("and nobody without a token", async () => {
    const paths = [
      "/metrics",
      "/api/v1/query?query=up",
      "/openapi.json",
      "/health/ready",
      "/health/detailed",
    ];
    for (const path of paths) {
      const answer = await fetch(`http://127.0.0.1:${stack.ports.rest}${path}`);
      expect(answer.status, path).toBe(401);
    }
  });
});

describe("one clear sentence and exit code 1", () => {
  test("for a second control plane on the same state", async () => {
    const second = another("--embedded", "--state", stack.state, ...ANY_PORTS);
    expect(await second.end()).toBe(1);
    expect(second.text()).toContain(
      `the control plane could not start: another control plane runs on the state directory ${stack.state}`,
    );
    // The first one's PostgreSQL was left alone.
    expect((await ask("/health/ready")).status).toBe(200);
  });

  test("for a PostgreSQL that is not there", async () => {
    const [port] = await freePorts(1);
    const url = `postgresql://me:secret@127.0.0.1:${port}/ops`;
    const state = join(stack.directory, "no-database");
    const program = another("--database-url", url, "--state", state, ...ANY_PORTS);
    expect(await program.end()).toBe(1);
    expect(program.text()).toMatch(new RegExp(`could not start: .*127\\.0\\.0\\.1:${port}/ops`));
    expect(program.text()).not.toContain("secret");
  });

  test("for settings that make no sense, all at once, with exit code 2", async () => {
    const program = another("--rest-port", "x", "--log-level", "loud");
    expect(await program.end()).toBe(2);
    expect(program.text()).toContain("--rest-port");
    expect(program.text()).toContain("--log-level");
  });
});

describe("PostgreSQL goes away", () => {
  const postmaster = (): number =>
    Number(readFileSync(join(stack.state, "postgres/data/postmaster.pid"), "utf8").split("\n")[0]);
  const readyIs = (status: number, withinMs: number) =>
    until(
      `ready to be ${status}`,
      async () => ((await ask("/health/ready")).status === status ? true : undefined),
      withinMs,
    );

  test("killed: not ready while it is away, live all along, and ready again by itself", async () => {
    const killed = postmaster();
    process.kill(killed, "SIGKILL");
    // On a quick machine its successor answers before anyone could be told.
    await until("not ready, or a new PostgreSQL", async () => {
      if ((await ask("/health/ready")).status === 503) return "not ready";
      if (postmaster() === killed) return undefined;
      return (await ask("/api/mainstay/v1/nodes")).status === 200 ? "back" : undefined;
    });
    expect((await ask("/health/live")).status).toBe(200);
    await readyIs(200, 20_000);
    expect((await ask("/api/v1/query?query=node_load1")).status).toBe(200);
  });

  test("hanging: the same, and the account of it comes within two seconds", async () => {
    const leader = postmaster();
    const { stdout } = await run("ps", ["--ppid", `${leader}`, "-o", "pid="]);
    const all = [leader, ...stdout.trim().split(/\s+/).map(Number)];
    const signalAll = (signal: NodeJS.Signals): void => {
      for (const pid of all) process.kill(pid, signal);
    };
    signalAll("SIGSTOP");
    try {
      await readyIs(503, 4_000);
      expect((await ask("/health/ready")).body).toEqual({ status: "not-ready", degraded: ["postgresql"] });
      const detailed = await ask("/health/detailed");
      expect(detailed.status).toBe(503);
      expect(detailed.seconds).toBeLessThan(2.5);
      expect(detailed.body).toMatchObject({
        status: "unhealthy",
        components: { database: { status: "unhealthy" }, disk: { status: "healthy" } },
      });
      expect((await ask("/health/live")).status).toBe(200);
      expect((await ask("/health")).status).toBe(200);
      expect((await ask("/health/failover")).status).toBe(503);
    } finally {
      signalAll("SIGCONT");
    }
    await readyIs(200, 20_000);
  });
});

test("beyond loopback operators are spoken to over TLS, with the house's own certificate", async () => {
  const state = join(stack.directory, "beyond");
  const program = another("--embedded", "--state", state, "--host", "0.0.0.0", ...ANY_PORTS);
  try {
    const { restPort, grpcPort, caFile } = await program.says("control plane ready", 60_000);
    const ca = readFileSync(String(caFile));
    const status = await new Promise<number>((resolve, reject) => {
      const call = request({ host: "localhost", port: Number(restPort), path: "/health", ca }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      call.on("error", reject).end();
    });
    expect(status).toBe(200);
    await expect(fetch(`http://127.0.0.1:${String(restPort)}/health`)).rejects.toThrow();
    const token = readFileSync(join(state, "operator-token"), "utf8").trim();
    const { stdout } = await run(
      BUF,
      [
        ...["curl", "--cacert", String(caFile), "--protocol", "grpc", "--reflect-header", "*"],
        ...["-H", `authorization: Bearer ${token}`],
        `https://localhost:${String(grpcPort)}/mainstay.operator.v1.AccessService/WhoAmI`,
      ],
      { cwd: stack.directory },
    );
    expect(JSON.parse(stdout)).toMatchObject({ name: "local-operator" });
  } finally {
    expect(await program.stop()).toBe(0);
  }
});
