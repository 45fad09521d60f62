/** A traffic file's content: targets and health rules, with every fault and where it stands. */
import { z } from "zod";
import { MINUTE, parseDuration, SECOND } from "../../kernel/time.js";
import { HEALTH_DEFAULTS } from "./judge-votes.js";
import { isDnsName, isIpv4, isIpv6, judgeGroups, judgeRecordSet } from "./route53-records.js";
import {
  type Route53Target,
  type TrafficPolicy,
  type TrafficTarget,
  TSIG_ALGORITHMS,
} from "./traffic-target.js";

const TARGETS_MAX = 200;
const DESTINATIONS_MAX = 50;
/** Two weeks: more is no time that anybody waits for. */
const TTL_SECONDS_MAX = 1_209_600;

const NAME = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "expected a name of a-z, 0-9 and -, at most 63 characters");
const DESTINATION = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
    "expected a name of letters, digits, ., _ and -, at most 100 characters",
  );
const DURATION = z.string().transform((value, context) => {
  const duration = parseDuration(value);
  if (duration !== undefined) return duration;
  context.addIssue({ code: "custom", message: `not a duration: "${value}", expected such as 30s or 5m` });
  return z.NEVER;
});
const TTL = DURATION.refine(
  (ttl) => ttl % SECOND === 0 && ttl <= TTL_SECONDS_MAX * SECOND,
  "expected whole seconds, at most two weeks",
).default(30 * SECOND);
const ADDRESS = z
  .string()
  .regex(
    /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]{1,253}):\d{1,5}$/,
    "expected host:port, an IPv6 address in brackets",
  );
const DNS_NAME = z
  .string()
  .refine(isDnsName, "expected a DNS name")
  .transform((name) => name.toLowerCase().replace(/\.$/, ""));
const FILE_PATH = z.string().regex(/^\/[^\0]+$/, "expected an absolute path");
const ANSWERS = z.union([z.string().transform((one) => [one]), z.array(z.string()).min(1).max(20)]);

/** At least two: with one there is nowhere to steer to. */
const destinationsOf = <T extends z.ZodType>(one: T) =>
  z
    .record(DESTINATION, one)
    .refine((all) => Object.keys(all).length >= 2, "expected at least two destinations")
    .refine((all) => Object.keys(all).length <= DESTINATIONS_MAX, `expected at most ${DESTINATIONS_MAX}`);

const COMMON = {
  id: NAME,
  title: z.string().min(1).max(200).optional(),
  cluster: NAME.optional(),
  approval: z.boolean().default(true),
  health: z.record(DESTINATION, NAME).default({}),
};

const TARGET = z.discriminatedUnion("kind", [
  z.strictObject({
    ...COMMON,
    kind: z.literal("dns"),
    servers: z.array(ADDRESS).min(1).max(10),
    zone: DNS_NAME,
    name: DNS_NAME,
    type: z.enum(["A", "AAAA", "CNAME"]).default("A"),
    ttl: TTL,
    key: z.strictObject({
      name: DNS_NAME,
      algorithm: z.enum(TSIG_ALGORITHMS).default("hmac-sha256"),
      secretFile: FILE_PATH,
    }),
    destinations: destinationsOf(ANSWERS),
  }),
  z.strictObject({
    ...COMMON,
    kind: z.literal("route53"),
    hostedZoneId: z.string().regex(/^[A-Z0-9]{1,32}$/, "expected capital letters and digits, at most 32"),
    name: DNS_NAME,
    type: z.enum(["A", "AAAA", "CNAME"]).default("A"),
    ttl: TTL,
    region: z
      .string()
      .regex(/^[a-z0-9-]{1,40}$/, "expected a region such as eu-central-1")
      .default("us-east-1"),
    endpoint: z.url({ protocol: /^https?$/ }).optional(),
    destinations: destinationsOf(
      z.union([
        z.strictObject({
          alias: z.strictObject({
            hostedZoneId: z.string(),
            dnsName: DNS_NAME,
            evaluateTargetHealth: z.boolean(),
          }),
          healthCheckId: z.string().optional(),
        }),
        z.strictObject({ values: ANSWERS, healthCheckId: z.string().optional() }),
      ]),
    ),
  }),
  z.strictObject({
    ...COMMON,
    kind: z.literal("haproxy"),
    sockets: z
      .array(z.union([FILE_PATH, ADDRESS]))
      .min(1)
      .max(10),
    backend: z.string().regex(/^[A-Za-z0-9_.:-]{1,100}$/, "expected the name of a backend"),
    endSessions: z.boolean().default(true),
    destinations: destinationsOf(
      z.string().regex(/^[A-Za-z0-9_.:-]{1,100}$/, "expected the name of a server"),
    ),
  }),
]);
type ParsedTarget = z.infer<typeof TARGET>;

