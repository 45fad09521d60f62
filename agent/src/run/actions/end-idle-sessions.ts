/** Ends PostgreSQL client sessions that have been idle for long. Each session is one of the plan, by pid and start. */
import type { Client } from "pg";
import { reasonOf } from "../../log.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { ArgumentsOf } from "../command.js";
import type { Plan } from "../plans.js";
import { declared } from "../verdict.js";
import { exactTime, ownApplicationName, withDatabase } from "./database-session.js";

/** A session as it was when the plan was made. Times are UTC with microseconds: they are its identity. */
export interface IdleSession {
  readonly pid: number;
  readonly user: string;
  readonly application: string;
  readonly state: string;
  readonly backendStart: string;
  readonly idleSince: string;
}

const shownMax = 200;
/**
 * `in-transaction` are those that hold locks and old row versions while they do nothing; a plainly idle session is mostly
 * a healthy member of somebody's pool.
 */
const statesOf = {
  "in-transaction": `('idle in transaction', 'idle in transaction (aborted)')`,
  all: `('idle', 'idle in transaction', 'idle in transaction (aborted)')`,
} as const;

/** No replication, no worker of the server, no superuser, no session of an agent. */
const fair = `backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()
     AND application_name <> '${ownApplicationName}'
     AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = usesysid AND (r.rolsuper OR r.rolreplication))`;

type States = ArgumentsOf<"end-idle-sessions">["states"];

const findIdle = (states: States): string => `
  SELECT pid, coalesce(usename, '') AS "user", left(coalesce(application_name, ''), 64) AS application, state,
         ${exactTime("backend_start")} AS "backendStart", ${exactTime("state_change")} AS "idleSince"
    FROM pg_stat_activity
   WHERE ${fair} AND state IN ${statesOf[states]} AND state_change < now() - make_interval(secs => $1)
   ORDER BY state_change, pid
   LIMIT $2`;

/** One statement: between a look and an end by hand the session could begin to work, or be another one. */
const endOne = (states: States): string => `
  SELECT pg_terminate_backend(pid) AS ended
    FROM pg_stat_activity
   WHERE pid = $1 AND ${fair} AND state IN ${statesOf[states]}
     AND ${exactTime("backend_start")} = $2 AND ${exactTime("state_change")} = $3`;

const findAgain = `SELECT count(*)::int AS left FROM pg_stat_activity WHERE pid = $1 AND ${exactTime("backend_start")} = $2`;

export const endIdleSessions: Action<"end-idle-sessions"> = {
  name: "end-idle-sessions",

  async preview(args, context): Promise<Previewed> {
    try {
      const sessions = await onDatabase(args, context, async (client) => {
        const { rows } = await client.query<IdleSession>(findIdle(args.states), [
          args.idleSeconds,
          args.limit,
        ]);
        return rows;
      });
      const plan: Plan = {
        action: "end-idle-sessions",
        arguments: {
          database: args.database,
          idleSeconds: args.idleSeconds,
          states: args.states,
          limit: args.limit,
        },
        inverse: "irreversible",
        sessions: sessions.map((session) => ({ ...session })),
      };
      const summary = `would end ${count(sessions.length)} of ${args.database} that did nothing for ${args.idleSeconds} s`;
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
    const sessions = sessionsOf(plan);
    try {
      return await onDatabase(args, context, (client) => endAll(client, args, sessions, context));
    } catch (error) {
      const because = `${args.database}: ${reasonOf(error)}`;
      return { succeeded: false, exitCode: 1, summary: because, result: { because } };
    }
  },

  async afterInterruption(args, plan, context): Promise<string> {
    const sessions = sessionsOf(plan);
    return onDatabase(args, context, async (client) => {
      let gone = 0;
      for (const session of sessions) if (await isGone(client, session)) gone++;
      return `${gone} of ${count(sessions.length)} of the plan are gone`;
    });
  },
};

async function endAll(
  client: Client,
  args: ArgumentsOf<"end-idle-sessions">,
  sessions: readonly IdleSession[],
  context: ActionContext,
): Promise<Done> {
  const ended: IdleSession[] = [];
  const skipped: { pid: number; because: string }[] = [];
  for (const session of sessions) {
    if (context.signal.aborted) break;
    const { pid, backendStart, idleSince } = session;
    const { rows } = await client.query<{ ended: boolean }>(endOne(args.states), [
      pid,
      backendStart,
      idleSince,
    ]);
    if (rows[0]?.ended === true) {
      ended.push(session);
      context.say(
        `ended ${pid} ${JSON.stringify(session.user)} ${JSON.stringify(session.application)} idle since ${idleSince}`,
      );
    } else {
      const because =
        rows.length === 0 ? "it is gone, or was used since the plan was made" : "the server did not end it";
      skipped.push({ pid, because });
      context.say(`skipped ${pid}: ${because}`, "stderr");
    }
  }
  const remaining = await waitUntilGone(client, ended, context);
  const notReached = sessions.length - ended.length - skipped.length;
  const succeeded = remaining === 0 && notReached === 0 && (ended.length > 0 || sessions.length === 0);
  const parts = [
    `ended ${ended.length} of ${count(sessions.length)} of ${args.database}`,
    ...(skipped.length > 0 ? [`${skipped.length} skipped`] : []),
    ...(remaining > 0 ? [`${remaining} still there`] : []),
    ...(notReached > 0 ? [`${notReached} not reached`] : []),
  ];
  return {
    succeeded,
    exitCode: succeeded ? 0 : 1,
    summary: parts.join(", "),
    result: {
      ended: ended.length,
      skippedCount: skipped.length,
      remaining,
      notReached,
      skipped: skipped.slice(0, shownMax),
    },
  };
}

/** Ending is asked for, not done: a session goes when it hears of it. */
async function waitUntilGone(
  client: Client,
  ended: readonly IdleSession[],
  context: ActionContext,
): Promise<number> {
  let left = [...ended];
  for (let tries = 0; tries < 20 && left.length > 0; tries++) {
    const still: IdleSession[] = [];
    for (const session of left) if (!(await isGone(client, session))) still.push(session);
    left = still;
    if (left.length > 0) await context.system.timers.sleep(100);
  }
  return left.length;
}

async function isGone(client: Client, { pid, backendStart }: IdleSession): Promise<boolean> {
  const { rows } = await client.query<{ left: number }>(findAgain, [pid, backendStart]);
  return rows[0]?.left === 0;
}

function onDatabase<T>(
  args: ArgumentsOf<"end-idle-sessions">,
  { policy }: ActionContext,
  act: (client: Client) => Promise<T>,
): Promise<T> {
  return withDatabase(declared(policy.endIdleSessions?.databases, args.database), act);
}

function sessionsOf(plan: Plan): IdleSession[] {
  const sessions = plan["sessions"];
  if (!Array.isArray(sessions)) return [];
  return sessions.flatMap((session: unknown) => {
    const { pid, user, application, state, backendStart, idleSince } = Object(session) as Readonly<
      Record<string, unknown>
    >;
    if (typeof pid !== "number" || typeof backendStart !== "string" || typeof idleSince !== "string")
      return [];
    return [
      {
        pid,
        user: String(user),
        application: String(application),
        state: String(state),
        backendStart,
        idleSince,
      },
    ];
  });
}

function count(sessions: number): string {
  return sessions === 1 ? "1 session" : `${sessions} sessions`;
}
