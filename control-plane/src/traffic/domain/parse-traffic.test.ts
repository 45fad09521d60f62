import { describe, expect, test } from "vitest";
import { SECOND } from "../../kernel/time.js";
import { parseYamlText } from "../../platform/yaml-text.js";
import { parseTraffic, recordSetsOf } from "./parse-traffic.js";
import { inSteeringOrder } from "./traffic-target.js";

const parse = (value: unknown) => parseTraffic(value, () => 1);
const faultsOf = (value: unknown): string => {
  const parsed = parse(value);
  return "faults" in parsed ? parsed.faults.join("\n") : "";
};
const dns = {
  ...{ id: "api", kind: "dns", servers: ["192.0.2.53:53"], zone: "example.org", name: "api.example.org" },
  key: { name: "mainstay", secretFile: "/etc/key" },
  destinations: { a: "192.0.2.1", b: ["192.0.2.2", "192.0.2.3"] },
};
const haproxy = {
  ...{ id: "web", kind: "haproxy", sockets: ["/run/haproxy.sock", "192.0.2.1:9999"], backend: "web" },
  destinations: { a: "one", b: "two" },
};
const alias = { hostedZoneId: "Z1", dnsName: "lb.example.org", evaluateTargetHealth: true };
const route53 = {
  ...{ id: "shop", kind: "route53", hostedZoneId: "Z0", name: "shop.example.org", ttl: "60s" },
  destinations: { a: { values: "192.0.2.1", healthCheckId: "h" }, b: { alias } },
};
const rule = { probe: "api-a", vantages: ["eu", "us"], needed: 2 };

test("targets of each kind, with what is not said filled in", () => {
  const parsed = parse({ targets: [dns, route53, haproxy], health: [rule] });
  if ("faults" in parsed) throw new Error(parsed.faults.join());
  const [name, shop, web] = parsed.value.targets;
  expect(name).toMatchObject({
    title: "api",
    cluster: undefined,
    approval: true,
    type: "A",
    ttl: 30 * SECOND,
  });
  expect(name).toMatchObject({ key: { algorithm: "hmac-sha256" }, destinations: { a: ["192.0.2.1"] } });
  expect(web).toMatchObject({ endSessions: true });
  expect(parsed.value.health).toEqual([{ ...rule, failures: 3, every: 30 * SECOND }]);
  if (shop?.kind !== "route53") throw new Error("the second is no route53");
  expect(
    recordSetsOf(shop, "b").map(({ record }) => [record.SetIdentifier, record.Weight, record.TTL]),
  ).toEqual([
    ["mainstay-a", 0, 60],
    ["mainstay-b", 100, undefined],
  ]);
  expect(inSteeringOrder(parsed.value.targets).map(({ kind }) => kind)).toEqual([
    "haproxy",
    "dns",
    "route53",
  ]);
  expect(parse(undefined)).toEqual({ value: { targets: [], health: [] } });
});

describe("is refused", () => {
  test.each<{ what: string; content: unknown; says: string }>([
    {
      what: "an unknown field",
      content: { targets: [{ ...dns, port: 1 }] },
      says: 'Unrecognized key: "port"',
    },
    { what: "an unknown kind", content: { targets: [{ ...dns, kind: "bgp" }] }, says: "targets.0.kind" },
    { what: "an id twice", content: { targets: [dns, dns] }, says: '"api" is there twice' },
    {
      what: "one destination",
      content: { targets: [{ ...dns, destinations: { a: "192.0.2.1" } }] },
      says: "at least two",
    },
    {
      what: "the same twice",
      content: { targets: [{ ...haproxy, destinations: { a: "one", b: "one" } }] },
      says: '"a" is the same',
    },
    {
      what: "no address",
      content: { targets: [{ ...dns, destinations: { a: "192.0.2.1", b: "b.org" } }] },
      says: "no answer of type A",
    },
    {
      what: "a name elsewhere",
      content: { targets: [{ ...dns, name: "api.example.com" }] },
      says: "not in the zone",
    },
    {
      what: "a zone as CNAME",
      content: {
        targets: [{ ...dns, name: "example.org", type: "CNAME", destinations: { a: "a.org", b: "b.org" } }],
      },
      says: "can be no CNAME",
    },
    {
      what: "a server without port",
      content: { targets: [{ ...dns, servers: ["192.0.2.53"] }] },
      says: "host:port",
    },
    { what: "half a second", content: { targets: [{ ...dns, ttl: "500ms" }] }, says: "whole seconds" },
    {
      what: "a rule that is not there",
      content: { targets: [{ ...dns, health: { a: "api-a" } }] },
      says: 'no health rule "api-a"',
    },
    {
      what: "health of nobody",
      content: { targets: [{ ...dns, health: { c: "api-a" } }], health: [rule] },
      says: '"c" is no destination',
    },
    {
      what: "more votes than voters",
      content: { health: [{ ...rule, needed: 3 }] },
      says: "3 votes are needed, and there are 2",
    },
    {
      what: "a vantage that votes twice",
      content: { health: [{ ...rule, vantages: ["eu", "eu"] }] },
      says: "would vote twice",
    },
    {
      what: "a failover alias without health",
      content: {
        targets: [
          {
            ...route53,
            destinations: {
              ...route53.destinations,
              b: { alias: { ...alias, evaluateTargetHealth: undefined } },
            },
          },
        ],
      },
      says: "destinations.b",
    },
    {
      what: "an alias in no zone",
      content: {
        targets: [
          {
            ...route53,
            destinations: { ...route53.destinations, b: { alias: { ...alias, hostedZoneId: "z-1" } } },
          },
        ],
      },
      says: "HostedZoneId",
    },
    {
      what: "a backend that is a command",
      content: { targets: [{ ...haproxy, backend: "web; shutdown" }] },
      says: "the name of a backend",
    },
    {
      what: "a server that is a command",
      content: { targets: [{ ...haproxy, destinations: { a: "one\nset", b: "two" } }] },
      says: "the name of a server",
    },
  ])("$what", ({ content, says }) => {
    expect(faultsOf(content)).toContain(says);
  });

  test("with the line where it stands", () => {
    const text = "targets:\n  - id: api\n    kind: haproxy\n    sockets: [nowhere]\n    backend: web\n";
    const parsed = parseYamlText("traffic.yaml", text, ({ value, lineOf }) => parseTraffic(value, lineOf));
    expect("faults" in parsed && parsed.faults.join("\n")).toContain("traffic.yaml:4: targets.0.sockets.0");
  });
});
