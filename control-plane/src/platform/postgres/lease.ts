/**
 * A named lease: at most one replica holds it, and each taking has a higher generation than the one before.
 */
import type { Duration, Instant } from "../../kernel/time.js";
import type { Queryable } from "./database.js";
import { isGone } from "./presence.js";
import { sql } from "./sql.js";

export interface Lease {
  readonly name: string;
  readonly holder: string;
  /** Rises each time the lease changes hands. A holder that was too slow to renew it, and is still the last, keeps it. */
  readonly generation: number;
  readonly until: Instant;
}

/**
 * Takes or renews the lease for `length`; undefined while another holds it. A holder that kept a presence and has lost
 * it is gone: its lease is free at once. A lease that ran out and that nobody took meanwhile goes on as it was.
 * Time is the database's own, so that replicas with different clocks agree. Work done under the lease must end
 * before `until`, counted from before this call was sent.
 */
export async function holdLease(
  db: Queryable,
  name: string,
  holder: string,
  length: Duration,
): Promise<Lease | undefined> {
  const rows = await db.query<{ generation: string; until: Date }>(sql`
    insert into lease as l (name, holder, generation, until)
    values (${name}, ${holder}, 1, clock_timestamp() + ${length} * interval '1 millisecond')
    on conflict (name) do update set
      holder = excluded.holder,
      generation = l.generation + (case when l.holder = excluded.holder then 0 else 1 end),
      until = excluded.until
    where l.holder = excluded.holder or l.until <= clock_timestamp() or ${isGone(sql`l.holder`)}
    returning generation, until`);
  const row = rows[0];
  return row && { name, holder, generation: Number(row.generation), until: row.until.getTime() };
}

/**
 * Whether `holder` has the lease now, and keeps it from changing hands until the transaction ends: a replica that was
 * paused past its lease must not write over its successor.
 */
export async function stillHolds(tx: Queryable, name: string, holder: string): Promise<boolean> {
  const rows = await tx.query(sql`
    select 1 as held from lease where name = ${name} and holder = ${holder} and until > clock_timestamp() for share`);
  return rows.length > 0;
}

/** Lets the lease go, if `holder` has it. */
export async function releaseLease(db: Queryable, name: string, holder: string): Promise<void> {
  await db.query(sql`update lease set until = clock_timestamp() where name = ${name} and holder = ${holder}`);
}
