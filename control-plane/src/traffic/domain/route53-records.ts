/**
 * Route 53's record sets, checked before they are sent: what its documentation forbids, and what it takes and does not mean
 * what it seems to. The service itself is not relied on: not everything that is wrong is refused there.
 */
import { z } from "zod";

/** What a record set of Route 53 answers with. */
export type Route53Destination =
  | { readonly values: readonly string[]; readonly healthCheckId?: string }
  | { readonly alias: Route53Alias; readonly healthCheckId?: string };

export interface Route53Alias {
  readonly hostedZoneId: string;
  readonly dnsName: string;
  readonly evaluateTargetHealth: boolean;
}

/** As its API names the parts; whatever else stands there is kept and not judged. */
const RECORD_SET = z.looseObject({
  Name: z.string().min(1).max(1_024),
  Type: z.string().min(1).max(16),
  TTL: z.union([z.number(), z.string()]).optional(),
  SetIdentifier: z.string().optional(),
  Weight: z.union([z.number(), z.string()]).optional(),
  Failover: z.string().optional(),
  Region: z.string().optional(),
  GeoLocation: z.unknown().optional(),
  GeoProximityLocation: z.unknown().optional(),
  CidrRoutingConfig: z.unknown().optional(),
  MultiValueAnswer: z.boolean().optional(),
  HealthCheckId: z.unknown().optional(),
  ResourceRecords: z.array(z.unknown()).optional(),
  AliasTarget: z.record(z.string(), z.unknown()).optional(),
});
export type RecordSet = z.infer<typeof RECORD_SET>;

export interface RecordRemark {
  readonly severity: "fault" | "warning";
  readonly what: string;
  readonly why: string;
  readonly instead: string;
}

const fault = (what: string, why: string, instead: string): RecordRemark => ({
  severity: "fault",
  what,
  why,
  instead,
});
const warning = (what: string, why: string, instead: string): RecordRemark => ({
  severity: "warning",
  what,
  why,
  instead,
});

/** The parts that make a routing policy; a record set has one of them at most. */
const POLICIES = [
  "Weight",
  "Failover",
  "Region",
  "GeoLocation",
  "GeoProximityLocation",
  "CidrRoutingConfig",
  "MultiValueAnswer",
] as const;
const TYPES = new Set("A AAAA CAA CNAME DS HTTPS MX NAPTR NS PTR SOA SPF SRV SSHFP SVCB TLSA TXT".split(" "));
const TTL_MAX = 2_147_483_647;
const VALUES_MAX = 400;

export const policiesOf = (record: RecordSet): readonly (typeof POLICIES)[number][] =>
  POLICIES.filter((policy) => record[policy] !== undefined && record[policy] !== false);

