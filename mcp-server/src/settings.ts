/**
 * The settings' names, as flags and in the environment, and how they are read: flags first, then the environment. What
 * they mean is in config.ts.
 */
import { LOG_LEVELS } from "./logger.js";

type Setting = {
  readonly env: string;
  /** Absent: a secret, which a flag would show to everybody on the host. */
  readonly flag?: string;
  readonly value?: string;
  readonly says: string;
};

export const SETTINGS = {
  stdio: { flag: "stdio", env: "MAINSTAY_MCP_STDIO", says: "speak MCP on stdin and stdout instead of HTTP" },
  host: { flag: "host", env: "MAINSTAY_MCP_HOST", value: "HOST", says: "address to listen on (127.0.0.1)" },
  port: {
    flag: "port",
    env: "MAINSTAY_MCP_PORT",
    value: "N",
    says: "port to listen on; 0: any free one (7483)",
  },
  controlPlane: {
    flag: "control-plane",
    env: "MAINSTAY_CONTROL_PLANE",
    value: "HOST:PORT",
    says: "operator gRPC of the control plane (127.0.0.1:7481)",
  },
  controlPlaneCa: {
    flag: "control-plane-ca",
    env: "MAINSTAY_CONTROL_PLANE_CA",
    value: "FILE",
    says: "speak TLS to the control plane and trust this CA (PEM)",
  },
  controlPlanePlaintext: {
    flag: "control-plane-plaintext",
    env: "MAINSTAY_CONTROL_PLANE_PLAINTEXT",
    says: "speak plaintext to a control plane that is not on this machine: tokens cross the wire unprotected",
  },
  timeout: {
    flag: "timeout-ms",
    env: "MAINSTAY_MCP_TIMEOUT_MS",
    value: "MS",
    says: "how long one call to the control plane may take, 100 to 120000 (10000)",
  },
  tlsCert: {
    flag: "tls-cert",
    env: "MAINSTAY_MCP_TLS_CERT",
    value: "FILE",
    says: "serve TLS with this certificate (PEM)",
  },
  tlsKey: {
    flag: "tls-key",
    env: "MAINSTAY_MCP_TLS_KEY",
    value: "FILE",
    says: "the certificate's key (PEM)",
  },
  plaintext: {
    flag: "allow-plaintext",
    env: "MAINSTAY_MCP_ALLOW_PLAINTEXT",
    says: "listen without TLS on an address that is not a loopback: tokens cross the wire unprotected",
  },
  allowedHosts: {
    flag: "allowed-hosts",
    env: "MAINSTAY_MCP_ALLOWED_HOSTS",
    value: "A,B",
    says: "host names requests may be addressed to, besides localhost and the address listened on",
  },
  allowedOrigins: {
    flag: "allowed-origins",
    env: "MAINSTAY_MCP_ALLOWED_ORIGINS",
    value: "A,B",
    says: "origins browsers may call from, besides those on localhost",
  },
  bodyMax: {
    flag: "body-max",
    env: "MAINSTAY_MCP_BODY_MAX",
    value: "BYTES",
    says: "largest request body, 1024 to 16777216 (1048576)",
  },
  oauthIssuers: {
    flag: "oauth-issuers",
    env: "MAINSTAY_MCP_OAUTH_ISSUERS",
    value: "URL,URL",
    says: "take access tokens of these identity providers; needs --public-url and a server token",
  },
  publicUrl: {
    flag: "public-url",
    env: "MAINSTAY_MCP_PUBLIC_URL",
    value: "URL",
    says: "this server's MCP address as clients write it, such as https://mcp.example.org/mcp: the audience of access tokens",
  },
  oauthClaims: {
    flag: "oauth-claims",
    env: "MAINSTAY_MCP_OAUTH_CLAIMS",
    value: "A,B",
    says: "claims by which the control plane's rules may give roles (groups,roles)",
  },
  serverToken: {
    env: "MAINSTAY_MCP_SERVER_TOKEN",
    says: "this server's own token: kind mcp, role delegate and the most that its callers may do",
  },
  serverTokenFile: {
    flag: "server-token-file",
    env: "MAINSTAY_MCP_SERVER_TOKEN_FILE",
    value: "FILE",
    says: "file with this server's own token",
  },
  costPerMinute: {
    flag: "cost-per-minute",
    env: "MAINSTAY_MCP_COST_PER_MINUTE",
    value: "N",
    says: "what one principal may spend a minute, 1 to 100000000; a read costs 1, a large one 5, a write 10 (1200)",
  },
  callsAtOnce: {
    flag: "calls-at-once",
    env: "MAINSTAY_MCP_CALLS_AT_ONCE",
    value: "N",
    says: "calls of one principal under way at once, 1 to 64 (16)",
  },
  token: { env: "MAINSTAY_TOKEN", says: "the caller's token, for --stdio" },
  tokenFile: {
    flag: "token-file",
    env: "MAINSTAY_TOKEN_FILE",
    value: "FILE",
    says: "file with the caller's token, for --stdio",
  },
  profile: {
    flag: "profile",
    env: "MAINSTAY_MCP_PROFILE",
    value: "NAME",
    says: "normal, or conformance: also serve the official suite's fixtures, without a token, on the loopback (normal)",
  },
  conformancePort: {
    flag: "conformance-port",
    env: "MAINSTAY_MCP_CONFORMANCE_PORT",
    value: "N",
    says: "port of the fixtures; 0: any free one (0)",
  },
  webSocketHeartbeat: {
    flag: "ws-heartbeat-ms",
    env: "MAINSTAY_MCP_WS_HEARTBEAT_MS",
    value: "MS",
    says: "how often WebSocket clients are asked whether they are there, 100 to 600000 (30000)",
  },
  webSocketTimeout: {
    flag: "ws-timeout-ms",
    env: "MAINSTAY_MCP_WS_TIMEOUT_MS",
    value: "MS",
    says: "after how much silence a WebSocket client is given up, more than the heartbeat, up to 3600000 (60000)",
  },
  writes: {
    flag: "allow-writes",
    env: "MAINSTAY_MCP_ALLOW_WRITES",
    says: "also offer tools that ask for changes; without it this server only reads",
  },
  toolsets: {
    flag: "toolsets",
    env: "MAINSTAY_MCP_TOOLSETS",
    value: "A,B",
    says: "offer only these toolsets; all: every one (those that cost a model less than 5,000 tokens; not runbooks, rollouts, safety)",
  },
  allowTools: {
    flag: "allow-tools",
    env: "MAINSTAY_MCP_ALLOW_TOOLS",
    value: "A,B",
    says: "offer only these tools; * stands for any letters",
  },
  denyTools: {
    flag: "deny-tools",
    env: "MAINSTAY_MCP_DENY_TOOLS",
    value: "A,B",
    says: "never offer these tools, whatever else allows them",
  },
  allowNodes: {
    flag: "allow-nodes",
    env: "MAINSTAY_MCP_ALLOW_NODES",
    value: "A,B",
    says: "ask for changes only on these nodes, by name; * stands for any letters",
  },
  denyNodes: {
    flag: "deny-nodes",
    env: "MAINSTAY_MCP_DENY_NODES",
    value: "A,B",
    says: "never ask for changes on these nodes",
  },
  allowEnvironments: {
    flag: "allow-environments",
    env: "MAINSTAY_MCP_ALLOW_ENVIRONMENTS",
    value: "A,B",
    says: "ask for changes only on nodes whose label env is one of these",
  },
  denyEnvironments: {
    flag: "deny-environments",
    env: "MAINSTAY_MCP_DENY_ENVIRONMENTS",
    value: "A,B",
    says: "never ask for changes on nodes whose label env is one of these",
  },
  otlpEndpoint: {
    env: "OTEL_EXPORTER_OTLP_ENDPOINT",
    says: "OpenTelemetry collector to which spans and metrics are sent over OTLP/HTTP, such as http://127.0.0.1:4318",
  },
  logLevel: {
    flag: "log-level",
    env: "MAINSTAY_LOG_LEVEL",
    value: "LEVEL",
    says: `${LOG_LEVELS.join(", ")} (info)`,
  },
} as const satisfies Record<string, Setting>;

