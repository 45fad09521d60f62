/** The agent's configuration: one YAML file, some of it overridden by the environment, every fault reported at once. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { type CollectSettings, parseCollectSettings } from "./collect/settings.js";
import { type PoolerSettings, poolersHelp, readPoolers } from "./failover/pooler/settings.js";
import { type PostgresSettings, postgresHelp, readPostgres } from "./failover/settings.js";
import { describeFault, type Fault, Fields } from "./fields.js";
import type { Level } from "./log.js";
import { type LocalPolicy, readPolicy } from "./run/policy.js";

/** Where something listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The whole configuration, checked. */
export interface AgentConfig {
  readonly controlPlane: {
    /** The agents' stream: mTLS; with several replicas each one's, at most 16. Default 127.0.0.1:7482. */
    readonly agents: readonly [Address, ...Address[]];
    /** Where a join token is traded for an identity: TLS, or plaintext on loopback only. Default 127.0.0.1:7481. */
    readonly enroll: Address;
  };
  /** The join token's text. Needed once; a token in a file is better kept. */
  readonly joinToken: string | undefined;
  readonly joinTokenFile: string | undefined;
  /** 1 to 63 of a-z, 0-9 and '-'. Default: the host's name made to fit. */
  readonly nodeName: string;
  /** Absolute; made with mode 0700 when missing. Default /var/lib/mainstay-agent. */
  readonly stateDir: string;
  readonly labels: Readonly<Record<string, string>>;
  /** How often the host is read. Default 15000, from 1000 to 240000. */
  readonly intervalMs: number;
  /** Where the probes listen; undefined when they are off (port 0 takes a free port). Default 127.0.0.1:7484. */
  readonly health: Address | undefined;
  readonly collect: CollectSettings;
  readonly actions: LocalPolicy;
  /** The database cluster that this node is a member of; undefined when it is of none. */
  readonly postgres: PostgresSettings | undefined;
  /** The pgbouncers that it looks after, by cluster. */
  readonly poolers: readonly PoolerSettings[];
  /** The most that frames may take on disk. Default 64 MiB, at least 4 MiB (an hour of 500 series is 1 MB). */
  readonly outboxBytesMax: number;
  readonly logLevel: Level;
}

/** A configuration that cannot be used: one line for each fault. */
export interface ConfigFaults {
  readonly kind: "faulty";
  readonly faults: readonly string[];
}

