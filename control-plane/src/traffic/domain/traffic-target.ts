/**
 * What steers traffic: targets as they are declared, each with the destinations it may send traffic to. Connection poolers
 * are not among them: the agents on their hosts lead them, as part of the decision about the cluster.
 */
import { type Duration, SECOND } from "../../kernel/time.js";
import type { HealthRule } from "./judge-votes.js";
import type { Route53Destination } from "./route53-records.js";

interface Declared {
  /** a-z, 0-9 and -, at most 63 characters. */
  readonly id: string;
  readonly title: string;
  /** The cluster whose owner it follows: destinations have its members' names then. */
  readonly cluster: string | undefined;
  /** Another person has to approve what a person asks. @default true */
  readonly approval: boolean;
  /** By destination: the name of the health rule that speaks for it. */
  readonly health: Readonly<Record<string, string>>;
}

/** A name in a zone, changed by RFC 2136 with a TSIG key. */
export interface DnsTarget extends Declared {
  readonly kind: "dns";
  /** host:port; the first takes updates, each is asked whether it answers the new. */
  readonly servers: readonly string[];
  readonly zone: string;
  readonly name: string;
  readonly type: "A" | "AAAA" | "CNAME";
  readonly ttl: Duration;
  readonly key: { readonly name: string; readonly algorithm: TsigAlgorithm; readonly secretFile: string };
  /** Addresses, or one name, of each. */
  readonly destinations: Readonly<Record<string, readonly string[]>>;
}

export const TSIG_ALGORITHMS = ["hmac-sha256", "hmac-sha384", "hmac-sha512"] as const;
export type TsigAlgorithm = (typeof TSIG_ALGORITHMS)[number];

/** A name in a zone of Route 53, by weights: the chosen has all, the others none. */
export interface Route53Target extends Declared {
  readonly kind: "route53";
  readonly hostedZoneId: string;
  readonly name: string;
  readonly type: "A" | "AAAA" | "CNAME";
  readonly ttl: Duration;
  readonly region: string;
  /** Instead of AWS' own. */
  readonly endpoint: string | undefined;
  readonly destinations: Readonly<Record<string, Route53Destination>>;
}

/** Servers of one backend of one or more HAProxies, over their admin sockets. */
export interface HaproxyTarget extends Declared {
  readonly kind: "haproxy";
  /** Paths of sockets, or host:port. */
  readonly sockets: readonly string[];
  readonly backend: string;
  /** Sessions to whom it does not go any more are ended. @default true */
  readonly endSessions: boolean;
  /** The server's name of each. */
  readonly destinations: Readonly<Record<string, string>>;
}

export type TrafficTarget = DnsTarget | Route53Target | HaproxyTarget;
export type TrafficKind = TrafficTarget["kind"];

export interface TrafficPolicy {
  readonly targets: readonly TrafficTarget[];
  readonly health: readonly HealthRule[];
}

export const NO_TRAFFIC: TrafficPolicy = { targets: [], health: [] };

/** What clients may keep an answer for that Route 53 gives for an alias: its own, which nobody can change. */
export const ALIAS_TTL: Duration = 60 * SECOND;

/** Where DNS keeps the epoch of a name: beside it, as text. */
export const epochName = (name: string): string => `_mainstay.${name}`;

/** Proxies first, for they move at once; DNS last, because what was answered stays with clients for its time. */
export const inSteeringOrder = (targets: readonly TrafficTarget[]): readonly TrafficTarget[] =>
  [...targets].sort((a, b) => ORDER[a.kind] - ORDER[b.kind]);

const ORDER: Readonly<Record<TrafficKind, number>> = { haproxy: 0, dns: 1, route53: 2 };
