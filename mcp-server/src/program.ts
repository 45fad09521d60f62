/** The program: what it is told, one of two transports, and an orderly end. */
import { readFileSync } from "node:fs";
import { type Config, parseConfig } from "./config.js";
import { connectControlPlane } from "./control-plane/client.js";
import { messageOf } from "./errors.js";
import { createLogger, gatherLines, type Logger } from "./logger.js";
import { type RunningServer, startHttp } from "./serve-http.js";
import { startStdio } from "./serve-stdio.js";
import { system, systemClock } from "./system.js";
import { catalogue } from "./tools/catalogue.js";
import { strayPatterns } from "./tools/offer.js";

/** A fault that one sentence says all about; the program ends with it. */
class StartFault extends Error {}

function read(file: string, what: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new StartFault(`cannot read ${what} from ${file}: ${messageOf(error)}`);
  }
}

function versionOf(): string {
  const own: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return typeof own === "object" && own !== null && "version" in own ? String(own.version) : "0.0.0";
}

function tokenOf(
  token: { readonly text: string } | { readonly file: string } | undefined,
  setting: string,
): string {
  if (token === undefined) throw new StartFault(`there is no token: set ${setting}_FILE or ${setting}`);
  const text = ("text" in token ? token.text : read(token.file, "the token").toString("utf8")).trim();
  if (text === "") throw new StartFault(`the token is empty: ${setting}_FILE or ${setting} must hold one`);
  return text;
}

function listenFault(error: unknown, { host, port }: Config["http"]): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE") {
    return new StartFault(
      `port ${port} on ${host} is taken: stop what listens there, or choose another with --port`,
    );
  }
  if (code === "EACCES")
    return new StartFault(`may not listen on port ${port} of ${host}: choose one above 1023 with --port`);
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    return new StartFault(`${host} is not an address of this machine: choose another with --host`);
  }
  return error;
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    for (const name of ["SIGTERM", "SIGINT"] as const) {
      process.on(name, () => {
        if (asked) process.exit(1);
        asked = true;
        resolve(name);
      });
    }
  });
}

async function run(config: Config, logger: Logger): Promise<void> {
  const { address, security, timeoutMs } = config.controlPlane;
  const secured =
    typeof security === "object" ? { ca: read(security.caFile, "the control plane's CA") } : security;
  const stopping = stopSignal();
  const version = versionOf();
  const { offer } = config;
  const stray = strayPatterns(
    offer,
    catalogue.map((tool) => tool.name),
  );
  if (stray.length > 0) {
    throw new StartFault(
      `no tool is called ${stray.join(", ")}: --allow-tools and --deny-tools take names among ${catalogue.map((tool) => tool.name).join(", ")}`,
    );
  }
  const conformance =
    config.conformance === undefined
      ? undefined
      : // Loaded only where it is wanted: nothing of it stands in a server that serves people.
        await (await import("./conformance/conformance-server.js")).startConformance({
          port: config.conformance.port,
          logger,
          system,
          version,
        });
  if (conformance !== undefined) {
    logger.warn("the conformance suite's fixtures are served without a token", {
      url: `http://127.0.0.1:${conformance.port}/mcp`,
    });
  }
  const { otlpEndpoint: endpoint } = config;
  const telemetry =
    endpoint === undefined
      ? {}
      : { telemetry: (await import("./otlp.js")).openOtlp({ endpoint, version, system }) };
  if (config.transport === "stdio") {
    const token = tokenOf(config.token, "MAINSTAY_TOKEN");
    const controlPlane = connectControlPlane({ address, security: secured, timeoutMs });
    const { stdin: input, stdout: output } = process;
    const messageBytesMax = config.http.bodyBytesMax;
    const server = startStdio({
      controlPlane,
      offer,
      limits: config.limits,
      ...telemetry,
      token,
      logger,
      system,
      version,
      messageBytesMax,
      input,
      output,
    });
    logger.info("mcp server ready", { transport: "stdio", version, controlPlane: address });
    const why = await Promise.race([stopping, server.ended.then(() => "the client closed its end")]);
    await server.stop();
    controlPlane.close();
    logger.info("mcp server stopped", { because: why });
    return;
  }
  const { tls: files, oauth, ...http } = config.http;
  const tls =
    files === undefined
      ? undefined
      : { cert: read(files.certFile, "the TLS certificate"), key: read(files.keyFile, "the TLS key") };
  const controlPlane = connectControlPlane({ address, security: secured, timeoutMs });
  let server: RunningServer;
  try {
    server = await startHttp({
      config: http,
      limits: config.limits,
      ...telemetry,
      ...(oauth === undefined
        ? {}
        : { oauth: { ...oauth, serverToken: tokenOf(oauth.serverToken, "MAINSTAY_MCP_SERVER_TOKEN") } }),
      offer,
      tls,
      controlPlane,
      logger,
      system,
      version,
      processMetrics: true,
    });
  } catch (error) {
    controlPlane.close();
    throw listenFault(error, config.http);
  }
  const { host } = config.http;
  logger.info("mcp server ready", {
    transport: "http",
    host,
    port: server.port,
    url: `${tls === undefined ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${server.port}/mcp`,
    version,
    controlPlane: address,
  });
  const why = await stopping;
  logger.info("mcp server stopping", { because: why });
  await conformance?.stop();
  await server.stop();
  controlPlane.close();
  logger.info("mcp server stopped", { because: why });
}

/** Does what it was told, to the end; the exit code is set then. Never rejects. */
export async function runProgram(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const parsed = parseConfig(argv, env);
  if (parsed.kind === "help") {
    process.stdout.write(parsed.text);
    return;
  }
  if (parsed.kind === "faults") {
    for (const fault of parsed.faults) process.stderr.write(`mainstay-mcp-server: ${fault}\n`);
    process.exitCode = 2;
    return;
  }
  const { config } = parsed;
  // On stdio the protocol has stdout to itself.
  const lines = gatherLines(config.transport === "stdio" ? process.stderr : process.stdout, systemClock);
  process.once("exit", lines.flush);
  const logger = createLogger(systemClock, lines.write, config.logLevel);
  process.on("unhandledRejection", (error) => logger.error("a promise failed unheard", {}, error));
  try {
    await run(config, logger);
    process.exitCode = 0;
  } catch (error) {
    if (error instanceof StartFault) process.stderr.write(`mainstay-mcp-server: ${error.message}\n`);
    else logger.error("mcp server failed", {}, error);
    process.exitCode = 1;
  }
  lines.flush();
  // Open sockets of a peer that does not hang up must not hold the process.
  setTimeout(() => process.exit(), 500).unref();
}
