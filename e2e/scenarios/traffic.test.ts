/** Traffic is sent elsewhere by plan, at a real BIND and a real HAProxy, and is said to have moved no sooner than it has. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Route53Contract } from "../contract-servers/route53.js";
import { Bind } from "../harness/bind.js";
import { Haproxy } from "../harness/haproxy.js";
import type { Operator } from "../harness/operator.js";
import { Program } from "../harness/program.js";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";

const OPERATOR = 2;
const APPROVER = 3;
const TTL_SECONDS = 3;
const VANTAGES = ["eu-1", "us-1", "ap-1"];
const [A, B] = ["192.0.2.1", "192.0.2.2"];

let directory: string;
let stack: Stack;
let bind: Bind;
let haproxy: Haproxy;
let route53: Route53Contract;
let site: Server;
let siteStatus = 200;
let ann: Operator;
let bob: Operator;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "mainstay-traffic-"));
  bind = await Bind.start(join(directory, "bind"), [`api ${TTL_SECONDS} IN A ${A}`]);
  haproxy = await Haproxy.start(join(directory, "haproxy"));
  route53 = await Route53Contract.start();
  site = createServer((_, response) => response.writeHead(siteStatus).end());
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  const file = join(directory, "traffic.yaml");
  const targets = [
    {
      id: "api",
      kind: "dns",
      servers: [`127.0.0.1:${bind.primary}`, `127.0.0.1:${bind.secondary}`],
      zone: bind.zone,
      name: `api.${bind.zone}`,
      ttl: `${TTL_SECONDS}s`,
      key: { name: bind.keyName, secretFile: bind.secretFile },
      destinations: { a: A, b: B },
    },
    {
      id: "web",
      kind: "haproxy",
      approval: false,
      sockets: [haproxy.socket],
      backend: "web",
      destinations: { a: "a", b: "b" },
      health: { a: "site-a", b: "site-b" },
    },
    {
      id: "shop",
      kind: "route53",
      approval: false,
      ttl: "2s",
      ...route53.place,
      destinations: {
        a: { values: A },
        b: { alias: { hostedZoneId: "Z2", dnsName: "lb.example.org", evaluateTargetHealth: true } },
      },
    },
  ];
  const vote = { vantages: VANTAGES, needed: 2, failures: 3, every: "1s" };
  const health = ["site-a", "site-b"].map((probe) => ({ ...vote, probe }));
  writeFileSync(file, JSON.stringify({ targets, health }));
  stack = await Stack.start({
    args: ["--traffic", file, "--breaker-open-seconds", "1"],
    env: {
      AWS_ACCESS_KEY_ID: process.env["AWS_ACCESS_KEY_ID"] ?? "a-key",
      AWS_SECRET_ACCESS_KEY: process.env["AWS_SECRET_ACCESS_KEY"] ?? "a-secret",
    },
  });
  ann = await stack.person("ann", [OPERATOR]);
  bob = await stack.person("bob", [APPROVER]);
});
afterAll(async () => {
  await stack?.stop();
  haproxy?.stop();
  await route53?.stop();
  await bind?.stop();
  site?.closeAllConnections();
  site?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** The operator's command line, as root of the house. */
async function cli(
  ...args: readonly string[]
): Promise<{ readonly code: number | string; readonly text: string }> {
  const program = new Program({
    name: `mainstay ${args.join(" ")}`,
    command: process.execPath,
    args: [join(import.meta.dirname, "../../control-plane/cli/dist/main.js"), ...args],
    env: { MAINSTAY_STATE: stack.state, MAINSTAY_ADDRESS: `127.0.0.1:${stack.ports.grpc}` },
  });
  const code = await program.end();
  return { code, text: program.text() };
}
const target = async (id: string) => (await ann.traffic().getTarget({ target: id })).target;
const newest = async (id: string) => (await ann.traffic().listSteers({ target: id, limit: 1 })).steers[0];
const untilState = (id: string, state: string) =>
  until(`traffic of ${id} to be ${state}`, async () => {
    const steer = await newest(id);
    if (steer?.state !== state) throw new Error(`${steer?.state}: ${steer?.because}`);
    return steer;
  });
const answers = (which: "primary" | "secondary") => bind.resolver(which).resolve4(`api.${bind.zone}`);