/** The text for `--help`. */
export const helpText = `mainstay-agent: reads this host, sends what it finds, does what it is asked within its own policy.

  mainstay-agent --config FILE     start (or MAINSTAY_AGENT_CONFIG=FILE)
  mainstay-agent --check           read the configuration, say what is wrong with it, and leave; with postgres: also what
                                   its running database lacks to come under failover
  mainstay-agent --version

The file is YAML:
  controlPlane: { agents: "host:7482", enroll: "host:7481" }   # agents: a list when there are several replicas
  joinTokenFile: /etc/mainstay/join-token   # needed once, to enrol
  nodeName: web-1                           # default: the host's name
  stateDir: /var/lib/mainstay-agent
  labels: { role: web, environment: production }
  intervalMs: 15000
  health: { host: 127.0.0.1, port: 7484 }   # or: health: off
  outboxBytesMax: 67108864
  collect: {}                               # what is read: scrape targets, certificates, services
  # collect: { probes: [{ name: api-eu, url: "https://eu.example/health/failover", intervalMs: 30000 }] }: asked from here, as one vantage
  actions:                                  # what this host allows; whatever is not named is denied
    cleanDirectory: { roots: [/var/cache/app], minAgeSeconds: 3600, maxBytes: 10737418240 }
    restartService: { units: [nginx.service], processes: [{ name: worker, pidFile: /run/worker.pid, start: [/usr/bin/worker] }] }
    endIdleSessions: { databases: [{ name: main, urlFile: /etc/mainstay/main.url }], minIdleSeconds: 600 }
    collectDiagnostics: { enabled: true }
    terminateQuery: { databases: [{ name: main, urlFile: /etc/mainstay/main.url }], minSeconds: 60, maxQueries: 20 }
    maintainTable: { databases: [{ name: main, urlFile: /etc/mainstay/owner.url }], operations: [vacuum, analyze], lockTimeoutMs: 2000 }
    setPostgresParameter: { databases: [{ name: main, urlFile: /etc/mainstay/admin.url }], parameters: [work_mem] }
    reloadService: { units: [nginx.service], processes: [{ name: proxy, pidFile: /run/proxy.pid, signal: SIGHUP, check: [/usr/sbin/proxy, -t] }] }
    rotateLogs: { logs: [{ name: app, path: /var/log/app.log, pidFile: /run/app.pid, signal: SIGUSR1, keep: 7, compress: true }] }
    redis: { servers: [{ name: cache, port: 6379, passwordFile: /etc/mainstay/redis, copyTo: /srv/copies, check: [/usr/bin/redis-check-rdb] }] }
    setBackendState: { proxies: [{ name: lb, socket: /run/haproxy/admin.sock, backends: [web], minReady: 1 }] }
    pgbouncer: { bouncers: [{ name: pool, urlFile: /etc/mainstay/pgbouncer.url, databases: [app], configFile: /etc/pgbouncer/pgbouncer.ini }] }
    scalePool: { pools: [{ name: workers, min: 1, max: 8, unit: worker@.service, perReplica: 500 }] }
    heapSnapshot: { processes: [{ name: api, pidFile: /run/api.pid, signal: SIGUSR2, writesTo: /srv/api, keepIn: /var/lib/mainstay-heaps }] }
    renewCertificate: { certificates: [{ name: web, certFile: /etc/web.crt, keyFile: /etc/web.key, renew: [/usr/bin/renew-web], reload: [/usr/sbin/nginx, -s, reload], served: { port: 443, serverName: web.example }, keepIn: /var/lib/mainstay-certificates }] }
    kubernetes: { clusters: [{ name: prod, kubeconfig: /etc/mainstay/kubeconfig, namespaces: [web], nodes: ["*"], actions: [scale-workload, drain-node], maxReplicas: 20 }] }
    restoreDrill: { repositories: [{ name: main, component: pg-primary, tool: pgbackrest, stanza: main, configFile: /etc/pgbackrest.conf, binDirectory: /usr/lib/postgresql/15/bin, scratch: /var/tmp, marker: { database: app, query: "select max(at) from heartbeat" }, probes: [{ name: users, database: app, query: "select count(*) from users" }] }] }
    # or tool: pg_basebackup with baseDirectory and walDirectory; what lies in these repositories is read as well
    netcheck: { targets: [{ name: api, host: api.example, port: 443, tls: true, httpPath: /health }] }
${postgresHelp}${poolersHelp}
The environment wins over the file: MAINSTAY_AGENTS_ADDRESS, MAINSTAY_ENROLL_ADDRESS, MAINSTAY_JOIN_TOKEN,
MAINSTAY_JOIN_TOKEN_FILE, MAINSTAY_NODE_NAME, MAINSTAY_STATE_DIR, MAINSTAY_INTERVAL_MS, MAINSTAY_LOG_LEVEL.

Exit codes: 0 asked to stop; 1 could not go on, or --check found something wrong; 2 the configuration or the command line is wrong.
`;

/** What the command line asks for. */
export type CommandLine =
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "run"; readonly configFile: string | undefined; readonly checkOnly: boolean }
  | { readonly kind: "wrong"; readonly because: string };

