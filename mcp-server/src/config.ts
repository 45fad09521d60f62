/**
 * What the program is told: flags first, then the environment, then defaults. Read once, into one typed value; every
 * fault is reported together, by the name of the setting, with what was given and what was expected.
 */
import type { OAuthSettings } from "./access/access-token.js";
import type { LimitSettings } from "./access/limits.js";
import { isPrivateUrl } from "./access/private-url.js";
import { isLoopback, splitAddress } from "./edge/judge-host.js";
import { LOG_LEVELS, type LogLevel } from "./logger.js";
import { helpText, type Name, readSettings } from "./settings.js";
import { DEFAULT_TOOLSETS, type NameRules, type Offer, TOOLSETS, type Toolset } from "./tools/offer.js";

export interface Config {
  readonly transport: "http" | "stdio";
  readonly controlPlane: {
    /** host:port of the operator gRPC door. */
    readonly address: string;
    /** How the line is kept private: not at all (loopback, or told so), by this CA, or by the system's. */
    readonly security: "plaintext" | "system-ca" | { readonly caFile: string };
    /** Milliseconds an ordinary call may take. */
    readonly timeoutMs: number;
  };
  readonly http: {
    readonly host: string;
    /** 0: any free one. */
    readonly port: number;
    readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
    /** Host names without ports that a request may be addressed to, besides those of the loopback. */
    readonly allowedHosts: readonly string[];
    /** Origins (`https://name[:port]`) a browser's request may come from, besides those of the loopback. */
    readonly allowedOrigins: readonly string[];
    /** Bytes of a request's body. */
    readonly bodyBytesMax: number;
    /** Identity providers whose access tokens are taken, and this server's own token by which it speaks for them. */
    readonly oauth:
      | (OAuthSettings & { readonly serverToken: { readonly text: string } | { readonly file: string } })
      | undefined;
    readonly webSocket: {
      /** How often the other end is asked whether it is there. */
      readonly heartbeatMs: number;
      /** After how much silence it is given up. */
      readonly timeoutMs: number;
    };
  };
  /** What one principal may ask. */
  readonly limits: LimitSettings;
  /** Which tools are offered, and on which nodes they may ask for changes. */
  readonly offer: Offer;
  /** Present: the conformance suite's fixtures are served on this port of the loopback. */
  readonly conformance: { readonly port: number } | undefined;
  /** The caller's token, for stdio; over HTTP each request brings its own. */
  readonly token: { readonly text: string } | { readonly file: string } | undefined;
  /** Where spans and metrics are sent. */
  readonly otlpEndpoint: string | undefined;
  readonly logLevel: LogLevel;
}

export type ParsedConfig =
  | { readonly kind: "config"; readonly config: Config }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "faults"; readonly faults: readonly string[] };

