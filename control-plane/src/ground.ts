/** The ground floor, laid in order: the state directory, PostgreSQL and its schema, what is live, Vault. */
import { mkdir } from "node:fs/promises";
import { messageOf, OpsError } from "./kernel/errors.js";
import { SECOND } from "./kernel/time.js";
import type { Lifecycle } from "./lifecycle.js";
import { type Breakers, createBreakers, guardOf } from "./platform/breakers.js";
import type { Config } from "./platform/config.js";
import { isRoot } from "./platform/host.js";
import type { Logger } from "./platform/logger.js";
import { Metrics } from "./platform/metrics.js";
import { Database } from "./platform/postgres/database.js";
import { startEmbedded } from "./platform/postgres/embedded.js";
import { migrate } from "./platform/postgres/migrate.js";
import { inProcessLive, type Live, redisLive } from "./platform/redis/live.js";
import { lockState } from "./platform/state-lock.js";
import type { System } from "./platform/system.js";
import { connectVault, type Secrets } from "./platform/vault/secrets.js";

const MIGRATIONS = new URL("../migrations", import.meta.url).pathname;
const QUERY_SECONDS_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30];

export interface Ground {
  readonly config: Config;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly breakers: Breakers;
  readonly lifecycle: Lifecycle;
  readonly database: Database;
  readonly live: Live;
  /** Undefined: no Vault is configured. */
  readonly secrets: Secrets | undefined;
}

export async function layGround(
  config: Config,
  system: System,
  logger: Logger,
  lifecycle: Lifecycle,
): Promise<Ground> {
  const { stateDirectory } = config;
  try {
    await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const message = `the state directory ${stateDirectory} cannot be made: ${messageOf(cause)}`;
    throw new OpsError("FAILED_PRECONDITION", message, {}, { cause });
  }
  lifecycle.started("state lock", await lockState(stateDirectory));
  const metrics = new Metrics();
  const openFor = config.breakerOpenSeconds * SECOND;
  const breakers = createBreakers({ clock: system.clock, logger, metrics, openFor });
  const database = await openDatabase(config, system, logger, lifecycle, metrics);
  const live = config.redisUrl === undefined ? inProcessLive() : redisLive(config.redisUrl, logger);
  lifecycle.started("live", () => live.close());
  metrics.reading("mcp_redis_connections_active", "Open connections to Redis; 0 without one.", [], () => [
    { value: live.figures().connections },
  ]);
  const secrets =
    config.vault &&
    (await connectVault({ ...config.vault, clock: system.clock, logger, guard: guardOf(breakers) }));
  if (secrets !== undefined) lifecycle.started("Vault", () => secrets.close());
  return { config, system, logger, metrics, breakers, lifecycle, database, live, secrets };
}

async function openDatabase(
  config: Config,
  system: System,
  logger: Logger,
  lifecycle: Lifecycle,
  metrics: Metrics,
): Promise<Database> {
  let url: string;
  if (config.database.kind === "url") {
    url = config.database.url;
  } else {
    const embedded = await startEmbedded({
      directory: config.stateDirectory,
      clock: system.clock,
      logger,
      isRoot: isRoot(),
    });
    url = embedded.url;
    lifecycle.started("embedded PostgreSQL", () => embedded.stop(), 9 * SECOND);
  }
  const seconds = metrics.histogram(
    "mcp_database_query_duration_seconds",
    "Time from handing a statement to the pool to its rows.",
    [],
    QUERY_SECONDS_BUCKETS,
  );
  const database = new Database({ url, logger, onStatement: (taken) => seconds.observe(taken) });
  lifecycle.started("database pool", () => database.close());
  metrics.reading("mcp_database_connections_active", "Database connections in use now.", [], () => [
    { value: database.figures().active },
  ]);
  metrics.reading("mcp_database_connections_max", "Database connections the pool may open.", [], () => [
    { value: database.figures().max },
  ]);
  const applied = await migrate(database, MIGRATIONS).catch((cause: unknown): never => {
    if (!(cause instanceof OpsError) || cause.code !== "UNAVAILABLE") throw cause;
    // The URL may hold a password: only the place is named.
    const { hostname, port, pathname } = new URL(url);
    const place = config.database.kind === "url" ? ` at ${hostname}:${port || 5432}${pathname}` : "";
    throw new OpsError("UNAVAILABLE", `${cause.message}; is there a PostgreSQL${place}?`, {}, { cause });
  });
  if (applied.length > 0) logger.info("the schema was brought up to date", { applied: applied.join(" ") });
  return database;
}