/** Reads the arguments (without program and script). */
export function readCommandLine(args: readonly string[], env: NodeJS.ProcessEnv): CommandLine {
  let configFile = env["MAINSTAY_AGENT_CONFIG"] || undefined;
  let checkOnly = false;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? "";
    if (arg === "--help" || arg === "-h") return { kind: "help" };
    if (arg === "--version") return { kind: "version" };
    if (arg === "--check") checkOnly = true;
    else if (arg.startsWith("--config=")) configFile = arg.slice("--config=".length);
    else if (arg === "--config") {
      const next = args[++index];
      if (next === undefined || next === "")
        return { kind: "wrong", because: "--config: expected a file's path after it" };
      configFile = next;
    } else return { kind: "wrong", because: `${arg}: no such option; see --help` };
  }
  return { kind: "run", configFile, checkOnly };
}

/** Reads file and environment. A missing file is a fault only when one was named. */
export async function loadConfig(
  configFile: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly kind: "read"; readonly config: AgentConfig } | ConfigFaults> {
  let text = "";
  if (configFile !== undefined) {
    try {
      text = readFileSync(configFile, "utf8");
    } catch (error) {
      return { kind: "faulty", faults: [`${configFile}: cannot be read: ${String(error)}`] };
    }
  }
  return parseConfig(text, env, hostname());
}

/** Checks a configuration's text. All that comes from outside is an argument. */
export async function parseConfig(
  text: string,
  env: NodeJS.ProcessEnv,
  host: string,
): Promise<{ readonly kind: "read"; readonly config: AgentConfig } | ConfigFaults> {
  const document = parseJson(text) ?? (await parseYaml(text));
  if (document.kind === "faulty") return document;
  const faults: Fault[] = [];
  const config = readConfig(new Fields(withEnvironment(document.value, env), "", faults), host, faults);
  return faults.length > 0 ? { kind: "faulty", faults: faults.map(describeFault) } : { kind: "read", config };
}

type Parsed = { readonly kind: "parsed"; readonly value: unknown } | ConfigFaults;