test("a name moves when another person has approved it, at each of its servers, and clients a TTL later", async () => {
  expect((await target("api"))?.goesTo).toEqual(["a"]);
  const plan = await ann.traffic().planSteer({ target: "api", to: "b" });
  expect(plan.against).toEqual([]);
  const wish = { target: "api", to: "b", planHash: plan.planHash, reason: "a is to be repaired" };
  const { steer } = await ann.traffic().requestSteer(wish);
  expect(steer?.state).toBe("waiting-for-approval");
  const decision = { steerId: steer?.steerId ?? "", answer: "approve", reason: "seen" };
  await expect(ann.traffic().decideSteer(decision)).rejects.toThrow(/PERMISSION_DENIED|needs role/);
  expect(await answers("primary")).toEqual([A]);
  await bob.traffic().decideSteer(decision);

  const moving = await until("it to be steered", async () => {
    const now = await newest("api");
    if (now?.steeredAt === undefined) throw new Error(`${now?.state}: ${now?.because}`);
    return now;
  });
  expect(await answers("primary")).toEqual([B]);
  expect(await answers("secondary")).toEqual([B]);
  const [steeredAt, allMovedAt] = [moving.steeredAt, moving.allMovedAt].map((at) => at && timestampMs(at));
  expect((allMovedAt ?? 0) - (steeredAt ?? 0)).toBe(TTL_SECONDS * 1_000);
  const moved = await untilState("api", "moved");
  expect(moved.endedAt && timestampMs(moved.endedAt)).toBeGreaterThanOrEqual(allMovedAt ?? 0);
  const [[note = ""] = []] = await bind.resolver("primary").resolveTxt(`_mainstay.api.${bind.zone}`);
  expect(note).toBe("mainstay epoch=1 to=b");

  // What was approved is what was seen: the same plan means nothing any more.
  await expect(ann.traffic().requestSteer(wish)).rejects.toThrow(/another hash/);
});

test("with a key that the server does not know, nothing changes; with the right one it goes on by itself", async () => {
  const secret = readFileSync(bind.secretFile, "utf8");
  writeFileSync(bind.secretFile, Buffer.alloc(32, "another secret").toString("base64"));
  const { planHash } = await ann.traffic().planSteer({ target: "api", to: "a" });
  const wish = { target: "api", to: "a", planHash, reason: "a is back" };
  const { steer } = await ann.traffic().requestSteer(wish);
  await bob.traffic().decideSteer({ steerId: steer?.steerId ?? "", answer: "approve", reason: "seen" });
  await until("it to be told why", async () =>
    (await newest("api"))?.because.includes("BADSIG") ? true : undefined,
  );
  expect(await answers("primary")).toEqual([B]);
  expect((await newest("api"))?.because).not.toContain(secret.trim());
  writeFileSync(bind.secretFile, secret);
  await untilState("api", "moved");
  expect(await answers("secondary")).toEqual([A]);
});

test("while a server of the name does not answer, where traffic goes is not known, and nothing is planned", async () => {
  await bind.kill("secondary");
  const blind = await ann.traffic().planSteer({ target: "api", to: "b" });
  expect(blind.against.join()).toContain("cannot be seen");
  expect((await target("api"))?.seen).toBe(false);
  await bind.restart("secondary");
  await until("it to be seen again", async () => ((await target("api"))?.seen === true ? true : undefined));
});

test("HAProxy is steered at once: the others are out of it before the chosen one is in", async () => {
  const { planHash, against } = await ann.traffic().planSteer({ target: "web", to: "b" });
  expect(against).toEqual([]);
  await ann.traffic().requestSteer({ target: "web", to: "b", planHash, reason: "a is to be repaired" });
  await untilState("web", "moved");
  expect([await haproxy.administered("a"), await haproxy.administered("b")]).toEqual([1, 0]);
  expect(await haproxy.ask("get var proc.mainstay_web")).toContain("value=<1>");
  const again = await ann.traffic().planSteer({ target: "web", to: "b" });
  expect(again.against.join()).toContain("already");
  expect((await target("web"))?.place).toBe("right");

  // Somebody does it by hand, and asks nobody.
  await haproxy.ask("set server web/a state ready; set server web/b state maint");
  expect(await target("web")).toMatchObject({
    place: "astray",
    placeBecause: expect.stringContaining("was steered to b"),
  });
  expect(await cli("traffic", "list")).toMatchObject({
    code: 2,
    text: expect.stringContaining("was steered to b"),
  });
  await until(
    "a series to tell of it",
    async () => {
      const { body } = await ann.rest("/api/v1/query?query=mainstay_traffic_astray%7Btarget%3D%22web%22%7D");
      return JSON.stringify(body).includes('"1"') ? true : undefined;
    },
    60_000,
  );
  await haproxy.ask("set server web/b state ready; set server web/a state maint");
});

