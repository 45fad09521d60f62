/** What each verified remediation came to, in PostgreSQL. */
import type { Instant } from "../kernel/time.js";
import type { Queryable } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import type { Effect } from "./domain/score-effect.js";

/** Notes whether a command helped; noted twice, it counts once. */
export async function saveEffect(
  db: Queryable,
  effect: {
    readonly commandId: string;
    readonly alert: string;
    readonly action: string;
    readonly helped: boolean;
    readonly at: Instant;
  },
): Promise<void> {
  await db.query(sql`
    insert into remediation_effect (command_id, alert, action, helped, at)
    values (${effect.commandId}, ${effect.alert}, ${effect.action}, ${effect.helped}, ${new Date(effect.at)})
    on conflict (command_id) do nothing`);
}

/** What was tried since `since`; of one alert and action, or of all. */
export async function readEffects(
  db: Queryable,
  since: Instant,
  of: { readonly alert: string; readonly action: string } | undefined,
): Promise<readonly (Effect & { readonly lastAt: Instant })[]> {
  const rows = await db.query<{
    alert: string;
    action: string;
    tries: number;
    helped: number;
    last_at: Date;
  }>(sql`
    select alert, action, count(*)::int as tries, count(*) filter (where helped)::int as helped, max(at) as last_at
    from remediation_effect where at > ${new Date(since)}
      and (${of === undefined} or (alert = ${of?.alert ?? ""} and action = ${of?.action ?? ""}))
    group by alert, action
    order by count(*) filter (where helped)::float8 / count(*), count(*) desc, alert, action limit 1000`);
  return rows.map(({ last_at, ...row }) => ({ ...row, lastAt: last_at.getTime() }));
}
