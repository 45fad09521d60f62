import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ScrapeTarget } from "../collect-settings.js";
import type { CollectClock } from "../ports.js";
import { linesOf, valuesOf } from "../testing/read-out.js";
import { ScrapeGroup, targetLabels } from "./scrape-group.js";

const clock: CollectClock = {
  now: () => 0,
  monotonic: () => performance.now(),
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs);
    return () => clearTimeout(timer);
  },
};

let server: Server;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let url = "";
let directory = "";
let groups: ScrapeGroup[] = [];
let said: string[] = [];

beforeEach(async () => {
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
  directory = mkdtempSync(join(tmpdir(), "mainstay-scrape-"));
  groups = [];
  said = [];
});

afterEach(async () => {
  for (const group of groups) group.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true, force: true });
});

function target(more: Partial<ScrapeTarget> = {}): ScrapeTarget {
  return {
    job: "app",
    url,
    intervalMs: 15_000,
    timeoutMs: 2_000,
    bearerTokenFile: undefined,
    caFile: undefined,
    serverName: undefined,
    labels: { instance: "web-1" },
    sampleLimit: 100,
    bodyBytesMax: 10_000,
    ...more,
  };
}

function group(more: Partial<ScrapeTarget> = {}): ScrapeGroup {
  const made = new ScrapeGroup(target(more), { instance: "n1", node: "n1" }, clock, (_, sentence, facts) =>
    said.push(`${sentence}: ${facts["because"] ?? ""}`),
  );
  groups.push(made);
  return made;
}

const about = 'instance="web-1",job="app",node="n1"';

test("a scrape gives the target's samples and what Prometheus says of a scrape", async () => {
  const headers: IncomingMessage["headers"][] = [];
  answer = (request, response) => {
    headers.push(request.headers);
    response.end('# TYPE a gauge\na{x="1"} 5\nb 6\n');
  };
  const readings = await group().read(7);
  expect(readings.map(({ timestampMs }) => timestampMs)).toEqual([7, 7]);
  const values = valuesOf(readings);
  expect(values.get(`a{${about},x="1"}`)).toBe("5");
  expect(values.get(`up{${about}}`)).toBe("1");
  expect(values.get(`scrape_samples_scraped{${about}}`)).toBe("2");
  expect(Number(values.get(`scrape_duration_seconds{${about}}`))).toBeGreaterThan(0);
  expect(headers[0]?.accept).toContain("text/plain;version=0.0.4");
  expect(headers[0]?.["x-prometheus-scrape-timeout-seconds"]).toBe("2");
});

test("a target that goes and comes: stale markers once, up 0, then its series again; said once each", async () => {
  let broken = false;
  answer = (_, response) => {
    response.statusCode = broken ? 503 : 200;
    response.end("a 5\n");
  };
  const scraped = group();
  await scraped.read(1);
  broken = true;
  const down = await scraped.read(2);
  expect(down.map(linesOf)[0]).toEqual([`a{${about}} stale`]);
  expect(valuesOf(down).get(`up{${about}}`)).toBe("0");
  expect((await scraped.read(3)).map(linesOf)).toHaveLength(1);
  broken = false;
  expect(valuesOf(await scraped.read(4)).get(`a{${about}}`)).toBe("5");
  expect(said).toEqual([
    "A target cannot be scraped: HTTP status 503, expected 200",
    "A target can be scraped again: ",
  ]);
});

test.each([
  { what: "a redirect is not followed", code: 302, body: "a 1\n", because: "HTTP status 302, expected 200" },
  { what: "a body that is no exposition", code: 200, body: "<html>\n", because: 'line 1: the value is ""' },
  {
    what: "a body over its bound",
    code: 200,
    body: "# x\n".repeat(2_501),
    because: "more than 10000 bytes (bodyBytesMax)",
  },
  {
    what: "too many samples",
    code: 200,
    body: Array.from({ length: 101 }, (_, i) => `m${i} 1\n`).join(""),
    because: "more than 100 samples (sampleLimit)",
  },
])("$what: up is 0", async ({ code, body, because }) => {
  answer = (_, response) => {
    response.writeHead(code, { location: "http://127.0.0.1:1/elsewhere" });
    response.end(body);
  };
  const values = valuesOf(await group().read(1));
  expect(values.get(`up{${about}}`)).toBe("0");
  expect(said).toEqual([`A target cannot be scraped: ${because}`]);
});

test("a body that is not UTF-8, one that is compressed, one that breaks off", async () => {
  answer = (_, response) => response.end(Buffer.from([0x61, 0x20, 0xff, 0x0a]));
  await group().read(1);
  answer = (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end("x");
  await group().read(1);
  answer = (_, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("a 1\n");
    setTimeout(() => response.destroy(), 20);
  };
  await group().read(1);
  expect(said).toEqual([
    "A target cannot be scraped: the body is not UTF-8",
    'A target cannot be scraped: content-encoding "gzip", expected none',
    "A target cannot be scraped: aborted",
  ]);
});

test("a target that trickles is cut off at the time-out, as is one that says nothing", async () => {
  answer = (_, response) => {
    response.write("a 1\n");
    const timer = setInterval(() => response.write("# x\n"), 20);
    response.on("close", () => clearInterval(timer));
  };
  await group({ timeoutMs: 150 }).read(1);
  answer = () => {};
  await group({ timeoutMs: 150 }).read(1);
  expect(said).toEqual([
    "A target cannot be scraped: no answer within 150 ms",
    "A target cannot be scraped: no answer within 150 ms",
  ]);
});

test("the token is read at each scrape; one that is no token is a failed scrape that does not show it", async () => {
  const tokens: (string | undefined)[] = [];
  answer = (request, response) => {
    tokens.push(request.headers.authorization);
    response.end("a 1\n");
  };
  const file = join(directory, "token");
  const scraped = group({ bearerTokenFile: file });
  writeFileSync(file, "first-token\n");
  await scraped.read(1);
  writeFileSync(file, "second-token");
  await scraped.read(2);
  writeFileSync(file, "two words\r\nx: y");
  await scraped.read(3);
  expect(tokens).toEqual(["Bearer first-token", "Bearer second-token"]);
  expect(said).toEqual([`A target cannot be scraped: read ${file}: expected one token of printable ASCII`]);
});

test("one connection serves all scrapes of a target", async () => {
  let connections = 0;
  server.on("connection", () => connections++);
  answer = (_, response) => response.end("a 1\n");
  const scraped = group();
  for (let i = 0; i < 3; i++) await scraped.read(i);
  expect(connections).toBe(1);
});

test.each([
  { url: "http://127.0.0.1:9090/metrics", instance: "n1:9090" },
  { url: "http://localhost/metrics", instance: "n1:80" },
  { url: "https://[::1]/metrics", instance: "n1:443" },
  { url: "http://10.0.0.7:9100/metrics", instance: "10.0.0.7:9100" },
])("the instance of $url is $instance", ({ url: at, instance }) => {
  expect(targetLabels(target({ url: at, labels: {} }), { instance: "n1", job: "node" })).toEqual({
    instance,
    job: "app",
  });
});