test("Route 53: weights and the epoch change in one batch, and what another has written in between is not overrun", async () => {
  const steer = async (to: string) => {
    const { planHash, against } = await ann.traffic().planSteer({ target: "shop", to });
    expect(against).toEqual([]);
    await ann.traffic().requestSteer({ target: "shop", to, planHash, reason: "its turn" });
    return until(`the shop to be at ${to}`, async () => {
      const now = await newest("shop");
      if (now?.to !== to || now.steeredAt === undefined) throw new Error(`${now?.state}: ${now?.because}`);
      return now;
    });
  };
  await steer("a");
  expect((await target("shop"))?.goesTo).toEqual(["a"]);
  if (!route53.isAsked) return void (await steer("b"));
  expect(route53.weights("shop.example.org")).toEqual({ "mainstay-a": "100", "mainstay-b": "0" });
  expect(route53.values("_mainstay.shop.example.org", "TXT")).toEqual(['"mainstay epoch=1 to=a"']);

  const note = `<Name>_mainstay.shop.example.org</Name><Type>TXT</Type><TTL>0</TTL><ResourceRecords><ResourceRecord><Value>&quot;mainstay epoch=40 to=a&quot;</Value></ResourceRecord></ResourceRecords>`;
  const another = `<Change><Action>UPSERT</Action><ResourceRecordSet>${note}</ResourceRecordSet></Change>`;
  expect(route53.change(another).status).toBe(200);
  const { epoch, allMovedAt, steeredAt } = await steer("b");
  expect(epoch).toBe(41n);
  // An alias stood among the record sets: clients keep its answer for a minute, whatever TTL the others have.
  expect(Number(allMovedAt?.seconds) - Number(steeredAt?.seconds)).toBe(60);
  expect(route53.weights("shop.example.org")).toEqual({ "mainstay-a": "0", "mainstay-b": "100" });
  const last = route53.changes.at(-1) ?? "";
  expect(last).toContain("<Action>DELETE</Action>");
  expect(last).toContain("epoch=40");
});

test("three vantages vote: one that sees it down changes nothing, two make it unhealthy, and it gets no traffic", async () => {
  const port = (site.address() as AddressInfo).port;
  const probe = (name: string, url: string) => ({ name, url, intervalMs: 1_000, timeoutMs: 900 });
  const nowhere = "http://127.0.0.1:1/";
  for (const vantage of VANTAGES) {
    // One of the three cannot reach it, whatever it is.
    const a = probe("site-a", vantage === "ap-1" ? nowhere : `http://127.0.0.1:${port}/`);
    // The real one: it answers 200 only when it can serve.
    const b = probe("site-b", `http://127.0.0.1:${stack.ports.rest}/health/failover`);
    await stack.startAgent(vantage, { collect: { probes: [a, b] } });
  }
  const healthOf = async (name: string) => {
    const found = (await target("web"))?.destinations.find(({ destination }) => destination === name);
    return { health: found?.health, votes: found?.votes.map(({ vantage, vote }) => `${vantage} ${vote}`) };
  };
  const untilHealth = (name: string, health: string, votes: readonly string[]) =>
    until(
      `${name} to be ${health}`,
      async () => {
        const now = await healthOf(name);
        if (now.health !== health || now.votes?.join() !== votes.join()) throw new Error(JSON.stringify(now));
        return now;
      },
      60_000,
    );
  await untilHealth("b", "healthy", ["eu-1 healthy", "us-1 healthy", "ap-1 healthy"]);
  await untilHealth("a", "healthy", ["eu-1 healthy", "us-1 healthy", "ap-1 unhealthy"]);
  expect((await ann.traffic().planSteer({ target: "web", to: "a" })).against).toEqual([]);

  siteStatus = 503;
  await untilHealth("a", "unhealthy", ["eu-1 unhealthy", "us-1 unhealthy", "ap-1 unhealthy"]);
  const plan = await ann.traffic().planSteer({ target: "web", to: "a" });
  expect(plan.against.join()).toContain("a is unhealthy: 3 of 3 find it unhealthy, 2 are needed");
  expect((await cli("traffic", "show", "web")).text).toMatch(/a +unhealthy +eu-1 unhealthy, us-1 unhealthy/);
  siteStatus = 200;
  await untilHealth("a", "healthy", ["eu-1 healthy", "us-1 healthy", "ap-1 unhealthy"]);
}, 120_000);

test("`traffic lint` refuses the runbook's record, which mixes Weight and Failover, and says what to write instead", async () => {
  const file = join(directory, "runbook.yaml");
  const lines = [
    ...["HealthCheck:", "  Type: HTTPS", "  ResourcePath: /health", "  RequestInterval: 30"],
    ...["RecordSet:", "  Name: api.example.org", "  Type: A", "  SetIdentifier: us-east-1", "  Weight: 100"],
    ...["  AliasTarget: { HostedZoneId: Z123456, DNSName: api-us-east.example.org }"],
    ...["  HealthCheckId: !Ref HealthCheck", "  Failover: PRIMARY"],
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const { code, text: said } = await cli("traffic", "lint", file);
  expect(code).toBe(1);
  expect(said).toContain(
    `${file}:6: fault: api.example.org A "us-east-1": Weight and Failover stand in one record set`,
  );
  expect(said).toContain("EvaluateTargetHealth is missing");
  expect(said).toContain("ResourcePath: /health/failover");
});