/** Never throws. `argv` is without the program's own path. */
export function parseConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ParsedConfig {
  if (argv.includes("--help") || argv.includes("-h")) return { kind: "help", text: helpText() };
  const faults: string[] = [];
  const given = readSettings(argv, env, faults);

  const text = (name: Name): string | undefined => given.get(name)?.value;
  const fault = (name: Name, expected: string): void => {
    const { as, value } = given.get(name) ?? { as: name, value: "" };
    faults.push(`${as} is ${JSON.stringify(value)}: expected ${expected}`);
  };
  const flag = (name: Name): boolean => {
    const value = text(name);
    if (value !== undefined && value !== "true" && value !== "false") fault(name, '"true" or "false"');
    return value === "true";
  };
  const whole = (name: Name, least: number, most: number, otherwise: number): number => {
    const value = text(name);
    if (value === undefined) return otherwise;
    const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= least && number <= most) return number;
    fault(name, `a whole number from ${least} to ${most}`);
    return otherwise;
  };
  const list = (name: Name, form: RegExp, expected: string): string[] => {
    const items = (text(name) ?? "")
      .split(",")
      .map((item) => item.trim().toLowerCase())
      .filter((item) => item !== "");
    if (items.some((item) => !form.test(item))) fault(name, expected);
    return items;
  };

  const stdio = flag("stdio");
  // Written with or without the brackets of an IPv6 address.
  const host = (text("host") ?? "127.0.0.1").replace(/^\[(.*)\]$/, "$1");
  const port = whole("port", 0, 65_535, 7_483);
  const tls = tlsOf(text("tlsCert"), text("tlsKey"), faults);
  if (!stdio && tls === undefined && !isLoopback(host) && !flag("plaintext")) {
    faults.push(
      `the address to listen on is ${JSON.stringify(host)}, not a loopback, and without TLS tokens would cross the wire unprotected: give --tls-cert and --tls-key, or --allow-plaintext if something in front does TLS`,
    );
  }

  const address = text("controlPlane") ?? "127.0.0.1:7481";
  const parts = splitAddress(address);
  if (parts === undefined) fault("controlPlane", "host:port, such as 127.0.0.1:7481");
  const caFile = text("controlPlaneCa");
  const local = parts !== undefined && isLoopback(parts.host);
  const security =
    caFile !== undefined ? { caFile } : flag("controlPlanePlaintext") || local ? "plaintext" : "system-ca";

  const token = text("token");
  const tokenFile = text("tokenFile");
  if (stdio && token === undefined && tokenFile === undefined) {
    faults.push("--stdio needs the caller's token: set MAINSTAY_TOKEN_FILE or MAINSTAY_TOKEN");
  }
  const level = text("logLevel");
  const logLevel = LOG_LEVELS.find((candidate) => candidate === level) ?? "info";
  if (level !== undefined && level !== logLevel) fault("logLevel", `one of ${LOG_LEVELS.join(", ")}`);

  const otlpEndpoint = text("otlpEndpoint");
  if (otlpEndpoint !== undefined && !/^https?:\/\/[^\s]+$/.test(otlpEndpoint))
    fault("otlpEndpoint", "a collector's address, such as http://127.0.0.1:4318");
  const profile = text("profile") ?? "normal";
  if (profile !== "normal" && profile !== "conformance") fault("profile", "normal or conformance");
  const conforming = profile === "conformance";
  if (conforming && env["NODE_ENV"] === "production") {
    faults.push(
      "the conformance profile serves without a token and NODE_ENV is production: choose one of them",
    );
  }
  if (conforming && (stdio || !isLoopback(host))) {
    faults.push("the conformance profile serves without a token: expected HTTP on a loopback address");
  }
  const conformancePort = whole("conformancePort", 0, 65_535, 0);
  const heartbeatMs = whole("webSocketHeartbeat", 100, 600_000, 30_000);
  const timeoutMs = whole("webSocketTimeout", 200, 3_600_000, 60_000);
  if (timeoutMs <= heartbeatMs) {
    faults.push(
      `the WebSocket timeout is ${timeoutMs} ms and the heartbeat ${heartbeatMs} ms: expected a timeout longer than the heartbeat`,
    );
  }
  const names = (name: Name, form = /^[a-z0-9_.*-]{1,80}$/): readonly string[] =>
    list(name, form, "names separated by commas; * stands for any letters");
  const rules = (allow: Name, deny: Name): NameRules => ({
    allow: text(allow) === undefined ? undefined : names(allow),
    deny: names(deny),
  });
  const wanted = list("toolsets", /^[a-z]+$/, `toolsets among ${TOOLSETS.join(", ")}, or all`);
  const toolsets: Toolset[] = TOOLSETS.filter((set) => wanted.includes(set));
  const all = wanted.includes("all");
  if (!all && toolsets.length < wanted.length)
    fault("toolsets", `toolsets among ${TOOLSETS.join(", ")}, or all`);

  const config: Config = {
    transport: stdio ? "stdio" : "http",
    controlPlane: { address, security, timeoutMs: whole("timeout", 100, 120_000, 10_000) },
    http: {
      host,
      port,
      tls,
      allowedHosts: list(
        "allowedHosts",
        /^[a-z0-9.:[\]_-]+$/,
        "host names without ports, separated by commas",
      ),
      allowedOrigins: list(
        "allowedOrigins",
        /^https?:\/\/[^/,]+$/,
        "origins such as https://ops.example.org, separated by commas",
      ),
      bodyBytesMax: whole("bodyMax", 1_024, 16_777_216, 1_048_576),
      webSocket: { heartbeatMs, timeoutMs },
      oauth: oauthOf(given, faults),
    },
    limits: {
      costPerMinute: whole("costPerMinute", 1, 100_000_000, 1_200),
      atOnce: whole("callsAtOnce", 1, 64, 16),
    },
    offer: {
      toolsets: all ? TOOLSETS : wanted.length === 0 ? DEFAULT_TOOLSETS : toolsets,
      writes: flag("writes"),
      tools: rules("allowTools", "denyTools"),
      nodes: rules("allowNodes", "denyNodes"),
      environments: rules("allowEnvironments", "denyEnvironments"),
    },
    conformance: conforming ? { port: conformancePort } : undefined,
    token: token !== undefined ? { text: token } : tokenFile !== undefined ? { file: tokenFile } : undefined,
    otlpEndpoint,
    logLevel,
  };
  return faults.length === 0 ? { kind: "config", config } : { kind: "faults", faults };
}

const CLAIMS_DEFAULT = ["groups", "roles"];
const ISSUERS_MAX = 8;
const CLAIMS_MAX = 8;

function oauthOf(given: ReturnType<typeof readSettings>, faults: string[]): Config["http"]["oauth"] {
  const items = (name: Name): string[] =>
    (given.get(name)?.value ?? "")
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
  const issuers = items("oauthIssuers");
  if (issuers.length === 0) return undefined;
  const fault = (name: Name, expected: string): void => {
    const { as = name, value = "" } = given.get(name) ?? {};
    faults.push(`${as} is ${JSON.stringify(value)}: expected ${expected}`);
  };
  if (issuers.length > ISSUERS_MAX || !issuers.every(isPrivateUrl))
    fault("oauthIssuers", `at most ${ISSUERS_MAX} addresses over https, separated by commas`);
  const resource = given.get("publicUrl")?.value ?? "";
  if (!isPrivateUrl(resource) || new URL(resource).hash !== "" || new URL(resource).search !== "")
    fault("publicUrl", "this server's MCP address over https, such as https://mcp.example.org/mcp");
  const claims = given.has("oauthClaims") ? items("oauthClaims") : CLAIMS_DEFAULT;
  if (claims.length > CLAIMS_MAX || claims.some((claim) => claim.length > 255))
    fault("oauthClaims", `at most ${CLAIMS_MAX} names of claims`);
  const text = given.get("serverToken")?.value;
  const file = given.get("serverTokenFile")?.value;
  if (text === undefined && file === undefined) {
    faults.push(
      "--oauth-issuers needs this server's own token: set MAINSTAY_MCP_SERVER_TOKEN_FILE or MAINSTAY_MCP_SERVER_TOKEN",
    );
  }
  return { issuers, resource, claims, serverToken: text !== undefined ? { text } : { file: file ?? "" } };
}

function tlsOf(
  certFile: string | undefined,
  keyFile: string | undefined,
  faults: string[],
): Config["http"]["tls"] {
  if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile };
  if (certFile !== undefined) faults.push("--tls-cert is given without --tls-key: expected both or none");
  if (keyFile !== undefined) faults.push("--tls-key is given without --tls-cert: expected both or none");
  return undefined;
}