/** Reads a record set; undefined when the parts that every one has are not there. */
export function readRecordSet(value: unknown): RecordSet | undefined {
  const parsed = RECORD_SET.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

/** What is wrong with one record set, whatever else there is. */
export function judgeRecordSet(record: RecordSet): readonly RecordRemark[] {
  return [...judgeName(record), ...judgeRouting(record), ...judgeAnswer(record)];
}

const LABEL = /^(?:\*|[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)$/;

function judgeName({ Name, Type }: RecordSet): readonly RecordRemark[] {
  const found: RecordRemark[] = [];
  const name = Name.replace(/\.$/, "");
  if (name.length > 253 || !name.split(".").every((label) => LABEL.test(label)))
    found.push(
      fault(`Name is "${Name}"`, "it is no DNS name", "labels of letters, digits, - and _, at most 63 each"),
    );
  if (!TYPES.has(Type))
    found.push(fault(`Type is "${Type}"`, "Route 53 has no such type", `one of ${[...TYPES].join(", ")}`));
  return found;
}

function judgeRouting(record: RecordSet): readonly RecordRemark[] {
  const found: RecordRemark[] = [];
  const policies = policiesOf(record);
  if (policies.length > 1) {
    found.push(
      fault(
        `${policies.join(" and ")} stand in one record set`,
        "a record set has one routing policy: Route 53 says that each cannot be used together with another",
        policies.includes("Failover")
          ? "either Failover PRIMARY and SECONDARY without Weight, or Weight in each without Failover"
          : `one of ${policies.join(", ")}`,
      ),
    );
  }
  const [policy] = policies;
  const { SetIdentifier, Weight, Failover } = record;
  if (policy !== undefined && (SetIdentifier === undefined || SetIdentifier === ""))
    found.push(
      fault(
        `SetIdentifier is missing beside ${policy}`,
        "it tells apart the record sets of one name and type",
        "a SetIdentifier that no other of that name and type has",
      ),
    );
  if (policy === undefined && SetIdentifier !== undefined)
    found.push(
      fault(
        "SetIdentifier without a routing policy",
        "a simple record set has none",
        "leave it out, or add Weight",
      ),
    );
  if (SetIdentifier !== undefined && SetIdentifier.length > 128)
    found.push(
      fault(`SetIdentifier has ${SetIdentifier.length} characters`, "128 are the most", "a shorter one"),
    );
  if (Weight !== undefined && !isWhole(Weight, 255))
    found.push(
      fault(`Weight is ${Weight}`, "it is a whole number from 0 to 255", "such as 100, and 0 for none"),
    );
  if (Failover !== undefined && Failover !== "PRIMARY" && Failover !== "SECONDARY")
    found.push(fault(`Failover is "${Failover}"`, "Route 53 knows two", "PRIMARY or SECONDARY"));
  if (
    Failover === "PRIMARY" &&
    record.HealthCheckId === undefined &&
    record.AliasTarget?.["EvaluateTargetHealth"] !== true
  )
    found.push(
      fault(
        "Failover PRIMARY without a health check",
        "Route 53 takes it for healthy for ever and never fails over",
        "a HealthCheckId, or an AliasTarget with EvaluateTargetHealth: true",
      ),
    );
  return found;
}

function judgeAnswer(record: RecordSet): readonly RecordRemark[] {
  const { AliasTarget, ResourceRecords, TTL, Type, MultiValueAnswer } = record;
  if (AliasTarget !== undefined) return judgeAlias(record, AliasTarget);
  const found: RecordRemark[] = [];
  if (ResourceRecords === undefined || ResourceRecords.length === 0)
    found.push(
      fault("it has no ResourceRecords and no AliasTarget", "there is nothing to answer", "one of the two"),
    );
  if (TTL === undefined)
    found.push(fault("TTL is missing", "only an alias has none of its own", "a TTL in seconds, such as 60"));
  else if (!isWhole(TTL, TTL_MAX))
    found.push(fault(`TTL is ${TTL}`, `it is a whole number of seconds up to ${TTL_MAX}`, "such as 60"));
  else if (Number(TTL) > 300 && policiesOf(record).length > 0)
    found.push(
      warning(
        `TTL is ${TTL} s`,
        "so long clients stay where they were after traffic was steered",
        "60 s or less",
      ),
    );
  const values = (ResourceRecords ?? []).map(textOf);
  if (values.length > VALUES_MAX)
    found.push(fault(`it has ${values.length} values`, `${VALUES_MAX} are the most`, "fewer"));
  if (values.some((value) => value === undefined))
    found.push(
      fault(
        "a value is no text",
        "each is a text, or an object with Value",
        "ResourceRecords: [{ Value: … }]",
      ),
    );
  if (Type === "CNAME" && values.length > 1)
    found.push(fault(`a CNAME has ${values.length} values`, "it names one other name", "one value"));
  if (MultiValueAnswer === true && (Type === "CNAME" || Type === "NS"))
    found.push(
      fault(`MultiValueAnswer with ${Type}`, "Route 53 does not allow it", "another type or policy"),
    );
  for (const value of values) {
    if (value !== undefined && !fitsType(Type, value))
      found.push(
        fault(
          `"${value.slice(0, 100)}" is no value of type ${Type}`,
          "Route 53 refuses it",
          EXPECTED[Type] ?? "",
        ),
      );
  }
  return found;
}

function judgeAlias(
  { TTL, ResourceRecords, Type, MultiValueAnswer }: RecordSet,
  alias: Readonly<Record<string, unknown>>,
): readonly RecordRemark[] {
  const found: RecordRemark[] = [];
  if (TTL !== undefined)
    found.push(
      fault(`TTL ${TTL} beside AliasTarget`, "an alias has the time of what it stands for", "leave TTL out"),
    );
  if (ResourceRecords !== undefined)
    found.push(
      fault("ResourceRecords beside AliasTarget", "a record set has one of the two", "leave one out"),
    );
  if (MultiValueAnswer === true)
    found.push(
      fault("MultiValueAnswer beside AliasTarget", "an alias cannot be one of many answers", "Weight"),
    );
  if (Type === "NS" || Type === "SOA")
    found.push(fault(`AliasTarget with type ${Type}`, "Route 53 has no such alias", "ResourceRecords"));
  const { HostedZoneId, DNSName, EvaluateTargetHealth } = alias;
  if (typeof HostedZoneId !== "string" || !/^[A-Z0-9]{1,32}$/.test(HostedZoneId))
    found.push(
      fault(
        `AliasTarget.HostedZoneId is ${JSON.stringify(HostedZoneId) ?? "missing"}`,
        "it names the zone of the target, such as that of the load balancer's region",
        "capital letters and digits, at most 32",
      ),
    );
  if (typeof DNSName !== "string" || DNSName === "")
    found.push(
      fault("AliasTarget.DNSName is missing", "it is what the alias stands for", "the target's name"),
    );
  if (typeof EvaluateTargetHealth !== "boolean")
    found.push(
      fault(
        "AliasTarget.EvaluateTargetHealth is missing",
        "Route 53 requires it: without it nothing says whether the target's health counts",
        "EvaluateTargetHealth: true, unless a HealthCheckId speaks for it",
      ),
    );
  return found;
}

/** What is wrong with record sets together: those of one name and type are one group. */
export function judgeGroups(records: readonly RecordSet[]): readonly RecordRemark[] {
  const groups = new Map<string, RecordSet[]>();
  const typesOf = new Map<string, Set<string>>();
  for (const record of records) {
    const name = record.Name.replace(/\.$/, "").toLowerCase();
    const key = `${name} ${record.Type}`;
    groups.set(key, [...(groups.get(key) ?? []), record]);
    typesOf.set(name, (typesOf.get(name) ?? new Set()).add(record.Type));
  }
  const found: RecordRemark[] = [];
  for (const [name, types] of typesOf) {
    if (types.has("CNAME") && types.size > 1)
      found.push(
        fault(
          `${name} has a CNAME beside ${[...types].filter((t) => t !== "CNAME").join(", ")}`,
          "a name with a CNAME has nothing else",
          "an alias, or other names",
        ),
      );
  }
  for (const [key, group] of groups) found.push(...judgeGroup(key, group));
  return found;
}

function judgeGroup(key: string, group: readonly RecordSet[]): readonly RecordRemark[] {
  const found: RecordRemark[] = [];
  const kinds = new Set(group.map((record) => policiesOf(record)[0] ?? "simple"));
  if (kinds.size > 1)
    found.push(
      fault(
        `${key} is routed by ${[...kinds].join(" and ")}`,
        "all of one name and type have the same policy",
        "one of them",
      ),
    );
  if (kinds.has("simple") && group.length > 1 && kinds.size === 1)
    found.push(
      fault(
        `${key} is there ${group.length} times`,
        "a name and type has one simple record set",
        "one, with all values",
      ),
    );
  const twice = [...countBy(group, ({ SetIdentifier }) => SetIdentifier)].filter(([, count]) => count > 1);
  for (const [identifier] of twice)
    found.push(
      fault(`SetIdentifier "${identifier}" is there twice for ${key}`, "it tells them apart", "one for each"),
    );
  for (const [role, count] of countBy(group, ({ Failover }) => Failover)) {
    if (count > 1)
      found.push(
        fault(
          `${key} has ${count} of Failover ${role}`,
          "there is one of each",
          "one PRIMARY and one SECONDARY",
        ),
      );
  }
  if (kinds.has("Failover") && !group.some(({ Failover }) => Failover === "SECONDARY"))
    found.push(warning(`${key} has no SECONDARY`, "there is nowhere to fail over to", "a SECONDARY"));
  const weights = group.flatMap(({ Weight }) => (Weight === undefined ? [] : [Number(Weight)]));
  if (weights.length === group.length && kinds.size === 1 && weights.every((weight) => weight === 0))
    found.push(
      warning(
        `each weight of ${key} is 0`,
        "Route 53 then takes all of them for equal",
        "more than 0 in one of them",
      ),
    );
  const ttls = new Set(group.flatMap(({ TTL }) => (TTL === undefined ? [] : [String(TTL)])));
  if (ttls.size > 1)
    found.push(
      warning(
        `${key} has the TTLs ${[...ttls].join(", ")}`,
        "answers of one group live equally long, and it is not said how long",
        "one TTL",
      ),
    );
  return found;
}

function countBy<T>(all: readonly T[], of: (one: T) => string | undefined): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const one of all) {
    const key = of(one);
    if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

const textOf = (record: unknown): string | undefined => {
  const value: unknown =
    typeof record === "object" && record !== null && "Value" in record ? record.Value : record;
  return typeof value === "string" ? value : undefined;
};

const isWhole = (value: number | string, max: number): boolean =>
  /^\d{1,10}$/.test(String(value)) && Number(value) <= max;

const EXPECTED: Readonly<Record<string, string>> = {
  A: "an IPv4 address",
  AAAA: "an IPv6 address",
  CNAME: "a DNS name",
  TXT: 'texts in quotes, at most 255 characters each: "text"',
};

export const isIpv4 = (text: string): boolean =>
  /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/.test(text);
export const isIpv6 = (text: string): boolean => z.ipv6().safeParse(text).success;
export const isDnsName = (text: string): boolean =>
  text.length <= 254 &&
  text
    .replace(/\.$/, "")
    .split(".")
    .every((label) => LABEL.test(label));

function fitsType(type: string, value: string): boolean {
  switch (type) {
    case "A":
      return isIpv4(value);
    case "AAAA":
      return isIpv6(value);
    case "CNAME":
      return isDnsName(value);
    case "TXT":
      return /^(?:"(?:[^"\\]|\\.){0,255}"\s*)+$/.test(value);
    default:
      return true;
  }
}
