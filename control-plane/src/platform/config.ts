/**
 * What the control plane is told from outside: flags, environment and a config file, read once into one value.
 * A flag wins over the environment, the environment over the file. All faults are reported together.
 */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { parse as parseYaml } from "yaml";
import type { LogLevel } from "./logger.js";
import { HELP, SETTINGS, type SettingName } from "./settings.js";

export interface ListenAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface VaultConfig {
  readonly address: string;
  readonly auth:
    | { readonly kind: "token"; readonly token: string }
    | { readonly kind: "approle"; readonly roleId: string; readonly secretId: string };
  readonly mount: string;
  /** The key in the transit engine that signs orders; undefined: one that is kept in the KV engine. */
  readonly transitKey?: string;
  readonly transitMount?: string;
}

export interface Config {
  /** Where keys, tokens and the embedded database live. */
  readonly stateDirectory: string;
  /** A URL, or "embedded": the real server, started by us. */
  readonly database: { readonly kind: "url"; readonly url: string } | { readonly kind: "embedded" };
  readonly redisUrl: string | undefined;
  readonly vault: VaultConfig | undefined;
  readonly rest: ListenAddress;
  readonly grpc: ListenAddress;
  readonly agents: ListenAddress;
  /** Certificate and key for REST and operator gRPC; without them the house CA's own are used off loopback. */
  readonly tls: { readonly certificateFile: string; readonly keyFile: string } | undefined;
  /** Names and addresses that the server certificate shall hold besides localhost and the host's own name. */
  readonly serverNames: readonly string[];
  /** The engine that evaluates expressions. */
  readonly timeseries: TimeSeriesConfig;
  /** The host by which other replicas and agents reach this one. */
  readonly advertise: string;
  /** Prometheus rule files, watched. */
  readonly ruleFiles: readonly string[];
  /** Say which installation this is, to templates of rules and to whoever is sent its alerts. */
  readonly externalLabels: Readonly<Record<string, string>>;
  /** Where people reach this installation; for links in alerts. */
  readonly externalUrl: string;
  /** Who is told of which alert: Alertmanager's file. */
  readonly alertmanagerFile: string;
  /** Which alert asks for which action. */
  readonly remediationFile: string;
  readonly safetyFile: string;
  /** Who may do what to what: deny by default. */
  readonly policyFile: string;
  /** Runbooks: files, and folders of files, watched. */
  readonly runbookPaths: readonly string[];
  /** What the house is made of, and what needs what. */
  readonly componentsFile: string;
  /** What is moved when a region is lost. */
  readonly regionsFile: string;
  /** Who sends traffic where. */
  readonly trafficFile: string;
  /** How to show oneself to the Patronis of adopted clusters; undefined: not at all. */
  readonly patroniCredentialsFile: string | undefined;
  /** Seconds for which a service of others is not called after five calls in a row failed. */
  readonly breakerOpenSeconds: number;
  /** Hours a client certificate of an agent lives. */
  readonly certificateHours: number;
  readonly logLevel: LogLevel;
}

/** `remote`: a Prometheus-compatible engine; samples are kept here all the same, and written on to it. */
export type TimeSeriesConfig =
  | { readonly kind: "embedded" }
  | {
      readonly kind: "remote";
      readonly writeUrl: URL;
      readonly queryUrl: URL;
      /** A file with a bearer token, read for each call. */
      readonly tokenFile: string | undefined;
    };

export type ConfigResult =
  | { readonly kind: "config"; readonly config: Config }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "faults"; readonly faults: readonly string[] };

/** Addresses to listen at that nobody can be reached by. */
const EVERYWHERE: ReadonlySet<string> = new Set(["0.0.0.0", "::", "[::]"]);

const DEFAULTS = resolve(new URL("../../config", import.meta.url).pathname);

