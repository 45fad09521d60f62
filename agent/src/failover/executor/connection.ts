/** Connections of the executor to its own database. Short, bounded, and never kept beyond the process they belong to. */
import type { Client, ClientConfig } from "pg";
import type { ServerFiles } from "./server-files.js";

const CONNECT_MS = 3_000;

export type Asks = (
  text: string,
  values?: readonly unknown[],
) => Promise<readonly Readonly<Record<string, unknown>>[]>;

export function clientConfig(files: ServerFiles, name: string): ClientConfig {
  const { host, port, user } = files.settings;
  const password = files.password();
  return {
    host,
    port,
    user,
    database: "postgres",
    application_name: name,
    connectionTimeoutMillis: CONNECT_MS,
    ...(password === undefined ? {} : { password }),
  };
}

/** Connects; the caller ends it. Throws what the driver throws. */
export async function connect(files: ServerFiles, queryMs: number): Promise<Client> {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ ...clientConfig(files, "mainstay-failover"), query_timeout: queryMs });
  // Without a listener its loss would end the process; what runs on it rejects anyway.
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (error) {
    client.end().catch(() => undefined);
    throw error;
  }
  return client;
}

/** For one exchange. */
export async function ask<T>(
  files: ServerFiles,
  queryMs: number,
  act: (asks: Asks) => Promise<T>,
): Promise<T> {
  const client = await connect(files, queryMs);
  try {
    return await act(asksOf(client));
  } finally {
    await client.end().catch(() => undefined);
  }
}

export const asksOf =
  (client: Client): Asks =>
  async (text, values = []) =>
    (await client.query<Readonly<Record<string, unknown>>>(text, [...values])).rows;

export const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
