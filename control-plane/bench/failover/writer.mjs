/**
 * A client of a database cluster, as a program of its own: `writer.mjs '[{"name","host","port","user",…}, …]'`.
 * One connection to each member; whoever takes writes gets numbered markers, one transaction each. Says lines of JSON:
 * `{"acked":[[number, member, sentAt, ackedAt], …]}`, times in ms of CLOCK_MONOTONIC, which all processes of a host share.
 * A marker that was not acknowledged is never sent again: its fate is unknown, and it counts for nothing.
 */
import pg from "pg";

const PACE_MS = 4;
const RECONNECT_MS = 25;
const CONNECT_MS = 400;
const QUERY_MS = 1_000;
/** A standby is asked this often whether it is one no more. */
const STANDBY_MS = 10;
const SAY_EVERY_MS = 50;

const members = JSON.parse(process.argv[2]);
const now = () => Number(process.hrtime.bigint()) / 1e6;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let next = 1;
let acked = [];

/** One connection, until it ends: then its error. */
async function write({ name, host, port, user, password, database }) {
  const client = new pg.Client({
    host,
    port,
    user,
    database,
    ...(password === undefined ? {} : { password }),
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: QUERY_MS,
    application_name: "markers",
  });
  // PostgreSQL answers a commit whose waiting for a replica was cut short with a warning, and "COMMIT".
  let warned = false;
  client.on("notice", ({ code }) => {
    if (code?.startsWith("01")) warned = true;
  });
  // What waits for an answer, and what is asked next, rejects by itself.
  client.on("error", () => {});
  try {
    await client.connect();
    for (;;) {
      const { rows } = await client.query("select pg_is_in_recovery() as standby");
      if (rows[0].standby) {
        await sleep(STANDBY_MS);
        continue;
      }
      for (;;) {
        const number = next++;
        const sentAt = now();
        warned = false;
        await client.query("insert into marker values ($1)", [number]);
        if (!warned) acked.push([number, name, sentAt, now()]);
        await sleep(PACE_MS);
      }
    }
  } finally {
    client.end().catch(() => {});
  }
}

async function writeAlways(member) {
  for (;;) {
    // Whatever it was, the next connection shows what is.
    await write(member).catch(() => {});
    await sleep(RECONNECT_MS);
  }
}

setInterval(() => {
  if (acked.length === 0) return;
  process.stdout.write(`${JSON.stringify({ acked })}\n`);
  acked = [];
}, SAY_EVERY_MS);
// Who started it has gone.
process.stdin.on("end", () => process.exit(0)).resume();
process.stdout.on("error", () => process.exit(0));
for (const member of members) void writeAlways(member);