export type Name = keyof typeof SETTINGS;

const ENTRIES: readonly (readonly [Name, Setting])[] = Object.entries(SETTINGS) as [Name, Setting][];

export interface Given {
  readonly value: string;
  /** The flag or variable it came from. */
  readonly as: string;
}

/** What was given; faults are added to the list. */
export function readSettings(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  faults: string[],
): ReadonlyMap<Name, Given> {
  const given = new Map<Name, Given>();
  for (const [name, setting] of ENTRIES) {
    const value = env[setting.env];
    if (value !== undefined && value !== "") given.set(name, { value, as: setting.env });
  }
  readFlags(argv, given, faults);
  return given;
}

function readFlags(argv: readonly string[], given: Map<Name, Given>, faults: string[]): void {
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? "";
    const [flag = "", inline] = argument.split(/=(.*)/s);
    const entry = ENTRIES.find(([, setting]) => setting.flag !== undefined && `--${setting.flag}` === flag);
    if (entry === undefined) {
      faults.push(`${argument} is not an option: --help lists them`);
      // What follows was meant as its value.
      if (flag.startsWith("--") && inline === undefined && argv[i + 1]?.startsWith("-") === false) i++;
      continue;
    }
    const [name, setting] = entry;
    if (setting.value === undefined) {
      given.set(name, { value: inline ?? "true", as: flag });
      continue;
    }
    const value = inline ?? argv[++i];
    if (value === undefined || value === "") faults.push(`${flag} needs a value: ${flag} ${setting.value}`);
    else given.set(name, { value, as: flag });
  }
}

export function helpText(): string {
  const rows = ENTRIES.map(([, setting]) => {
    const flag =
      setting.flag === undefined
        ? ""
        : `--${setting.flag}${setting.value === undefined ? "" : ` ${setting.value}`}`;
    return `  ${flag.padEnd(28)}${setting.env.padEnd(34)}${setting.says}`;
  });
  return [
    "Mainstay MCP server: the operations control plane as tools for AI clients.",
    "",
    "usage: mainstay-mcp-server [options]",
    "",
    `  ${"option".padEnd(28)}${"environment".padEnd(34)}what it says (default)`,
    ...rows,
    "",
    "Over HTTP every request to /mcp brings its caller's token: Authorization: Bearer TOKEN.",
    "",
  ].join("\n");
}