/** Reads settings from `args` (without node and script), `env`, and the file they name. */
export function parseConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string = (path) => readFileSync(path, "utf8"),
): ConfigResult {
  const faults: string[] = [];
  const flags = readFlags(args, faults);
  if (flags["help"] === true) return { kind: "help", text: HELP };
  const file = readSettingsFile(flags["config"] ?? env["MAINSTAY_CONFIG"], readFile, faults);

  /** The setting's text and where it stood. */
  const find = (name: SettingName): { text: string; place: string } | undefined => {
    const s = SETTINGS[name];
    const flag = flags[s.flag];
    if (typeof flag === "string") return { text: flag, place: `--${s.flag}` };
    const variable = env[s.env];
    if (variable !== undefined && variable !== "") return { text: variable, place: s.env };
    const entry = file.values[s.file];
    return entry === undefined ? undefined : { text: entry, place: `${file.path}: ${s.file}` };
  };
  const text = (name: SettingName): string | undefined => find(name)?.text;
  const number = (name: SettingName, fallback: number, least: number, most: number): number => {
    const found = find(name);
    if (found === undefined) return fallback;
    const value = Number(found.text);
    if (found.text.trim() !== "" && value >= least && value <= most) return value;
    faults.push(`${found.place} is "${found.text}", expected a number from ${least} to ${most}`);
    return fallback;
  };
  const port = (name: SettingName, fallback: number): number => {
    const value = number(name, fallback, 0, 65_535);
    if (!Number.isInteger(value))
      faults.push(`${find(name)?.place} is "${text(name)}", expected a whole number`);
    return value;
  };
  const url = (name: SettingName, protocols: readonly string[]): string | undefined => {
    const found = find(name);
    if (found === undefined) return undefined;
    if (URL.canParse(found.text) && protocols.includes(new URL(found.text).protocol)) return found.text;
    // The value is not repeated: a URL may hold a password.
    faults.push(
      `${found.place} is not a URL that begins with ${protocols.map((p) => `${p}//`).join(" or ")}`,
    );
    return undefined;
  };
  const list = (name: SettingName): readonly string[] | undefined =>
    text(name)
      ?.split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");

  const timeseries = (): TimeSeriesConfig => {
    const engine = text("timeseries") ?? "embedded";
    const writeUrl = url("remoteWriteUrl", ["http:", "https:"]);
    const queryUrl = url("remoteQueryUrl", ["http:", "https:"]);
    if (engine === "remote" && writeUrl !== undefined && queryUrl !== undefined) {
      const tokenFile = text("remoteTokenFile");
      return {
        kind: "remote",
        writeUrl: new URL(writeUrl),
        queryUrl: new URL(queryUrl),
        tokenFile: tokenFile === undefined ? undefined : resolve(tokenFile),
      };
    }
    if (engine === "remote") faults.push("a remote engine needs --remote-write-url and --remote-query-url");
    else if (engine !== "embedded")
      faults.push(`${find("timeseries")?.place} is "${engine}", expected embedded or remote`);
    else if (writeUrl !== undefined || queryUrl !== undefined)
      faults.push("--remote-write-url and --remote-query-url go with --timeseries remote");
    return { kind: "embedded" };
  };

  const pathOf = (name: SettingName): string | undefined => {
    const path = text(name);
    return path === undefined ? undefined : resolve(path);
  };

  const databaseUrl = url("databaseUrl", ["postgres:", "postgresql:"]);
  const embedded = flags["embedded"] === true || file.values["embedded"] === "true";
  if (embedded && flags["database-url"] !== undefined)
    faults.push("--embedded and --database-url exclude each other");
  if (!embedded && databaseUrl === undefined && faults.length === 0) {
    faults.push("no database: give --embedded, or DATABASE_URL");
  }
  const host = text("host") ?? "127.0.0.1";
  const certificateFile = text("tlsCert");
  const keyFile = text("tlsKey");
  if ((certificateFile === undefined) !== (keyFile === undefined)) {
    faults.push("--tls-cert and --tls-key go together; only one is given");
  }
  const externalLabels: Record<string, string> = {};
  for (const pair of list("externalLabels") ?? []) {
    const [, name, value] = /^([a-zA-Z_][a-zA-Z0-9_]*)=(.*)$/.exec(pair) ?? [];
    if (name === undefined || value === undefined || name === "__proto__")
      faults.push(`${find("externalLabels")?.place} holds "${pair}", expected name=value`);
    else externalLabels[name] = value;
  }
  const level = text("logLevel") ?? "info";
  if (!["debug", "info", "warn", "error"].includes(level)) {
    faults.push(`${find("logLevel")?.place} is "${level}", expected debug, info, warn or error`);
  }
  const config: Config = {
    stateDirectory: resolve(text("state") ?? ".mainstay"),
    database:
      embedded || databaseUrl === undefined ? { kind: "embedded" } : { kind: "url", url: databaseUrl },
    redisUrl: url("redisUrl", ["redis:", "rediss:"]),
    vault: readVault(
      url("vaultAddress", ["http:", "https:"]),
      {
        mount: text("vaultMount"),
        transitKey: text("vaultTransitKey"),
        transitMount: text("vaultTransitMount"),
      },
      text("vaultTokenFile"),
      env,
      readFile,
      faults,
    ),
    rest: { host, port: port("restPort", 7480) },
    grpc: { host, port: port("grpcPort", 7481) },
    agents: { host, port: port("agentPort", 7482) },
    tls: certificateFile !== undefined && keyFile !== undefined ? { certificateFile, keyFile } : undefined,
    serverNames: [...new Set([hostname(), ...(list("serverNames") ?? [])])],
    timeseries: timeseries(),
    advertise: text("advertise") ?? (EVERYWHERE.has(host) ? hostname() : host),
    ruleFiles: (
      list("rules") ?? ["alert-rules.yaml", "recovery-rules.yaml"].map((name) => join(DEFAULTS, name))
    ).map((path) => resolve(path)),
    externalLabels,
    externalUrl: url("externalUrl", ["http:", "https:"]) ?? `http://${host}:${text("restPort") ?? "7480"}`,
    alertmanagerFile: resolve(text("alertmanager") ?? join(DEFAULTS, "alertmanager.yml")),
    remediationFile: resolve(text("remediation") ?? join(DEFAULTS, "remediation.yaml")),
    safetyFile: resolve(text("safety") ?? join(DEFAULTS, "safety.yaml")),
    runbookPaths: (list("runbooks") ?? [join(DEFAULTS, "runbooks")]).map((path) => resolve(path)),
    policyFile: resolve(text("policy") ?? join(DEFAULTS, "command-policy.yaml")),
    componentsFile: resolve(text("components") ?? join(DEFAULTS, "components.yaml")),
    regionsFile: resolve(text("regions") ?? join(DEFAULTS, "regions.yaml")),
    trafficFile: resolve(text("traffic") ?? join(DEFAULTS, "traffic.yaml")),
    patroniCredentialsFile: pathOf("patroniCredentials"),
    breakerOpenSeconds: number("breakerOpenSeconds", 60, 1, 3_600),
    certificateHours: number("certificateHours", 24, 0.01, 8_760),
    logLevel: level as LogLevel,
  };
  return faults.length > 0 ? { kind: "faults", faults } : { kind: "config", config };
}

