import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { CollectClock } from "../ports.js";
import { HttpProbeGroup } from "./http-probe-group.js";

const clock: CollectClock = {
  now: () => 0,
  monotonic: () => performance.now(),
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs);
    return () => clearTimeout(timer);
  },
};

let server: Server;
let status = 200;
let connections = 0;
let said: string[] = [];

beforeEach(async () => {
  server = createServer((request, response) => {
    if (request.url === "/slow") return;
    response.writeHead(status, { location: "/health" }).end("{}");
  });
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  status = 200;
  connections = 0;
  said = [];
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const probe = (path: string): HttpProbeGroup =>
  new HttpProbeGroup(
    {
      name: "api",
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
      intervalMs: 1_000,
      timeoutMs: 200,
      bearerTokenFile: undefined,
      caFile: undefined,
      serverName: undefined,
    },
    { job: "node", node: "eu-1", instance: "eu-1" },
    clock,
    (level, sentence) => void said.push(`${level} ${sentence}`),
  );

const success = async (group: HttpProbeGroup): Promise<number | undefined> => {
  const [reading] = await group.read(1_000);
  const labels = reading?.set.series[0]?.join(" ");
  expect(labels).toContain("__name__ probe_success");
  expect(labels).toContain("job probe node eu-1 probe api");
  return reading?.values[0];
};

test("only 200 is a success, over a connection of its own each time; a change is said once", async () => {
  const group = probe("/health/failover");
  expect(await success(group)).toBe(1);
  for (const other of [503, 503, 302, 204]) {
    status = other;
    expect(await success(group)).toBe(0);
  }
  status = 200;
  expect(await success(group)).toBe(1);
  expect(connections).toBe(6);
  expect(said).toEqual(["warn A probe fails", "info A probe succeeds again"]);
});

test("who does not answer in time, or is not there, is a failure", async () => {
  expect(await success(probe("/slow"))).toBe(0);
  const gone = probe("/");
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  expect(await success(gone)).toBe(0);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