const HEALTH = z.strictObject({
  probe: NAME,
  vantages: z.array(z.string().min(1).max(200)).max(50).default([]),
  needed: z.int().min(1).max(50),
  failures: z.int().min(1).max(20).default(HEALTH_DEFAULTS.failures),
  every: DURATION.refine((every) => every >= SECOND && every <= 4 * MINUTE, "expected 1s to 4m").default(
    HEALTH_DEFAULTS.every,
  ),
});

const FILE = z.strictObject({
  targets: z.array(TARGET).max(TARGETS_MAX).default([]),
  health: z.array(HEALTH).max(TARGETS_MAX).default([]),
});

type Path = readonly (string | number)[];

/** Faults are an unknown field or value, an id that is there twice, a health rule that is not there, a record set that Route 53 would refuse. */
export function parseTraffic(
  content: unknown,
  lineOf: (path: Path) => number,
): { readonly value: TrafficPolicy } | { readonly faults: readonly string[] } {
  const parsed = FILE.safeParse(content ?? {});
  if (!parsed.success) return { faults: parsed.error.issues.map((issue) => tell(issue, lineOf)) };
  const { targets, health } = parsed.data;
  const faults: string[] = [];
  const refuse = (path: Path, because: string): void => {
    faults.push(`${lineOf(path)}: ${path.join(".")}: ${because}`);
  };
  const seen = new Set<string>();
  const rules = new Set(health.map(({ probe }) => probe));
  health.forEach(({ probe, vantages, needed }, index) => {
    if (health.findIndex((one) => one.probe === probe) !== index)
      refuse(["health", index, "probe"], `"${probe}" is there twice`);
    if (vantages.length > 0 && needed > vantages.length)
      refuse(
        ["health", index, "needed"],
        `${needed} votes are needed, and there are ${vantages.length} vantages`,
      );
    if (new Set(vantages).size !== vantages.length)
      refuse(["health", index, "vantages"], "a vantage is there twice and would vote twice");
  });
  targets.forEach((target, index) => {
    const at = ["targets", index] as const;
    if (seen.has(target.id)) refuse([...at, "id"], `"${target.id}" is there twice`);
    seen.add(target.id);
    for (const [destination, rule] of Object.entries(target.health)) {
      if (!Object.hasOwn(target.destinations, destination))
        refuse([...at, "health"], `"${destination}" is no destination`);
      if (!rules.has(rule)) refuse([...at, "health", destination], `there is no health rule "${rule}"`);
    }
    for (const [where, because] of faultsOf(target)) refuse([...at, ...where], because);
  });
  if (faults.length > 0) return { faults };
  return { value: { targets: targets.map(toTarget), health } };
}

function tell(issue: z.core.$ZodIssue, lineOf: (path: Path) => number): string {
  const path = issue.path as (string | number)[];
  const inner = issue.code === "invalid_union" ? issue.errors.flat().map(({ message }) => message) : [];
  const said = [issue.message, ...new Set(inner)].join("; ");
  return `${lineOf(path)}: ${path.join(".") || "the file"}: ${said}`;
}

