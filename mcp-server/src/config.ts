/**
 * What the program is told: flags first, then the environment, then defaults. Read once, into one typed value; every
 * fault is reported together, by the name of the setting, with what was given and what was expected.
 */
import { isLoopback, splitAddress } from "./edge/judge-host.js";
import { LOG_LEVELS, type LogLevel } from "./logger.js";

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
  };
  /** The caller's token, for stdio; over HTTP each request brings its own. */
  readonly token: { readonly text: string } | { readonly file: string } | undefined;
  readonly logLevel: LogLevel;
}

export type ParsedConfig =
  | { readonly kind: "config"; readonly config: Config }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "faults"; readonly faults: readonly string[] };

type Setting = {
  readonly env: string;
  /** Absent: a secret, which a flag would show to everybody on the host. */
  readonly flag?: string;
  readonly value?: string;
  readonly says: string;
};

const SETTINGS = {
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
  token: { env: "MAINSTAY_TOKEN", says: "the caller's token, for --stdio" },
  tokenFile: {
    flag: "token-file",
    env: "MAINSTAY_TOKEN_FILE",
    value: "FILE",
    says: "file with the caller's token, for --stdio",
  },
  logLevel: {
    flag: "log-level",
    env: "MAINSTAY_LOG_LEVEL",
    value: "LEVEL",
    says: `${LOG_LEVELS.join(", ")} (info)`,
  },
} as const satisfies Record<string, Setting>;

type Name = keyof typeof SETTINGS;

const ENTRIES: readonly (readonly [Name, Setting])[] = Object.entries(SETTINGS) as [Name, Setting][];

/** Never throws. `argv` is without the program's own path. */
export function parseConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ParsedConfig {
  if (argv.includes("--help") || argv.includes("-h")) return { kind: "help", text: helpText() };
  const faults: string[] = [];
  const given = new Map<Name, { readonly value: string; readonly as: string }>();
  for (const [name, setting] of ENTRIES) {
    const value = env[setting.env];
    if (value !== undefined && value !== "") given.set(name, { value, as: setting.env });
  }
  readFlags(argv, given, faults);

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
    },
    token: token !== undefined ? { text: token } : tokenFile !== undefined ? { file: tokenFile } : undefined,
    logLevel,
  };
  return faults.length === 0 ? { kind: "config", config } : { kind: "faults", faults };
}

function readFlags(
  argv: readonly string[],
  given: Map<Name, { readonly value: string; readonly as: string }>,
  faults: string[],
): void {
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

function helpText(): string {
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
