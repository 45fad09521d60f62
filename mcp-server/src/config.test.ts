import { describe, expect, test } from "vitest";
import { parseConfig } from "./config.js";
import { READ_ONLY } from "./tools/offer.js";

const faultsOf = (argv: string[], env: Record<string, string> = {}): readonly string[] => {
  const parsed = parseConfig(argv, env);
  return parsed.kind === "faults" ? parsed.faults : [];
};
const configOf = (argv: string[], env: Record<string, string> = {}) => {
  const parsed = parseConfig(argv, env);
  if (parsed.kind !== "config") throw new Error(JSON.stringify(parsed));
  return parsed.config;
};

test("with nothing said it serves HTTP on the loopback, for a control plane on this machine", () => {
  expect(configOf([])).toEqual({
    transport: "http",
    controlPlane: { address: "127.0.0.1:7481", security: "plaintext", timeoutMs: 10_000 },
    http: {
      host: "127.0.0.1",
      port: 7_483,
      tls: undefined,
      allowedHosts: [],
      allowedOrigins: [],
      bodyBytesMax: 1_048_576,
      webSocket: { heartbeatMs: 30_000, timeoutMs: 60_000 },
      oauth: undefined,
    },
    limits: { costPerMinute: 1_200, atOnce: 16 },
    offer: READ_ONLY,
    conformance: undefined,
    token: undefined,
    otlpEndpoint: undefined,
    logLevel: "info",
  });
});

test("a flag goes before its variable, and may be written with = or as two", () => {
  const env = { MAINSTAY_MCP_PORT: "1", MAINSTAY_LOG_LEVEL: "warn" };
  expect(configOf(["--port", "2"], env).http.port).toBe(2);
  expect(configOf(["--port=3"], env)).toMatchObject({ http: { port: 3 }, logLevel: "warn" });
});

test.each([
  ["on this machine", ["--control-plane", "localhost:1"], "plaintext"],
  ["on this machine by IPv6", ["--control-plane", "[::1]:1"], "plaintext"],
  ["elsewhere", ["--control-plane", "cp.example.org:1"], "system-ca"],
  [
    "elsewhere, told to trust the wire",
    ["--control-plane", "cp.example.org:1", "--control-plane-plaintext"],
    "plaintext",
  ],
  ["with a CA", ["--control-plane", "localhost:1", "--control-plane-ca", "ca.pem"], { caFile: "ca.pem" }],
])("to a control plane %s it speaks as it should", (_, argv, security) => {
  expect(configOf(argv).controlPlane.security).toEqual(security);
});

test("an IPv6 address may be written as in a URL", () => {
  expect(configOf(["--host", "[::1]"]).http.host).toBe("::1");
});

describe("listening where others can hear", () => {
  test.each([
    ["0.0.0.0", [], true],
    ["10.1.2.3", [], true],
    ["::", [], true],
    ["127.0.0.2", [], false],
    ["::1", [], false],
    ["0.0.0.0", ["--allow-plaintext"], false],
    ["0.0.0.0", ["--tls-cert", "c", "--tls-key", "k"], false],
    ["0.0.0.0", ["--stdio", "--token-file", "t"], false],
  ])("%s %j is refused: %s", (host, more, refused) => {
    expect(faultsOf(["--host", host, ...more]).length > 0).toBe(refused);
  });
});

test("every fault is told at once: where, what stands there, what was expected", () => {
  expect(
    faultsOf(["--prot", "1", "--port", "x", "--timeout-ms=5", "--host"], {
      MAINSTAY_CONTROL_PLANE: "nowhere",
      MAINSTAY_MCP_STDIO: "yes",
      MAINSTAY_MCP_ALLOWED_ORIGINS: "https://a.example,ops",
      MAINSTAY_MCP_TLS_KEY: "k",
      MAINSTAY_LOG_LEVEL: "loud",
    }),
  ).toEqual([
    "--prot is not an option: --help lists them",
    "--host needs a value: --host HOST",
    'MAINSTAY_MCP_STDIO is "yes": expected "true" or "false"',
    '--port is "x": expected a whole number from 0 to 65535',
    "--tls-key is given without --tls-cert: expected both or none",
    'MAINSTAY_CONTROL_PLANE is "nowhere": expected host:port, such as 127.0.0.1:7481',
    'MAINSTAY_LOG_LEVEL is "loud": expected one of debug, info, warn, error',
    '--timeout-ms is "5": expected a whole number from 100 to 120000',
    'MAINSTAY_MCP_ALLOWED_ORIGINS is "https://a.example,ops": expected origins such as https://ops.example.org, separated by commas',
  ]);
});

test("a token has no flag: everybody on the host could read it", () => {
  expect(faultsOf(["--token", "s3cret"])).toEqual(["--token is not an option: --help lists them"]);
  const parsed = parseConfig(["--help"], { MAINSTAY_TOKEN: "s3cret" });
  expect(JSON.stringify(parsed)).not.toContain("s3cret");
});

test("what is offered is told in full", () => {
  const argv = ["--allow-writes", "--toolsets", "commands,health", "--deny-tools", "journal_*"];
  const nodes = ["--deny-nodes", "DB-*", "--allow-environments", "stage,test"];
  expect(configOf([...argv, ...nodes]).offer).toEqual({
    toolsets: ["health", "commands"],
    writes: true,
    tools: { allow: undefined, deny: ["journal_*"] },
    nodes: { allow: undefined, deny: ["db-*"] },
    environments: { allow: ["stage", "test"], deny: [] },
  });
});

test.each([
  ["in production", [], { NODE_ENV: "production" }],
  ["on an address that others reach", ["--host", "0.0.0.0", "--allow-plaintext"], {}],
  ["on stdio", ["--stdio"], { MAINSTAY_TOKEN: "t" }],
])("the conformance profile is refused %s", (_, argv, env) => {
  expect(faultsOf(["--profile", "conformance", ...argv], env).join()).toContain("conformance profile");
  expect(faultsOf(argv, env)).toEqual([]);
});

test("the conformance profile has a port of its own", () => {
  expect(configOf(["--profile=conformance", "--conformance-port=7"]).conformance).toEqual({ port: 7 });
});

test.each([
  ["an unknown profile", ["--profile", "fast"], '--profile is "fast": expected normal or conformance'],
  [
    "an unknown toolset",
    ["--toolsets", "health,fleat"],
    '--toolsets is "health,fleat": expected toolsets among',
  ],
  ["a name with spaces in it", ["--deny-tools", "a b"], "--deny-tools"],
  [
    "a timeout below the heartbeat",
    ["--ws-timeout-ms", "30000"],
    "expected a timeout longer than the heartbeat",
  ],
])("%s is a fault", (_, argv, words) => {
  expect(faultsOf(argv).join()).toContain(words);
});
