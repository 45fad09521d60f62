/** Ends PostgreSQL queries that run for long. Each is one of the plan, by its session's start and its own. */
import type { Client } from "pg";
import { reasonOf } from "../../log.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { ArgumentsOf } from "../command.js";
import type { Plan } from "../plans.js";
import { declared } from "../verdict.js";
import { exactTime, ownApplicationName, withDatabase } from "./database-session.js";
import { withoutLiterals } from "./sql-text.js";

/** A query as it was when the plan was made. Times are UTC with microseconds: they are its identity. */
interface RunningQuery {
  readonly pid: number;
  readonly user: string;
  readonly application: string;
  readonly backendStart: string;
  readonly queryStart: string;
  readonly query: string;
}

/**
 * Clients' queries only: no replication, no worker of the server, no superuser (that may be the server's own upkeep), no
 * session of an agent.
 */
const fair = `backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()
     AND state = 'active' AND application_name <> '${ownApplicationName}'
     AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = usesysid AND (r.rolsuper OR r.rolreplication))`;

const findLong = `
  SELECT pid, coalesce(usename, '') AS "user", left(coalesce(application_name, ''), 64) AS application,
         ${exactTime("backend_start")} AS "backendStart", ${exactTime("query_start")} AS "queryStart",
         left(query, 2000) AS query
    FROM pg_stat_activity
   WHERE ${fair} AND query_start < now() - make_interval(secs => $1) AND ($2::int IS NULL OR pid = $2)
   ORDER BY query_start, pid
   LIMIT $3`;

/** One statement: between a look and an end by hand the session could have gone on to another query. */
const endOne = (how: "cancel" | "terminate"): string => `
  SELECT pg_${how}_backend(pid) AS ended FROM pg_stat_activity
   WHERE pid = $1 AND ${fair} AND ${exactTime("backend_start")} = $2 AND ${exactTime("query_start")} = $3`;

const findAgain = `
  SELECT count(*)::int AS left FROM pg_stat_activity
   WHERE pid = $1 AND state = 'active' AND ${exactTime("backend_start")} = $2 AND ${exactTime("query_start")} = $3`;

type Arguments = ArgumentsOf<"terminate-query">;

export const terminateQuery: Action<"terminate-query"> = {
  name: "terminate-query",

  async preview(args, context): Promise<Previewed> {
    try {
      const queries = await onDatabase(args, context, async (client) => {
        const { rows } = await client.query<RunningQuery>(findLong, [
          args.minSeconds,
          args.pid ?? null,
          args.limit,
        ]);
        return rows.map((row) => ({ ...row, query: withoutLiterals(row.query).slice(0, 300) }));
      });
      const { database, minSeconds, how, pid, limit } = args;
      const plan: Plan = {
        action: "terminate-query",
        arguments: { database, minSeconds, how, pid, limit },
        queries,
        inverse: "irreversible",
      };
      const summary = `would ${how} ${count(queries.length)} of ${database} that run for more than ${minSeconds} s`;
      return { kind: "planned", plan, summary };
    } catch (error) {
      return { kind: "impossible", because: `${args.database}: ${reasonOf(error)}` };
    }
  },

  observed() {
    // Sessions come and go: each is compared on its own, right before it is ended.
    return {};
  },

  async run(args, plan, context): Promise<Done> {
    try {
      return await onDatabase(args, context, (client) => endAll(client, args, queriesOf(plan), context));
    } catch (error) {
      const because = `${args.database}: ${reasonOf(error)}`;
      return { succeeded: false, exitCode: 1, summary: because, result: { because } };
    }
  },

  async afterInterruption(args, plan, context): Promise<string> {
    const queries = queriesOf(plan);
    return onDatabase(args, context, async (client) => {
      const left = await stillRunning(client, queries);
      return `${queries.length - left.length} of ${count(queries.length)} of the plan have ended`;
    });
  },
};

async function endAll(
  client: Client,
  { how, database }: Arguments,
  queries: readonly RunningQuery[],
  context: ActionContext,
): Promise<Done> {
  const asked: RunningQuery[] = [];
  let skipped = 0;
  for (const query of queries) {
    if (context.signal.aborted) break;
    const { pid, backendStart, queryStart } = query;
    const { rows } = await client.query<{ ended: boolean }>(endOne(how), [pid, backendStart, queryStart]);
    if (rows[0]?.ended === true) {
      asked.push(query);
      context.say(`${how} ${pid} ${JSON.stringify(query.user)}, running since ${queryStart}`);
    } else {
      skipped++;
      context.say(`skipped ${pid}: ${rows.length === 0 ? "that query has ended" : "refused"}`, "stderr");
    }
  }
  let left: readonly RunningQuery[] = asked;
  for (let tries = 0; tries < 50 && left.length > 0; tries++) {
    left = await stillRunning(client, left);
    if (left.length > 0) await context.system.timers.sleep(100);
  }
  const notReached = queries.length - asked.length - skipped;
  const ended = asked.length - left.length;
  const succeeded = left.length === 0 && notReached === 0 && (ended > 0 || queries.length === 0);
  const parts = [
    `ended ${ended} of ${count(queries.length)} of ${database}`,
    ...(skipped > 0 ? [`${skipped} had ended before`] : []),
    ...(left.length > 0 ? [`${left.length} still run`] : []),
    ...(notReached > 0 ? [`${notReached} not reached`] : []),
  ];
  return {
    succeeded,
    exitCode: succeeded ? 0 : 1,
    summary: parts.join(", "),
    result: { ended, skipped, stillRunning: left.map(({ pid }) => pid), notReached },
  };
}

async function stillRunning(client: Client, queries: readonly RunningQuery[]): Promise<RunningQuery[]> {
  const left: RunningQuery[] = [];
  for (const query of queries) {
    const { rows } = await client.query<{ left: number }>(findAgain, [
      query.pid,
      query.backendStart,
      query.queryStart,
    ]);
    if (rows[0]?.left !== 0) left.push(query);
  }
  return left;
}

function onDatabase<T>(
  args: Arguments,
  { policy }: ActionContext,
  act: (client: Client) => Promise<T>,
): Promise<T> {
  return withDatabase(declared(policy.terminateQuery?.databases, args.database), act);
}

function queriesOf(plan: Plan): RunningQuery[] {
  const queries = plan["queries"];
  if (!Array.isArray(queries)) return [];
  return queries.flatMap((query: unknown) => {
    const {
      pid,
      user,
      application,
      backendStart,
      queryStart,
      query: text,
    } = Object(query) as Readonly<Record<string, unknown>>;
    if (typeof pid !== "number" || typeof backendStart !== "string" || typeof queryStart !== "string")
      return [];
    const shown = { user: String(user), application: String(application), query: String(text) };
    return [{ pid, backendStart, queryStart, ...shown }];
  });
}

function count(queries: number): string {
  return queries === 1 ? "1 query" : `${queries} queries`;
}