/** JSON (below comment lines) is YAML that needs no parser of its own: that spares its memory for ever. */
function parseJson(text: string): Parsed | undefined {
  const bare = text.replace(/^(?:[ \t]*#[^\n]*\n|[ \t]*\n)+/, "");
  if (bare.trim() === "") return { kind: "parsed", value: {} };
  if (!bare.startsWith("{")) return undefined;
  try {
    return { kind: "parsed", value: JSON.parse(bare) };
  } catch {
    return undefined;
  }
}

async function parseYaml(text: string): Promise<Parsed> {
  const { readYaml } = await import("./config-yaml.js");
  return readYaml(text);
}

function readConfig(fields: Fields, host: string, faults: Fault[]): AgentConfig {
  const controlPlane = fields.within("controlPlane");
  const intervalMs = fields.integer("intervalMs", 15_000, 1000, 240_000);
  const collect = parseCollectSettings(fields.raw("collect"), intervalMs);
  faults.push(...collect.faults);
  const nodeName =
    fields.text("nodeName", undefined, "1 to 63 of a-z, 0-9 and '-'", nodeNameShape) ?? nodeNameFrom(host);
  const config: AgentConfig = {
    controlPlane: {
      agents: addresses(controlPlane, "agents", { host: "127.0.0.1", port: 7482 }),
      enroll: address(controlPlane, "enroll", { host: "127.0.0.1", port: 7481 }),
    },
    joinToken: fields.text("joinToken", undefined, "the text of a join token"),
    joinTokenFile: fields.text("joinTokenFile", undefined, "an absolute path", absolutePath),
    nodeName,
    stateDir: fields.text("stateDir", "/var/lib/mainstay-agent", "an absolute path", absolutePath) ?? "",
    labels: fields.textMap(
      "labels",
      /^[a-zA-Z_][a-zA-Z0-9_]{0,62}$/,
      "label names with texts of at most 256",
    ),
    intervalMs,
    health: health(fields),
    collect: collect.settings,
    actions: readPolicy(fields.within("actions")),
    postgres: readPostgres(fields, nodeName, parseAddress),
    poolers: readPoolers(fields, parseAddress),
    outboxBytesMax: fields.integer("outboxBytesMax", 64 * 1024 * 1024, 4 * 1024 * 1024, 16 * 1024 ** 3),
    logLevel: level(fields, faults),
  };
  controlPlane.done();
  fields.done();
  return config;
}

/** A node name out of a host name: lower case, other characters as '-', at most 63. */
export function nodeNameFrom(host: string): string {
  const fitting = (host.split(".")[0] ?? "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 63)
    .replace(/^-+|-+$/g, "");
  return fitting === "" ? "node" : fitting;
}

/** `host:port`, `[v6]:port`; undefined when it is neither. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

/** An address as gRPC and people write it. */
export function addressText(at: Address): string {
  return at.host.includes(":") ? `[${at.host}]:${at.port}` : `${at.host}:${at.port}`;
}

/** Whether the address can only be this machine. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

const absolutePath = /^\/[^\0]+$/;
const nodeNameShape = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

function address(fields: Fields, key: string, fallback: Address): Address {
  const text = fields.text(key, undefined, "host:port");
  if (text === undefined) return fallback;
  const read = parseAddress(text);
  if (read === undefined) fields.fault(key, text, "host:port, such as control.example.org:7482");
  return read ?? fallback;
}

const addressesMax = 16;

/** One address, or a list of them. */
function addresses(fields: Fields, key: string, fallback: Address): readonly [Address, ...Address[]] {
  if (!Array.isArray(fields.raw(key))) return [address(fields, key, fallback)];
  const texts = fields.texts(key, "host:port");
  const read = texts.flatMap((text) => parseAddress(text) ?? []);
  const [first, ...others] = read;
  if (first !== undefined && read.length === texts.length && read.length <= addressesMax)
    return [first, ...others];
  fields.fault(key, texts, `1 to ${addressesMax} of host:port, such as control.example.org:7482`);
  return [fallback];
}

function health(fields: Fields): Address | undefined {
  const value = fields.raw("health");
  if (value === false || value === "off") return undefined;
  const part = fields.within("health");
  const host = part.text("host", "127.0.0.1", "a host or address to listen on") ?? "127.0.0.1";
  const port = part.integer("port", 7484, 0, 65_535);
  part.done();
  if (!isLoopback(host)) part.fault("host", host, "a loopback address: the probes speak plain HTTP");
  return { host, port };
}

function level(fields: Fields, faults: Fault[]): Level {
  const value = fields.raw("logLevel") ?? "info";
  if (value === "debug" || value === "info" || value === "warn" || value === "error") return value;
  faults.push({ path: fields.at("logLevel"), value, expected: "debug, info, warn or error" });
  return "info";
}

/** Lays the environment over the document; an empty variable counts as absent. */
function withEnvironment(document: unknown, env: NodeJS.ProcessEnv): unknown {
  const base = document ?? {};
  if (typeof base !== "object" || Array.isArray(base)) return document;
  const merged: Record<string, unknown> = { ...base };
  const set = (key: string, variable: string, read: (text: string) => unknown = (text) => text): void => {
    const text = env[variable];
    if (text !== undefined && text !== "") merged[key] = read(text);
  };
  set("joinToken", "MAINSTAY_JOIN_TOKEN");
  set("joinTokenFile", "MAINSTAY_JOIN_TOKEN_FILE");
  set("nodeName", "MAINSTAY_NODE_NAME");
  set("stateDir", "MAINSTAY_STATE_DIR");
  set("intervalMs", "MAINSTAY_INTERVAL_MS", (text) => (/^\d+$/.test(text) ? Number(text) : text));
  set("logLevel", "MAINSTAY_LOG_LEVEL");
  const agents = env["MAINSTAY_AGENTS_ADDRESS"];
  const enroll = env["MAINSTAY_ENROLL_ADDRESS"];
  if (agents || enroll) {
    const part: unknown = merged["controlPlane"];
    merged["controlPlane"] = {
      ...(typeof part === "object" ? part : {}),
      ...(agents
        ? { agents: agents.includes(",") ? agents.split(",").map((text) => text.trim()) : agents }
        : {}),
      ...(enroll ? { enroll } : {}),
    };
  }
  return merged;
}
