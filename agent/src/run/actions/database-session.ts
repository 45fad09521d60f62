/** A connection to a declared database for as long as one action needs it. */
import { readFile } from "node:fs/promises";
import type { Client } from "pg";
import type { DeclaredDatabase } from "../permits/databases.js";

/** How an action wants to be connected. */
export interface SessionWishes {
  /** The longest that one statement may take on the server, in ms. Default 10 s. */
  readonly statementMs?: number;
  /** For what is no PostgreSQL and knows none of its settings (PgBouncer's console). */
  readonly plain?: boolean;
}

/** The name under which the agent's own sessions are known; no action ever ends one of them. */
export const ownApplicationName = "mainstay-agent";

/** Connects, acts, and leaves. Throws what the driver throws. */
export async function withDatabase<T>(
  declared: DeclaredDatabase | undefined,
  act: (client: Client) => Promise<T>,
  { statementMs = 10_000, plain = false }: SessionWishes = {},
): Promise<T> {
  if (declared === undefined) throw new Error("it is not declared on this host");
  // Loaded when first needed: it costs 10 MB of memory, and most hosts never do.
  const { default: pg } = await import("pg");
  const client = new pg.Client({
    connectionString: await urlOf(declared),
    application_name: ownApplicationName,
    connectionTimeoutMillis: 5_000,
    query_timeout: statementMs + 5_000,
    ...(plain ? {} : { statement_timeout: statementMs }),
  });
  // Without a listener the loss of the connection would end the process; the query that runs rejects anyway.
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await act(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function urlOf({ url, urlFile }: DeclaredDatabase): Promise<string> {
  if (url !== undefined) return url;
  return (await readFile(urlFile ?? "", "utf8")).trim();
}

/** A time as text with microseconds in UTC: precise enough to be a session's or a query's identity. */
export function exactTime(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}
