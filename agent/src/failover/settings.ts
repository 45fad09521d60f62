/** What an agent is told about the database cluster that its node is a member of: `postgres:` in its configuration. */
import { type FailoverPolicy, faultsOfPolicy, localPolicy } from "@mainstay/proto/failover/policy";
import type { NodeId } from "@mainstay/proto/failover/words";
import type { Fields } from "../fields.js";

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Another member: where its agent and its PostgreSQL are reached. */
export interface Peer {
  readonly name: NodeId;
  readonly agent: HostPort;
  readonly postgres: HostPort;
}

export interface PostgresSettings {
  /** The cluster's name at the control plane. */
  readonly cluster: string;
  /** Absolute. Its owner is who PostgreSQL runs as. */
  readonly dataDirectory: string;
  /** Where `postgres`, `pg_rewind`, `pg_basebackup` and `pg_controldata` are. */
  readonly binDirectory: string;
  /** The server's own configuration; what failover needs is laid over it. Default: postgresql.conf in the data directory. */
  readonly configFile: string;
  /** Where this node's PostgreSQL is reached from here: a socket directory, or an address. */
  readonly host: string;
  readonly port: number;
  /** A superuser, by which replicas connect too. */
  readonly user: string;
  readonly passwordFile: string | undefined;
  /** Where this agent listens for the agents of the other members. */
  readonly listen: HostPort;
  readonly peers: readonly Peer[];
  /** Who was the primary when the cluster was put under failover. Of no account once anything was kept. */
  readonly firstPrimary: NodeId;
  readonly policy: FailoverPolicy;
}

export const postgresHelp = `  postgres:                                 # this node is a member of a PostgreSQL cluster that is failed over; without it: none
    cluster: main                           # its name at the control plane
    dataDirectory: /var/lib/postgresql/15/main   # PostgreSQL is started and ended by the agent, as the directory's owner
    binDirectory: /usr/lib/postgresql/15/bin
    configFile: /etc/postgresql/15/main/postgresql.conf
    host: /var/run/postgresql               # a socket directory or an address of this node's own
    port: 5432
    user: postgres                          # a superuser; replicas connect as it too (pg_hba.conf must let them)
    passwordFile: /etc/mainstay/postgres-password
    listen: "0.0.0.0:7485"                  # for the other members' agents, with the house's certificates
    peers: [{ name: db-2, agent: "db-2:7485", postgres: "db-2:5432" }]
    firstPrimary: db-1
    mode: synchronous                       # or asynchronous, with rpoBytes
    leaseMs: 3000                           # all members and the control plane must have the same mode, lease and so on
`;

const absolute = /^\/[^\0\n']+$/;
const name = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const plainName = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;

/** Reads `postgres:`; undefined when it is absent. What is wrong is noted in `fields`. */
export function readPostgres(
  fields: Fields,
  node: NodeId,
  parse: (text: string) => HostPort | undefined,
): PostgresSettings | undefined {
  if (!fields.has("postgres")) return undefined;
  const part = fields.within("postgres");
  const place = (of: Fields, key: string): HostPort => {
    const text = of.text(key, undefined, "host:port") ?? "";
    const read = parse(text);
    if (read === undefined) of.fault(key, text, "host:port, such as db-2.example.org:7485");
    return read ?? { host: "", port: 0 };
  };
  const required = (key: string, expected: string, accepts: RegExp): string => {
    if (!part.has(key)) part.fault(key, undefined, expected);
    return part.text(key, "", expected, accepts) ?? "";
  };
  const peers = part.each("peers").map((one): Peer => {
    const peer = {
      name: one.text("name", "", "a node's name", name) ?? "",
      agent: place(one, "agent"),
      postgres: place(one, "postgres"),
    };
    one.done();
    return peer;
  });
  const dataDirectory = required("dataDirectory", "an absolute path", absolute);
  const mode = part.raw("mode") ?? "synchronous";
  if (mode !== "synchronous" && mode !== "asynchronous") {
    part.fault("mode", mode, "synchronous or asynchronous");
  }
  const leaseMs = part.integer("leaseMs", 3_000, 600, 600_000);
  const policy = localPolicy([node, ...peers.map((peer) => peer.name)].sort(), {
    mode: mode === "asynchronous" ? "asynchronous" : "synchronous",
    rpoBytes: part.integer("rpoBytes", 0, 0, 2 ** 40),
    required: part.integer("required", 1, 1, 63),
    leaseMs,
    renewMs: part.integer("renewMs", Math.floor(leaseMs / 6), 50, 100_000),
    ...(part.has("marginMs") ? { marginMs: part.integer("marginMs", 200, 100, 60_000) } : {}),
    silentMs: part.integer("silentMs", 1_500, 200, 600_000),
    reportMs: part.integer("reportMs", 300, 50, 60_000),
  });
  for (const fault of faultsOfPolicy(policy)) part.fault("", undefined, fault);
  const firstPrimary = required("firstPrimary", "the name of a member", name);
  if (firstPrimary !== "" && !policy.members.includes(firstPrimary)) {
    part.fault("firstPrimary", firstPrimary, `a member: ${policy.members.join(", ")}`);
  }
  const settings: PostgresSettings = {
    cluster: required("cluster", "1 to 63 of a-z, 0-9 and '-'", name),
    dataDirectory,
    binDirectory: required("binDirectory", "an absolute path", absolute),
    configFile:
      part.text("configFile", `${dataDirectory}/postgresql.conf`, "an absolute path", absolute) ?? "",
    host: part.text("host", "/var/run/postgresql", "a socket directory or an address") ?? "",
    port: part.integer("port", 5_432, 1, 65_535),
    user: part.text("user", "postgres", "a role's name", plainName) ?? "",
    passwordFile: part.text("passwordFile", undefined, "an absolute path", absolute),
    listen: place(part, "listen"),
    peers,
    firstPrimary,
    policy,
  };
  part.done();
  return settings;
}
