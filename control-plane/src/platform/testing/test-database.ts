/**
 * A fresh database for each test file, cloned from a migrated template, on one real PostgreSQL for the whole run.
 * The server is TEST_DATABASE_URL's: test-server.ts starts the embedded one and sets it, unless it is set already.
 */
import { silentLogger } from "../logger.js";
import { Database } from "../postgres/database.js";
import { migrate } from "../postgres/migrate.js";
import { systemDraws } from "../system.js";

export interface TestDatabase {
  readonly database: Database;
  /** For a second connection, or a process of its own. */
  readonly url: string;
  close(): Promise<void>;
}

/** One for each process, so that test runners side by side do not take it from each other. */
const TEMPLATE = `mainstay_template_${process.pid}`;
const MIGRATIONS = new URL("../../../migrations", import.meta.url).pathname;

let server: Promise<string> | undefined;

async function startServer(): Promise<string> {
  const url = process.env["TEST_DATABASE_URL"];
  if (url === undefined)
    throw new Error("no test server: run this through vitest's project pg, or set TEST_DATABASE_URL");
  const admin = new Database({ url, logger: silentLogger, connectionsMax: 1 });
  await admin.query({ text: `drop database if exists ${TEMPLATE} with (force)`, values: [] });
  await admin.query({ text: `create database ${TEMPLATE}`, values: [] });
  await admin.close();
  const template = new Database({
    url: withDatabase(url, TEMPLATE),
    logger: silentLogger,
    connectionsMax: 1,
  });
  await migrate(template, MIGRATIONS);
  await template.close();
  return url;
}

function withDatabase(url: string, name: string): string {
  const parsed = new URL(url);
  parsed.pathname = `/${name}`;
  return parsed.toString();
}

/** A database of one's own; `close` drops it. */
export async function createTestDatabase(): Promise<TestDatabase> {
  server ??= startServer();
  const serverUrl = await server;
  const name = `test_${systemDraws.hex(12)}`;
  const admin = new Database({ url: serverUrl, logger: silentLogger, connectionsMax: 1 });
  await admin.query({ text: `create database ${name} template ${TEMPLATE}`, values: [] });
  await admin.close();
  const url = withDatabase(serverUrl, name);
  const database = new Database({ url, logger: silentLogger });
  return {
    database,
    url,
    close: async () => {
      await database.close();
      const cleaner = new Database({ url: serverUrl, logger: silentLogger, connectionsMax: 1 });
      await cleaner.query({ text: `drop database if exists ${name} with (force)`, values: [] });
      await cleaner.close();
    },
  };
}
