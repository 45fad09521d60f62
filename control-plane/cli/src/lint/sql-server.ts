/** A PostgreSQL that is asked whether it would understand a statement. It parses and analyses, and runs nothing. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { messageOf } from "#src/kernel/errors";
import { isRoot } from "#src/platform/host";
import { silentLogger } from "#src/platform/logger";
import { startEmbedded } from "#src/platform/postgres/embedded";
import { systemClock } from "#src/platform/system";

export interface SqlFault {
  readonly message: string;
  /** SQLSTATE, such as 42703: no such column. */
  readonly state: string;
  /** Counted from 1 within the statement; undefined when the server names no place. */
  readonly position: number | undefined;
}

export interface SqlServer {
  /** The objects in it are those of the people who asked; a table that is missing is missing. */
  readonly own: boolean;
  understand(statement: string): Promise<SqlFault | undefined>;
  /** Whether there is such a setting, and whether it needs a restart. */
  setting(name: string): Promise<{ readonly restart: boolean } | undefined>;
  close(): Promise<void>;
}

/** What the server sends when a statement is only parsed. */
class ParseOnly implements pg.Submittable {
  readonly done: Promise<SqlFault | undefined>;
  #settle: (fault: SqlFault | undefined) => void = () => {};

  constructor(private readonly text: string) {
    this.done = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  submit(connection: pg.Connection): void {
    connection.parse({ name: "", text: this.text, types: [] }, true);
    connection.sync();
  }

  handleError(error: { message: string; code?: string; position?: string }): void {
    const { message, code = "", position } = error;
    this.#settle({ message, state: code, position: position === undefined ? undefined : Number(position) });
  }

  handleReadyForQuery(): void {
    this.#settle(undefined);
  }
}

/** Extensions whose views runbooks ask, where the server has them. */
const EXTENSIONS = ["pg_stat_statements", "pgstattuple", "pg_buffercache"];

async function connectTo(url: string, own: boolean, end: () => Promise<void>): Promise<SqlServer> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: "mainstay-lint",
  });
  client.on("error", () => {});
  await client.connect();
  // Nothing is ever kept: not even the extensions that are made visible for the while.
  await client.query("begin");
  await client.query("set local statement_timeout = '10s'");
  if (!own) for (const name of EXTENSIONS) await tryQuietly(client, `create extension if not exists ${name}`);
  return {
    own,
    understand: async (statement) => {
      await client.query("savepoint before");
      const parsed = new ParseOnly(statement);
      client.query(parsed);
      const fault = await parsed.done;
      await client.query("rollback to savepoint before");
      return fault;
    },
    setting: async (name) => {
      const { rows } = await client.query<{ context: string }>(
        "select context from pg_settings where name = $1",
        [name],
      );
      return rows[0] && { restart: rows[0].context === "postmaster" };
    },
    close: async () => {
      await client.query("rollback").catch(() => {});
      await client.end();
      await end();
    },
  };
}

async function tryQuietly(client: pg.Client, statement: string): Promise<void> {
  await client.query("savepoint trying");
  await client.query(statement).catch(() => client.query("rollback to savepoint trying"));
}

/** The server at `url`, or an empty one of our own, started for the while. A sentence says why there is none. */
export async function openSqlServer(url: string | undefined): Promise<SqlServer | string> {
  let end = async (): Promise<void> => {};
  try {
    if (url !== undefined) return await connectTo(url, true, end);
    const directory = await mkdtemp(join(tmpdir(), "mainstay-lint-"));
    const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
    end = remove;
    const embedded = await startEmbedded({
      directory,
      clock: systemClock,
      logger: silentLogger,
      isRoot: isRoot(),
    });
    end = async () => {
      await embedded.stop();
      await remove();
    };
    return await connectTo(embedded.url, false, end);
  } catch (error) {
    await end().catch(() => {});
    return messageOf(error);
  }
}
