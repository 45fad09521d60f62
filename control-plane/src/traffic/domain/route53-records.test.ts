import { describe, expect, test } from "vitest";
import { lintRecords } from "./lint-records.js";
import { judgeGroups, judgeRecordSet, type RecordSet } from "./route53-records.js";

const plain: RecordSet = {
  Name: "api.example.org.",
  Type: "A",
  TTL: 60,
  ResourceRecords: [{ Value: "192.0.2.1" }],
};
const aliasTarget = { HostedZoneId: "Z1", DNSName: "lb.example.org", EvaluateTargetHealth: true };
const alias: RecordSet = { Name: "api.example.org", Type: "A", AliasTarget: aliasTarget };
const weighted: RecordSet = { ...plain, SetIdentifier: "eu", Weight: 100 };
const primary: RecordSet = { ...alias, SetIdentifier: "eu", Failover: "PRIMARY" };
const secondary: RecordSet = { ...alias, SetIdentifier: "us", Failover: "SECONDARY" };

describe("one record set", () => {
  test.each<{ is: string; record: RecordSet }>([
    { is: "simple", record: plain },
    { is: "an alias", record: alias },
    { is: "weighted", record: weighted },
    { is: "weighted with nothing", record: { ...weighted, Weight: 0 } },
    { is: "the primary, with its target's health", record: primary },
    {
      is: "the primary, with a health check",
      record: { ...plain, SetIdentifier: "eu", Failover: "PRIMARY", HealthCheckId: "h" },
    },
    { is: "the secondary", record: secondary },
    { is: "a wildcard", record: { ...plain, Name: "*.example.org" } },
    { is: "TXT in quotes", record: { ...plain, Type: "TXT", ResourceRecords: [{ Value: '"a b" "c"' }] } },
    { is: "one of many answers", record: { ...plain, SetIdentifier: "a", MultiValueAnswer: true } },
  ])("is in order when it is $is", ({ record }) => {
    expect(judgeRecordSet(record)).toEqual([]);
  });

  test.each<{ is: string; record: RecordSet; says: string }>([
    {
      is: "of two policies",
      record: { ...primary, Weight: 100 },
      says: "Weight and Failover stand in one record set",
    },
    { is: "of two others", record: { ...weighted, Region: "eu-central-1" }, says: "Weight and Region" },
    {
      is: "without identifier",
      record: { ...plain, Weight: 1 },
      says: "SetIdentifier is missing beside Weight",
    },
    {
      is: "with an identifier for nothing",
      record: { ...plain, SetIdentifier: "a" },
      says: "without a routing policy",
    },
    { is: "an alias with a TTL", record: { ...alias, TTL: 60 }, says: "TTL 60 beside AliasTarget" },
    {
      is: "both",
      record: { ...plain, TTL: undefined, AliasTarget: aliasTarget },
      says: "ResourceRecords beside AliasTarget",
    },
    {
      is: "neither",
      record: { Name: "a.org", Type: "A", TTL: 60 },
      says: "no ResourceRecords and no AliasTarget",
    },
    {
      is: "an alias without health",
      record: { ...alias, AliasTarget: { HostedZoneId: "Z1", DNSName: "b.org" } },
      says: "EvaluateTargetHealth is missing",
    },
    {
      is: "an alias without zone",
      record: { ...alias, AliasTarget: { DNSName: "b.org", EvaluateTargetHealth: true } },
      says: "HostedZoneId is missing",
    },
    {
      is: "without TTL",
      record: { Name: "a.org", Type: "A", ResourceRecords: ["192.0.2.1"] },
      says: "TTL is missing",
    },
    { is: "of TTL -1", record: { ...plain, TTL: -1 }, says: "TTL is -1" },
    { is: "of weight 256", record: { ...weighted, Weight: 256 }, says: "Weight is 256" },
    { is: "of weight 1.5", record: { ...weighted, Weight: 1.5 }, says: "Weight is 1.5" },
    {
      is: "failing over otherwise",
      record: { ...secondary, Failover: "TERTIARY" },
      says: 'Failover is "TERTIARY"',
    },
    {
      is: "a primary for ever",
      record: { ...plain, SetIdentifier: "eu", Failover: "PRIMARY" },
      says: "without a health check",
    },
    {
      is: "of a wrong address",
      record: { ...plain, ResourceRecords: ["192.0.2.256"] },
      says: "no value of type A",
    },
    { is: "of a wrong IPv6 address", record: { ...plain, Type: "AAAA" }, says: "no value of type AAAA" },
    {
      is: "TXT without quotes",
      record: { ...plain, Type: "TXT", ResourceRecords: ["a b"] },
      says: "no value of type TXT",
    },
    {
      is: "two other names",
      record: { ...plain, Type: "CNAME", ResourceRecords: ["a.org", "b.org"] },
      says: "a CNAME has 2 values",
    },
    { is: "no name", record: { ...plain, Name: "a..org" }, says: "no DNS name" },
    { is: "of no type", record: { ...plain, Type: "B" }, says: "has no such type" },
    {
      is: "many answers by alias",
      record: { ...alias, SetIdentifier: "a", MultiValueAnswer: true },
      says: "one of many answers",
    },
  ])("is refused when it is $is", ({ record, says }) => {
    const faults = judgeRecordSet(record).filter(({ severity }) => severity === "fault");
    expect(faults.map(({ what, why }) => `${what}: ${why}`).join("; ")).toContain(says);
  });

  test("works and is told of when clients would hold its answer for long", () => {
    expect(judgeRecordSet({ ...weighted, TTL: 300 })).toEqual([]);
    expect(judgeRecordSet({ ...weighted, TTL: 301 })).toMatchObject([
      { severity: "warning", what: "TTL is 301 s" },
    ]);
  });
});