type Flags = Readonly<Record<string, string | boolean | undefined>> & { readonly config?: string };

function readFlags(args: readonly string[], faults: string[]): Flags {
  const options: Record<string, { type: "string" | "boolean" }> = {
    help: { type: "boolean" },
    embedded: { type: "boolean" },
    config: { type: "string" },
  };
  for (const setting of Object.values(SETTINGS)) options[setting.flag] = { type: "string" };
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values as Flags;
  } catch (error) {
    faults.push(`${error instanceof Error ? error.message : String(error)}; --help lists the settings`);
    return {};
  }
}

interface SettingsFile {
  readonly path: string;
  readonly values: Readonly<Record<string, string>>;
}

function readSettingsFile(
  path: string | undefined,
  readFile: (path: string) => string,
  faults: string[],
): SettingsFile {
  if (path === undefined) return { path: "", values: {} };
  let parsed: unknown;
  try {
    parsed = parseYaml(readFile(path)) ?? {};
  } catch (error) {
    faults.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    return { path, values: {} };
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    faults.push(`${path}: expected settings by name`);
    return { path, values: {} };
  }
  const known = new Set<string>(["embedded", ...Object.values(SETTINGS).map((s) => s.file)]);
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(parsed)) {
    if (!known.has(name))
      faults.push(`${path}: unknown setting "${name}", expected one of ${[...known].join(", ")}`);
    else values[name] = Array.isArray(value) ? value.join(",") : String(value);
  }
  return { path, values };
}

function readVault(
  address: string | undefined,
  named: Readonly<Record<"mount" | "transitKey" | "transitMount", string | undefined>>,
  tokenFile: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string,
  faults: string[],
): VaultConfig | undefined {
  const { mount, transitKey, transitMount } = named;
  if (address === undefined) {
    if (transitKey !== undefined) faults.push("VAULT_TRANSIT_KEY is set, but no VAULT_ADDR");
    return undefined;
  }
  // It becomes part of a path.
  if (transitKey !== undefined && !/^[\w.-]{1,128}$/.test(transitKey))
    faults.push(`the transit key is "${transitKey}", expected letters, digits, "_", "-" and "."`);
  const shape = {
    address,
    mount: mount ?? "secret",
    ...(transitKey === undefined ? {} : { transitKey }),
    ...(transitMount === undefined ? {} : { transitMount }),
  };
  const roleId = env["VAULT_ROLE_ID"];
  const secretId = env["VAULT_SECRET_ID"];
  if (roleId !== undefined && secretId !== undefined)
    return { ...shape, auth: { kind: "approle", roleId, secretId } };
  if (env["VAULT_TOKEN"] !== undefined)
    return { ...shape, auth: { kind: "token", token: env["VAULT_TOKEN"] } };
  if (tokenFile === undefined) {
    faults.push(
      "VAULT_ADDR is set, but no way to log in: give VAULT_TOKEN_FILE, VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID",
    );
    return undefined;
  }
  try {
    return { ...shape, auth: { kind: "token", token: readFile(tokenFile).trim() } };
  } catch (error) {
    faults.push(`the Vault token file: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}
