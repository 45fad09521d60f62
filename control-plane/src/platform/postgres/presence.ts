/**
 * A holder's own session with PostgreSQL, which ends with its process: whoever is killed is known to be gone as soon as
 * the kernel has closed its sockets, and not only when its leases run out. A lock that is free says that the holder is
 * gone or cut off; both ways its leases may pass on, and what it still writes under them is refused.
 */
import type { Database, Queryable } from "./database.js";
import { type Sql, sql } from "./sql.js";

/** The first half of the advisory locks' key; the second is a hash of the holder. */
const PRESENCE_LOCK = 7_301_009;

/** Keeps the lock from now on, again after each reconnection. Resolves when it is held the first time; returns the way to let go. */
export async function keepPresence(database: Database, holder: string): Promise<() => Promise<void>> {
  await forgetAbsent(database);
  const stop = await database.keepSession(async (session) => {
    // A peer whose host lost its power says nothing: the server asks after 4 s, and gives up after 4 more.
    await session.query(sql`
      select set_config('tcp_keepalives_idle', '4', false), set_config('tcp_keepalives_interval', '2', false),
        set_config('tcp_keepalives_count', '2', false)`);
    await session.query(sql`select pg_advisory_lock(${PRESENCE_LOCK}, hashtext(${holder}))`);
    // Only now: a row without its lock would say that we are gone.
    await session.query(sql`
      insert into presence (holder, since) values (${holder}, clock_timestamp())
      on conflict (holder) do nothing`);
  });
  return async () => {
    await database.query(sql`delete from presence where holder = ${holder}`).catch(() => {});
    await stop();
  };
}

/** A condition that holds when `holder` (an expression of the statement) kept a lock and it is free now. */
export function isGone(holder: Sql): Sql {
  return sql`exists (select 1 from presence p where p.holder = ${holder} and not exists (
    select 1 from pg_locks k where k.locktype = 'advisory' and k.granted and k.classid::bigint = ${PRESENCE_LOCK}
      and k.objid::bigint = (hashtext(p.holder)::bigint & 4294967295)
      and k.database = (select oid from pg_database where datname = current_database())))`;
}

async function forgetAbsent(db: Queryable): Promise<void> {
  await db.query(sql`
    delete from presence p where p.since < clock_timestamp() - interval '1 day' and ${isGone(sql`p.holder`)}`);
}