describe("record sets together", () => {
  test.each<{ are: string; records: readonly RecordSet[]; says: string }>([
    {
      are: "routed in two ways",
      records: [weighted, { ...plain, Name: "API.example.org" }],
      says: "routed by Weight and simple",
    },
    {
      are: "told apart by nothing",
      records: [weighted, { ...weighted, Weight: 0 }],
      says: 'SetIdentifier "eu" is there twice',
    },
    {
      are: "two primaries",
      records: [primary, { ...primary, SetIdentifier: "us" }],
      says: "2 of Failover PRIMARY",
    },
    { are: "a primary alone", records: [primary], says: "no SECONDARY" },
    { are: "all of weight 0", records: [{ ...weighted, Weight: 0 }], says: "each weight" },
    { are: "simple twice", records: [plain, plain], says: "is there 2 times" },
    {
      are: "a CNAME beside another",
      records: [plain, { ...plain, Type: "CNAME", ResourceRecords: ["a.org"] }],
      says: "CNAME beside A",
    },
    {
      are: "of two times",
      records: [weighted, { ...weighted, SetIdentifier: "us", TTL: 10 }],
      says: "the TTLs 60, 10",
    },
  ])("are told of when they are $are", ({ records, says }) => {
    expect(
      judgeGroups(records)
        .map(({ what }) => what)
        .join("; "),
    ).toContain(says);
  });

  test("are in order as a primary and a secondary, and as weights", () => {
    expect(judgeGroups([primary, secondary])).toEqual([]);
    expect(judgeGroups([weighted, { ...weighted, SetIdentifier: "us", Weight: 0 }])).toEqual([]);
  });
});

test("record sets and health checks are found wherever they stand", () => {
  const batch = {
    Changes: [
      { Action: "UPSERT", ResourceRecordSet: weighted },
      { Action: "UPSERT", ResourceRecordSet: { ...primary, Weight: 0 } },
    ],
  };
  const { found, remarks } = lintRecords(batch);
  expect(found).toBe(2);
  expect(
    remarks.some(
      ({ path, what }) =>
        path.join(".") === "Changes.1.ResourceRecordSet" && what.includes("Weight and Failover"),
    ),
  ).toBe(true);
  const check = { Type: "HTTPS", ResourcePath: "/health", RequestInterval: 20, FailureThreshold: 11 };
  expect(lintRecords({ HealthCheck: check }).remarks.map(({ severity }) => severity)).toEqual([
    "warning",
    "fault",
    "fault",
  ]);
  expect(
    lintRecords({
      HealthCheck: { ...check, ResourcePath: "/health/failover", RequestInterval: 30, FailureThreshold: 3 },
    }).remarks,
  ).toEqual([]);
  expect(lintRecords("text")).toEqual({ found: 0, remarks: [] });
});