/** What a schema cannot say of one target: its answers fit its type, and no two are the same. */
function faultsOf(target: ParsedTarget): readonly (readonly [Path, string])[] {
  const faults: (readonly [Path, string])[] = [];
  const answers = new Map<string, string>();
  const once = (destination: string, answer: string): void => {
    const other = answers.get(answer);
    if (other !== undefined)
      faults.push([["destinations", destination], `"${other}" is the same: ${answer}`]);
    answers.set(answer, destination);
  };
  switch (target.kind) {
    case "dns":
      if (target.name !== target.zone && !target.name.endsWith(`.${target.zone}`))
        faults.push([["name"], `"${target.name}" is not in the zone "${target.zone}"`]);
      if (target.type === "CNAME" && target.name === target.zone)
        faults.push([["type"], "a zone's own name can be no CNAME"]);
      for (const [destination, values] of Object.entries(target.destinations)) {
        for (const value of values)
          if (!FITS[target.type](value))
            faults.push([["destinations", destination], `"${value}" is no answer of type ${target.type}`]);
        if (target.type === "CNAME" && values.length > 1)
          faults.push([["destinations", destination], "a CNAME names one other name"]);
        once(destination, [...values].sort().join(", "));
      }
      return faults;
    case "route53": {
      const sets = recordSetsOf(toRoute53(target), Object.keys(target.destinations)[0] ?? "", "CHECK");
      for (const { destination, record } of sets) {
        for (const { severity, what, why, instead } of judgeRecordSet(record))
          if (severity === "fault")
            faults.push([["destinations", destination], `${what}: ${why}; expected ${instead}`]);
        once(destination, JSON.stringify([record.AliasTarget, record.ResourceRecords]));
      }
      for (const { severity, what, why } of judgeGroups(sets.map(({ record }) => record)))
        if (severity === "fault") faults.push([["destinations"], `${what}: ${why}`]);
      return faults;
    }
    case "haproxy":
      for (const [destination, where] of Object.entries(target.destinations)) once(destination, where);
      return faults;
  }
}

const FITS = { A: isIpv4, AAAA: isIpv6, CNAME: isDnsName } as const;

/** A record set as its API names the parts. */
export type WeightedRecord = {
  Name: string;
  Type: Route53Target["type"];
  SetIdentifier: string;
  Weight: number;
  HealthCheckId?: string;
  TTL?: number;
  ResourceRecords?: { Value: string }[];
  AliasTarget?: { HostedZoneId: string; DNSName: string; EvaluateTargetHealth: boolean };
};

/** The record sets of a target that sends all to one destination: it has all the weight, the others have none. */
export function recordSetsOf(
  { name, type, ttl, destinations }: Route53Target,
  to: string,
  prefix = "mainstay",
): readonly { readonly destination: string; readonly record: WeightedRecord }[] {
  return Object.entries(destinations).map(([destination, answers]) => ({
    destination,
    record: {
      Name: name,
      Type: type,
      SetIdentifier: `${prefix}-${destination}`,
      Weight: destination === to ? 100 : 0,
      ...(answers.healthCheckId === undefined ? {} : { HealthCheckId: answers.healthCheckId }),
      ...("alias" in answers
        ? {
            AliasTarget: {
              HostedZoneId: answers.alias.hostedZoneId,
              DNSName: answers.alias.dnsName,
              EvaluateTargetHealth: answers.alias.evaluateTargetHealth,
            },
          }
        : { TTL: ttl / SECOND, ResourceRecords: answers.values.map((Value) => ({ Value })) }),
    },
  }));
}

type ParsedRoute53 = Extract<ParsedTarget, { kind: "route53" }>;

function toRoute53(target: ParsedRoute53): Route53Target {
  const { title, cluster, endpoint, destinations, ...rest } = target;
  return {
    ...rest,
    title: title ?? target.id,
    cluster,
    endpoint,
    destinations: Object.fromEntries(
      Object.entries(destinations).map(([name, answers]) => {
        const { healthCheckId } = answers;
        const checked = healthCheckId === undefined ? {} : { healthCheckId };
        return [
          name,
          "alias" in answers ? { alias: answers.alias, ...checked } : { values: answers.values, ...checked },
        ];
      }),
    ),
  };
}

function toTarget(target: ParsedTarget): TrafficTarget {
  if (target.kind === "route53") return toRoute53(target);
  return { ...target, title: target.title ?? target.id, cluster: target.cluster };
}
