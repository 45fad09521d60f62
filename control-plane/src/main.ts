#!/usr/bin/env node
/** The control plane's process: settings in, a house opened, signals heard, an exit code. */
import "reflect-metadata";
import { openHouse } from "./house.js";
import { messageOf } from "./kernel/errors.js";
import { parseConfig } from "./platform/config.js";
import { createLogger } from "./platform/logger.js";
import { system } from "./platform/system.js";

const STOPPED = 0;
const COULD_NOT_START = 1;
const BAD_SETTINGS = 2;
/** The promise to whoever stops us; each part has its own, shorter time. */
const STOP_WITHIN_MS = 10_000;

async function main(): Promise<number> {
  const settings = parseConfig(process.argv.slice(2), process.env);
  if (settings.kind === "help") {
    process.stdout.write(settings.text);
    return STOPPED;
  }
  if (settings.kind === "faults") {
    process.stderr.write(`${settings.faults.join("\n")}\n`);
    return BAD_SETTINGS;
  }
  const { config } = settings;
  const logger = createLogger(
    system.clock,
    (line) => {
      process.stdout.write(`${line}\n`);
    },
    config.logLevel,
  );
  // Whoever reads our log may go away before us.
  process.stdout.on("error", () => {});
  process.on("uncaughtException", (error, origin) => {
    logger.error("the control plane ended by a fault of its own", { origin }, error);
    process.exit(COULD_NOT_START);
  });
  const asked = signalled();
  try {
    const opening = openHouse(config, system, logger);
    const house = await opening;
    const { restPort, grpcPort, agentPort, localTokens, caFile } = house;
    const stateDir = config.stateDirectory;
    logger.info("control plane ready", {
      restPort,
      grpcPort,
      agentPort,
      operatorTokenFile: localTokens.operator,
      mcpTokenFile: localTokens.mcp,
      scrapeTokenFile: localTokens.scrape,
      caFile,
      stateDir,
    });
    const signal = await asked;
    logger.info("control plane stopping", { signal });
    const late = setTimeout(() => {
      logger.error("the control plane did not stop in time and is ended", {});
      process.exit(COULD_NOT_START);
    }, STOP_WITHIN_MS);
    await house.stop();
    clearTimeout(late);
    logger.info("control plane stopped");
    return STOPPED;
  } catch (error) {
    logger.error("the control plane could not start", {}, error);
    process.stderr.write(`the control plane could not start: ${messageOf(error)}\n`);
    return COULD_NOT_START;
  }
}

function signalled(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve(signal));
  });
}

process.exit(await main());
