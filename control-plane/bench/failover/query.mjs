/** One statement on a connection of its own. Rejects when a member does not answer in time. */
import pg from "pg";

export async function query({ host, port, user, password, database }, text) {
  const client = new pg.Client({
    ...{ host, port, user, database },
    ...(password === undefined ? {} : { password }),
    connectionTimeoutMillis: 1_000,
    query_timeout: 5_000,
  });
  client.on("error", () => {});
  try {
    await client.connect();
    return (await client.query(text)).rows;
  } finally {
    client.end().catch(() => {});
  }
}
