// A client of a database cluster, for as long as it is let: one session to each member, one row a transaction, and for each
// row that was acknowledged a line of JSON: [member, number, sent, acknowledged, position, timeline]. The times are ms of
// CLOCK_MONOTONIC, which all processes of a host share. Whoever refuses is asked again, and a row is never sent twice.
// Arguments: its own name, ms between rows, and NAME=HOST:PORT of each member. Ends when its standard input does.
import { Socket } from "node:net";
import pg from "pg";

const [, , writer = "", pauseText = "20", ...members] = process.argv;
const pauseMs = Number(pauseText);
/** A session that says nothing for so long is given up: a cable may have been cut. */
const SILENT_MS = 1_000;
const CONNECT_MS = 400;
const AGAIN_MS = 25;

/** The name of a file of the log begins with its timeline. */
const INSERT = `insert into marker (writer, member, n) values ($1, $2, $3)
  returning (pg_current_wal_insert_lsn() - '0/0')::float8 as at,
    ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int as timeline`;

const now = () => Number(process.hrtime.bigint() / 1_000n) / 1_000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let number = 0;

async function writeTo(name, host, port) {
  for (;;) {
    const stream = new Socket();
    const client = new pg.Client({
      host,
      port,
      user: "postgres",
      database: "postgres",
      stream,
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: SILENT_MS,
    });
    // What was let go before a replica had it comes with a warning, and is not taken for acknowledged.
    let warned = false;
    client.on("notice", () => {
      warned = true;
    });
    client.on("error", () => undefined);
    try {
      await client.connect();
      for (;;) {
        number += 1;
        const n = number;
        warned = false;
        const sent = now();
        const { rows } = await client.query({
          name: "mark",
          text: INSERT,
          values: [writer, name, n],
        });
        if (!warned)
          process.stdout.write(`${JSON.stringify([name, n, sent, now(), rows[0].at, rows[0].timeline])}\n`);
        await pause(pauseMs);
      }
    } catch {
      // It is no primary, or is not there.
    }
    client.end().catch(() => undefined);
    stream.destroy();
    await pause(AGAIN_MS);
  }
}

process.stdin.resume().on("end", () => process.exit(0));
for (const member of members) {
  const [, name = "", host = "", port = ""] = /^([^=]+)=(.+):(\d+)$/.exec(member) ?? [];
  void writeTo(name, host, Number(port));
}
