/** The key that seals MCP servers' states, and the states that were used, in PostgreSQL. */
import type { Instant } from "../kernel/time.js";
import type { Queryable } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";

/** The key there is, or `made` from now on: whichever replica is first decides. */
export async function stateKey(db: Queryable, made: Uint8Array, now: Instant): Promise<Uint8Array> {
  await db.query(sql`
    insert into request_state_key (id, key, made_at) values (1, ${Buffer.from(made)}, ${new Date(now)})
    on conflict (id) do nothing`);
  const [row] = await db.query<{ key: Buffer }>(sql`select key from request_state_key where id = 1`);
  return row?.key ?? made;
}

/** Forgotten with each use, so that the table stays as small as an hour's uses. */
const FORGOTTEN_AT_ONCE = 100;

/** Whether this is the state's first use; it is used from now on. */
export async function takeState(
  db: Queryable,
  state: { readonly id: string; readonly expiresAt: Instant },
  now: Instant,
): Promise<boolean> {
  const taken = await db.query(sql`
    insert into used_request_state (state_id, used_at, expires_at)
    values (${state.id}, ${new Date(now)}, ${new Date(state.expiresAt)})
    on conflict (state_id) do nothing
    returning state_id`);
  await db.query(sql`
    delete from used_request_state where state_id in (
      select state_id from used_request_state where expires_at < ${new Date(now)} limit ${FORGOTTEN_AT_ONCE})`);
  return taken.length === 1;
}
